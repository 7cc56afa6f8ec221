/**
 * The table of all paths of the read API: methods, and how answers are dressed. Who answers them is a room's business.
 * Of Prometheus' endpoints, those that ask for one scrape pool by name, for blocks of a local disk and for the process' own
 * metrics are not here (404, as in Mimir).
 */
import { apiDress, type Dress, federateDress, plainDress, uncompressedDress } from './api-call.ts';

export interface ApiRow {
  /** Below the prefix of all (`/prometheus` or nothing), in fastify's syntax. */
  readonly path: ApiPath;
  readonly methods: readonly ('GET' | 'POST' | 'PUT')[];
  readonly dress: Dress;
  /** Says nothing about a tenant and is answered to anybody, as in Mimir. */
  readonly isOpen?: boolean;
  /**
   * Which bodies are forms; absent, those of both kinds. Where Prometheus asks for the form by name it knows no multipart ones, and says
   * what is wrong with the type of a body.
   */
  readonly forms?: 'urlencoded' | 'none';
}

type Rest = Omit<ApiRow, 'path' | 'methods'>;

const get = ['GET'] as const;
const both = ['GET', 'POST'] as const;
const post = ['POST'] as const;
const admin = ['POST', 'PUT'] as const;
const plain: Rest = { dress: apiDress };
const uncompressed: Rest = { dress: uncompressedDress };
const search: Rest = { dress: uncompressedDress, forms: 'urlencoded' };
const open: Rest = { dress: apiDress, isOpen: true };

const table = {
  '/api/v1/query': [both, plain],
  '/api/v1/query_range': [both, plain],
  '/api/v1/query_exemplars': [both, plain],
  '/api/v1/format_query': [both, plain],
  '/api/v1/parse_query': [both, plain],
  '/api/v1/labels': [both, plain],
  '/api/v1/label/:name/values': [get, plain],
  '/api/v1/series': [both, { dress: apiDress, forms: 'urlencoded' }],
  '/api/v1/search/metric_names': [both, search],
  '/api/v1/search/label_names': [both, search],
  '/api/v1/search/label_values': [both, search],
  '/api/v1/metadata': [get, plain],
  '/api/v1/rules': [get, plain],
  '/api/v1/alerts': [get, plain],
  '/api/v1/alertmanagers': [get, plain],
  '/api/v1/targets': [get, plain],
  '/api/v1/targets/metadata': [get, plain],
  '/api/v1/scrape_pools': [get, plain],
  '/api/v1/notifications': [get, uncompressed],
  '/api/v1/features': [get, plain],
  '/api/v1/status/buildinfo': [get, open],
  '/api/v1/status/config': [get, open],
  '/api/v1/status/flags': [get, open],
  '/api/v1/status/runtimeinfo': [get, plain],
  '/api/v1/status/tsdb': [get, plain],
  '/api/v1/status/tsdb/blocks': [get, plain],
  '/api/v1/status/walreplay': [get, uncompressed],
  '/api/v1/openapi.yaml': [get, { dress: plainDress, isOpen: true }],
  '/api/v1/read': [post, { dress: plainDress, forms: 'none' }],
  '/federate': [get, { dress: federateDress }],
  '/api/v1/admin/tsdb/delete_series': [admin, plain],
  '/api/v1/admin/tsdb/clean_tombstones': [admin, plain],
  '/api/v1/admin/tsdb/snapshot': [admin, plain],
} as const satisfies Record<string, readonly [ApiRow['methods'], Rest]>;

export type ApiPath = keyof typeof table;

/** Every path of the API. */
export const apiRows: readonly ApiRow[] = Object.entries(table).map(([path, [methods, rest]]) => ({
  ...{ path: path as ApiPath, methods },
  ...rest,
}));
