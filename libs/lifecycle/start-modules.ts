/**
 * The order of rooms: what a room needs is built and started before it, and stopped after it.
 * Owns the order. Does not own which rooms there are (services/modules.ts).
 */
import type { Service } from './service.ts';

/** A row of the table of rooms. A row without `build` only stands for the rows it needs. */
export interface ModuleRow<D> {
  readonly needs: readonly string[];
  readonly build?: (deps: D) => Service | Promise<Service>;
}

export interface StartedModules {
  /** The rooms that run. */
  readonly names: readonly string[];
  /** One line for each room that is not ready. */
  notReady(): string[];
  /** One line for each room of which a part fails. */
  amiss(): string[];
  stop(): Promise<void>;
}

/** Names of all rows that `targets` stand for, each after what it needs. @throws Error for a name that has no row */
function orderModules<D>(rows: Readonly<Record<string, ModuleRow<D>>>, targets: readonly string[]): string[] {
  const order: string[] = [];
  const visiting = new Set<string>();
  const visit = (name: string): void => {
    if (order.includes(name)) return;
    if (visiting.has(name)) throw new Error(`rooms need each other in a circle: ${[...visiting, name].join(' → ')}`);
    const row = rows[name];
    if (row === undefined) throw new Error(`there is no row for ${JSON.stringify(name)} in this table of rooms`);
    visiting.add(name);
    for (const need of row.needs) visit(need);
    visiting.delete(name);
    order.push(name);
  };
  for (const target of targets) visit(target);
  return order;
}

/** Builds and starts the rooms in order. When one fails to start, those before it are stopped again. */
export async function startModules<D>(
  rows: Readonly<Record<string, ModuleRow<D>>>,
  targets: readonly string[],
  deps: D,
): Promise<StartedModules> {
  const running: { name: string; service: Service }[] = [];
  const stop = async (): Promise<void> => {
    for (const { service } of running.splice(0).reverse()) await service.stop();
  };
  try {
    for (const name of orderModules(rows, targets)) {
      const service = await rows[name]?.build?.(deps);
      if (service === undefined) continue;
      running.push({ name, service });
      await service.start();
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const reasons = (ask: (service: Service) => string | undefined): string[] =>
    running.flatMap(({ name, service }) => {
      const reason = ask(service);
      return reason === undefined ? [] : [`${name}: ${reason}`];
    });
  return {
    names: running.map(({ name }) => name),
    notReady: () => reasons((service) => service.notReadyReason()),
    amiss: () => reasons((service) => service.amissReason?.()),
    stop,
  };
}
