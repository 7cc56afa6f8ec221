/** What the store-gateway reports, read when somebody scrapes. */
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import type { HeaderFiles } from './header-files.ts';
import type { MemoryPageCache } from './page-cache.ts';
import type { StoreGatewayHandler } from './store-gateway-handler.ts';

export function registerStoreGatewayMetrics(
  metrics: Metrics,
  handler: StoreGatewayHandler,
  cache: MemoryPageCache,
  headers: HeaderFiles,
): void {
  const one = (read: () => number) => () => [{ value: read() }];
  const { counters } = handler;
  metrics.gaugeOf(
    'maru_store_gateway_quarantined_blocks',
    'Blocks that are set aside because they are damaged.',
    ['tenant'],
    () => {
      const byTenant = new Map<string, number>();
      for (const { tenant, quarantine } of handler.held()) {
        if (quarantine !== undefined) byTenant.set(tenant, (byTenant.get(tenant) ?? 0) + 1);
      }
      return [...byTenant].map(([tenant, value]) => ({ labels: { tenant }, value }));
    },
  );
  metrics.gaugeOf(
    'maru_store_gateway_index_memory_bytes',
    'Memory of symbols and tables of blocks.',
    [],
    one(() => handler.memoryBytes),
  );
  metrics.gaugeOf(
    'maru_store_gateway_header_files',
    'Headers of blocks on local disk.',
    [],
    one(() => headers.count),
  );
  metrics.gaugeOf(
    'maru_store_gateway_header_bytes',
    'Bytes of headers on local disk.',
    [],
    one(() => headers.bytes),
  );
  metrics.gaugeOf(
    'maru_store_gateway_cache_bytes',
    'Bytes of pages in memory.',
    [],
    one(() => cache.bytes),
  );
  metrics.counterOf(
    'maru_store_gateway_cache_hits_total',
    'Pages that were in memory.',
    [],
    one(() => cache.counters.hits),
  );
  metrics.counterOf(
    'maru_store_gateway_cache_misses_total',
    'Pages that were not.',
    [],
    one(() => cache.counters.misses),
  );
  metrics.counterOf(
    'maru_store_gateway_cache_evictions_total',
    'Pages that went for others.',
    [],
    one(() => cache.counters.evictions),
  );
  metrics.counterOf(
    'maru_store_gateway_queries_total',
    'Sources that were asked for.',
    [],
    one(() => counters.queries),
  );
  metrics.counterOf(
    'maru_store_gateway_blocks_read_total',
    'Reads of a block.',
    [],
    one(() => counters.blocksRead),
  );
  metrics.counterOf(
    'maru_store_gateway_fallbacks_total',
    'Questions for a block that is set aside which other blocks with the same samples answered.',
    [],
    one(() => counters.fallbacks),
  );
  metrics.counterOf(
    'maru_store_gateway_requests_total',
    'Requests to the bucket for selections.',
    [],
    one(() => counters.requests),
  );
  metrics.counterOf(
    'maru_store_gateway_read_bytes_total',
    'Bytes read from the bucket for selections.',
    [],
    one(() => counters.bytes),
  );
}
