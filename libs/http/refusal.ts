/** Routes that only refuse a method: it is none of those that their URL has. */

/** The `config` of such a route. */
export const refusal = { isRefusal: true };

/** Whether the `config` of a route says so. */
export function isRefusal(config: object | undefined): boolean {
  return config !== undefined && 'isRefusal' in config;
}
