/**
 * The table of all endpoints of the read API: which path is answered by what.
 * Those that list targets, pools or Alertmanagers are empty, which is true of a backend that has none, so that a page or tool
 * made for Prometheus finds nothing rather than an error. Methods and dress of each stand in libs/query-api/api-paths.ts.
 */
import type { ApiPath } from '../../libs/query-api/api-paths.ts';
import { buildInfoJson } from './build-info.ts';
import type { Endpoint } from './endpoint.ts';
import { federate } from './federate-endpoint.ts';
import { openApi } from './open-api.ts';
import {
  labels,
  labelValues,
  metadata,
  query,
  queryExemplars,
  queryRange,
  rules,
  series,
  syntaxEndpoint,
  targetMetadata,
} from './prometheus-api.ts';
import { remoteRead } from './read-endpoint.ts';
import { searchLabelNames, searchLabelValues, searchMetricNames } from './search-endpoints.ts';
import { disabled, features, fixed, runtimeInfo, tsdbBlocks, tsdbStatus, walReplay } from './status-endpoints.ts';

const noAdmin = disabled('admin APIs disabled');

/** Every endpoint of the room. */
export const endpoints: Readonly<Record<ApiPath, Endpoint>> = {
  '/api/v1/query': query,
  '/api/v1/query_range': queryRange,
  '/api/v1/query_exemplars': queryExemplars,
  '/api/v1/format_query': syntaxEndpoint('text'),
  '/api/v1/parse_query': syntaxEndpoint('tree'),
  '/api/v1/labels': labels,
  '/api/v1/label/:name/values': labelValues,
  '/api/v1/series': series,
  '/api/v1/search/metric_names': searchMetricNames,
  '/api/v1/search/label_names': searchLabelNames,
  '/api/v1/search/label_values': searchLabelValues,
  '/api/v1/metadata': metadata,
  '/api/v1/rules': rules,
  '/api/v1/alerts': fixed('{"alerts":[]}'),
  '/api/v1/alertmanagers': fixed('{"activeAlertmanagers":[],"droppedAlertmanagers":[]}'),
  '/api/v1/targets': fixed('{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}'),
  '/api/v1/targets/metadata': targetMetadata,
  '/api/v1/scrape_pools': fixed('{"scrapePools":[]}'),
  '/api/v1/notifications': fixed('[]'),
  '/api/v1/features': features,
  '/api/v1/status/buildinfo': fixed(buildInfoJson),
  '/api/v1/status/config': fixed('{}'),
  '/api/v1/status/flags': fixed('{}'),
  '/api/v1/status/runtimeinfo': runtimeInfo,
  '/api/v1/status/tsdb': tsdbStatus,
  '/api/v1/status/tsdb/blocks': tsdbBlocks,
  '/api/v1/status/walreplay': walReplay,
  '/api/v1/openapi.yaml': openApi,
  '/api/v1/read': remoteRead,
  '/federate': federate,
  '/api/v1/admin/tsdb/delete_series': noAdmin,
  '/api/v1/admin/tsdb/clean_tombstones': noAdmin,
  '/api/v1/admin/tsdb/snapshot': noAdmin,
};

/** What the main thread answers itself from all that a tenant has. */
const listed: ReadonlySet<ApiPath> = new Set<ApiPath>([
  '/api/v1/labels',
  '/api/v1/label/:name/values',
  '/api/v1/series',
  '/api/v1/query_exemplars',
  '/api/v1/search/metric_names',
  '/api/v1/search/label_names',
  '/api/v1/search/label_values',
  '/api/v1/metadata',
  '/api/v1/status/tsdb',
]);

/** Whether an endpoint is such a one: queries have the pool, the others cost nothing. */
export function isListed(path: ApiPath): boolean {
  return listed.has(path);
}
