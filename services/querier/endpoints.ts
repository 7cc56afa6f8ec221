/**
 * The table of all endpoints of the read API: path, methods, what answers, how the answer is dressed.
 * Of Prometheus' endpoints, those that ask for one scrape pool by name, for blocks of a local disk and for the process' own
 * metrics are not here (404, as in Mimir); those that list targets, pools or Alertmanagers are empty, which is true of a
 * backend that has none, so that a page or tool made for Prometheus finds nothing rather than an error.
 */
import { buildInfoJson } from './build-info.ts';
import { apiDress, type EndpointRow, federateDress, plainDress, uncompressedDress } from './endpoint.ts';
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
} from './prometheus-api.ts';
import { remoteRead } from './read-endpoint.ts';
import { searchLabelNames, searchLabelValues, searchMetricNames } from './search-endpoints.ts';
import { disabled, features, fixed, runtimeInfo, tsdbStatus, walReplay } from './status-endpoints.ts';

type Row = Omit<EndpointRow, 'methods' | 'dress'> & Partial<Pick<EndpointRow, 'dress'>>;

const get = (row: Row): EndpointRow => ({ methods: ['GET'], dress: apiDress, ...row });
const both = (row: Row): EndpointRow => ({ methods: ['GET', 'POST'], dress: apiDress, ...row });
const admin = (row: Row): EndpointRow => ({ methods: ['POST', 'PUT'], dress: apiDress, ...row });

const noAdmin = disabled('admin APIs disabled');

/** Every endpoint of the room. */
export const endpoints: readonly EndpointRow[] = [
  both({ path: '/api/v1/query', endpoint: query }),
  both({ path: '/api/v1/query_range', endpoint: queryRange }),
  both({ path: '/api/v1/query_exemplars', endpoint: queryExemplars }),
  both({ path: '/api/v1/format_query', endpoint: syntaxEndpoint('text') }),
  both({ path: '/api/v1/parse_query', endpoint: syntaxEndpoint('tree') }),
  both({ path: '/api/v1/labels', endpoint: labels }),
  get({ path: '/api/v1/label/:name/values', endpoint: labelValues }),
  both({ path: '/api/v1/series', endpoint: series }),
  both({ path: '/api/v1/search/metric_names', endpoint: searchMetricNames, dress: uncompressedDress }),
  both({ path: '/api/v1/search/label_names', endpoint: searchLabelNames, dress: uncompressedDress }),
  both({ path: '/api/v1/search/label_values', endpoint: searchLabelValues, dress: uncompressedDress }),
  get({ path: '/api/v1/metadata', endpoint: metadata }),
  get({ path: '/api/v1/rules', endpoint: rules }),
  get({ path: '/api/v1/alerts', endpoint: fixed('{"alerts":[]}') }),
  get({
    path: '/api/v1/alertmanagers',
    endpoint: fixed('{"activeAlertmanagers":[],"droppedAlertmanagers":[]}'),
  }),
  get({
    path: '/api/v1/targets',
    endpoint: fixed('{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}'),
  }),
  get({ path: '/api/v1/targets/metadata', endpoint: fixed('[]') }),
  get({ path: '/api/v1/scrape_pools', endpoint: fixed('{"scrapePools":[]}') }),
  get({ path: '/api/v1/notifications', endpoint: fixed('[]'), dress: uncompressedDress }),
  get({ path: '/api/v1/features', endpoint: features }),
  get({ path: '/api/v1/status/buildinfo', endpoint: fixed(buildInfoJson), isOpen: true }),
  get({ path: '/api/v1/status/config', endpoint: fixed('{}'), isOpen: true }),
  get({ path: '/api/v1/status/flags', endpoint: fixed('{}'), isOpen: true }),
  get({ path: '/api/v1/status/runtimeinfo', endpoint: runtimeInfo }),
  get({ path: '/api/v1/status/tsdb', endpoint: tsdbStatus }),
  get({ path: '/api/v1/status/walreplay', endpoint: walReplay, dress: uncompressedDress }),
  get({ path: '/api/v1/openapi.yaml', endpoint: openApi, dress: plainDress, isOpen: true }),
  { path: '/api/v1/read', methods: ['POST'], endpoint: remoteRead, dress: plainDress },
  get({ path: '/federate', endpoint: federate, dress: federateDress }),
  admin({ path: '/api/v1/admin/tsdb/delete_series', endpoint: noAdmin }),
  admin({ path: '/api/v1/admin/tsdb/clean_tombstones', endpoint: noAdmin }),
  admin({ path: '/api/v1/admin/tsdb/snapshot', endpoint: noAdmin }),
];
