/** A mistake of the operator: every message names the key, where it stood, and what was meant. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
