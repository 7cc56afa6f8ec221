/**
 * Names of metrics and labels for readers that do not know UTF-8 names: how each scheme writes what is not of the old letters.
 * Facts: prometheus/common model.EscapeName.
 */

export const escapingSchemes = ['underscores', 'allow-utf-8', 'dots', 'values'] as const;
export type EscapingScheme = (typeof escapingSchemes)[number];

const oldName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const oldFirst = /[a-zA-Z_:]/;
const oldOther = /[a-zA-Z0-9_:]/;

/** Whether every reader knows such a name. */
export function isOldName(name: string): boolean {
  return oldName.test(name);
}

/** The name as the scheme writes it; an old name stays. */
export function escapeName(name: string, scheme: EscapingScheme): string {
  if (scheme === 'allow-utf-8' || isOldName(name)) return name;
  let escaped = scheme === 'values' ? 'U__' : '';
  let isFirst = true;
  for (const char of name) {
    const isOld = (isFirst ? oldFirst : oldOther).test(char);
    isFirst = false;
    if (scheme === 'underscores') escaped += isOld ? char : '_';
    else if (char === '_') escaped += '__';
    else if (isOld) escaped += char;
    else if (scheme === 'dots') escaped += char === '.' ? '_dot_' : '__';
    else escaped += `_${(char.codePointAt(0) ?? 0).toString(16)}_`;
  }
  return escaped;
}
