/**
 * Whose work is under way: from where a tenant is known, every line of the log that follows from it names the tenant, and calls to other
 * processes take the name along. Owns the way it is handed on. Does not own what a tenant may: that is an argument, never read from here.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

const work = new AsyncLocalStorage<string>();

/** Does `act`, and all that follows from it, for a tenant; '' for none. */
export function forTenant<T>(tenant: string, act: () => T): T {
  return work.run(tenant, act);
}

/** The tenant that the caller works for; '' for none. */
export function tenantAtWork(): string {
  return work.getStore() ?? '';
}

/** The same in the words of a log line; nothing where there is none. */
export function tenantFields(): { tenant?: string } {
  const tenant = tenantAtWork();
  return tenant === '' ? {} : { tenant };
}
