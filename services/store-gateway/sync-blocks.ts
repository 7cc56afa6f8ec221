/**
 * Keeping up with the bucket: the indexes of tenants in use are read now and then, headers of new blocks are built before a query
 * needs them, what is gone is let go.
 * Owns the rounds. A round that fails is logged, and the next one tries again; no query waits for it.
 */
import type { IndexedBlock } from '../../libs/blocks/bucket-index.ts';
import type { TenantIndexes } from '../../libs/blocks/tenant-indexes.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { mapBounded } from '../../libs/std/bounded.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import { forTenant } from '../../libs/telemetry/tenant-work.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';
import type { HeaderFiles } from './header-files.ts';
import type { StoreGatewayHandler } from './store-gateway-handler.ts';

export interface SyncDeps {
  readonly handler: StoreGatewayHandler;
  readonly indexes: TenantIndexes;
  readonly headers: HeaderFiles;
  readonly intervalMs: number;
  readonly nowMs: () => number;
  readonly log: Logger;
  /** Whether it is for this gateway to keep a block at hand. */
  readonly isOwn: (tenant: TenantId, block: Ulid) => boolean;
}

/** A tenant that nobody asked for this long is not kept up with. */
const idleMs = 3_600_000;
/** A block that is not kept up with may still be asked for by name this long. */
const keepUnownedMs = 1_800_000;
const headersAtOnceMax = 2;

/** Begins the rounds; `stop` ends them, and resolves when none runs. */
export function startSync(deps: SyncDeps): { stop(): Promise<void> } {
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const round = async (isFirst: boolean): Promise<void> => {
    if (isFirst) await deps.headers.scan();
    const tenants = new Set(deps.indexes.usedWithin(idleMs));
    const sinceMs = deps.nowMs() - idleMs;
    for (const tenant of [...deps.handler.tenants()]) {
      if (deps.handler.isUsedSince(tenant, sinceMs)) tenants.add(tenant);
      // Nobody looks any more whether its blocks are still there.
      else if (!tenants.has(tenant)) await deps.handler.forget(tenant, () => true);
    }
    if (isFirst) for (const tenant of deps.headers.tenants()) tenants.add(tenant);
    await deps.headers.makeRoom(0);
    for (const tenant of tenants) {
      if (stopping.signal.aborted) return;
      await forTenant(tenant, () => syncTenant(deps, tenant, isFirst, stopping.signal));
    }
  };
  const next = (isFirst: boolean): void => {
    running = round(isFirst)
      .catch((error: unknown) => deps.log.warn({ error: String(error) }, 'keeping up with the bucket failed'))
      .then(() => {
        if (!stopping.signal.aborted) timer = setTimeout(() => next(false), deps.intervalMs).unref();
      });
  };
  next(true);
  return {
    stop: async () => {
      stopping.abort();
      clearTimeout(timer);
      await running;
    },
  };
}

async function syncTenant(deps: SyncDeps, tenant: TenantId, isFirst: boolean, signal: AbortSignal): Promise<void> {
  const { handler, indexes, headers, nowMs, log } = deps;
  let blocks: readonly IndexedBlock[];
  try {
    // Whoever was asked for before the start counts as asked for.
    const index = isFirst ? indexes.of(tenant, signal) : indexes.refresh(tenant);
    blocks = (await index).blocks;
  } catch (error) {
    log.warn({ tenant, error: String(error) }, 'the bucket index of a tenant cannot be read');
    return;
  }
  // What another gateway keeps leaves when nobody has asked for it here for a while, as what the bucket has no more.
  const kept = new Set(blocks.map(({ ulid }) => ulid).filter((ulid) => deps.isOwn(tenant, ulid)));
  const oldMs = nowMs() - keepUnownedMs;
  await handler.forget(tenant, ({ ulid, usedAtMs }) => !kept.has(ulid) && usedAtMs < oldMs);
  for (const ulid of headers.ulids(tenant)) {
    if (!kept.has(ulid) && handler.block(tenant, ulid).usedAtMs < oldMs) await headers.remove(tenant, ulid);
  }
  const missing = blocks
    .filter(({ ulid }) => kept.has(ulid) && !headers.has(tenant, ulid))
    .sort((a, b) => b.maxTime - a.maxTime);
  await mapBounded(missing, headersAtOnceMax, async (block) => {
    // Built ahead only where nothing goes for it.
    if (signal.aborted || !(await headers.hasRoomFor(block.details?.indexBytes ?? 0))) return;
    const held = handler.block(tenant, block.ulid);
    try {
      await held.prepare(block);
      await held.release();
    } catch (error) {
      log.warn({ tenant, block: block.ulid, error: String(error) }, 'the header of a block cannot be built');
    }
  });
}
