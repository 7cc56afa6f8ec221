/**
 * Which form of an exposition the header `Accept` asks for: text, or delimited protobuf, which alone can carry native histograms,
 * and how names are escaped in it. Facts: prometheus/common expfmt.NegotiateAccept.
 */
import { type EscapingScheme, escapingSchemes } from './escape-name.ts';

export interface ExpositionForm {
  readonly kind: 'text' | 'protobuf';
  readonly escaping: EscapingScheme;
}

interface AcceptClause {
  readonly type: string;
  readonly quality: number;
  readonly parameters: ReadonlyMap<string, string>;
}

/** What the header `Accept` comes to. How names are escaped, the clauses up to the one that is met say. */
export function expositionFormOf(accept: string): ExpositionForm {
  let escaping: EscapingScheme = 'underscores';
  for (const { type, parameters } of acceptClauses(accept)) {
    const asked = parameters.get('escaping');
    escaping = escapingSchemes.find((scheme) => scheme === asked) ?? escaping;
    if (type === 'text/plain' && (parameters.get('version') ?? '0.0.4') === '0.0.4') return { kind: 'text', escaping };
    const isProtobuf = type === 'application/vnd.google.protobuf' && parameters.get('encoding') === 'delimited';
    if (isProtobuf && parameters.get('proto') === 'io.prometheus.client.MetricFamily')
      return { kind: 'protobuf', escaping };
  }
  return { kind: 'text', escaping };
}

function acceptClauses(accept: string): AcceptClause[] {
  const clauses = accept.split(',').map((clause) => {
    const [type = '', ...rest] = clause.split(';').map((text) => text.trim());
    const parameters = new Map(
      rest
        .map((text) => text.split('='))
        .filter((parts) => parts.length === 2)
        .map(([name = '', value = '']) => [name.trim(), value.trim()] as const),
    );
    return { type, quality: Number(parameters.get('q') ?? 1), parameters };
  });
  return clauses.sort((a, b) => b.quality - a.quality);
}
