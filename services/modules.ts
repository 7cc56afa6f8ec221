/**
 * The architecture in one table: every room, what it needs, how it is built. `all` is a row of it.
 * Rooms never import one another: what one offers another goes through the contracts here.
 */
import type { FastifyInstance } from 'fastify';
import type { IngesterContract, IngesterStatusContract } from '../libs/contracts/ingester.ts';
import type { StoreGatewayContract } from '../libs/contracts/store-gateway.ts';
import type { TenantOf } from '../libs/http/tenant-header.ts';
import type { ModuleRow } from '../libs/lifecycle/start-modules.ts';
import type { TenantLimits } from '../libs/limits/tenant-limits.ts';
import type { TenantId } from '../libs/model/tenant-id.ts';
import type { Bucket } from '../libs/object-store/bucket.ts';
import { assert } from '../libs/std/assert.ts';
import type { Logger } from '../libs/telemetry/log.ts';
import type { Metrics } from '../libs/telemetry/metrics.ts';
import { createCompactor } from './compactor/service.ts';
import type { Config } from './config.ts';
import { createDistributor } from './distributor/service.ts';
import { createIngester } from './ingester/service.ts';
import { createQuerier } from './querier/service.ts';
import { createStoreGateway } from './store-gateway/service.ts';

/** What the process offers its rooms, and where rooms leave what they offer each other. */
export interface House {
  readonly config: Config;
  readonly app: FastifyInstance;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly bucket: Bucket;
  readonly limits: TenantLimits;
  readonly tenantOf: TenantOf;
  readonly features: ReadonlySet<string>;
  readonly reservedTenant: TenantId | undefined;
  readonly nowMs: () => number;
  readonly onFatal: (error: unknown) => void;
  ingester?: IngesterContract & IngesterStatusContract;
  storeGateway?: StoreGatewayContract;
}

export const modules: Readonly<Record<string, ModuleRow<House>>> = {
  ingester: {
    needs: [],
    build: (house) => {
      const { service, handler } = createIngester(house.config.ingester, house.config.head, {
        ...house,
        dataDir: house.config.dataDir,
        indexAgeMsMax: house.config.query.bucketIndexMaxAge,
        queryMsMax: house.config.query.timeout,
        log: house.log.child({ component: 'ingester' }),
      });
      house.ingester = handler;
      return service;
    },
  },
  distributor: {
    needs: ['ingester'],
    build: (house) =>
      createDistributor(house.config.distributor, {
        ...house,
        ingester: ingesterOf(house),
        bodyLimits: { bytesMax: house.config.server.maxBodyBytes, arrivalMs: house.config.server.readTimeout },
      }),
  },
  'store-gateway': {
    needs: [],
    build: (house) => {
      const { service, handler } = createStoreGateway(house.config.storeGateway, {
        ...house,
        dataDir: house.config.dataDir,
        log: house.log.child({ component: 'store-gateway' }),
      });
      house.storeGateway = handler;
      return service;
    },
  },
  querier: {
    needs: ['ingester', 'store-gateway'],
    build: (house) =>
      createQuerier(house.config.query, {
        ...house,
        ingester: ingesterOf(house),
        storeGateway: storeGatewayOf(house),
        log: house.log.child({ component: 'querier' }),
      }),
  },
  compactor: {
    needs: [],
    build: (house) =>
      createCompactor(house.config.compactor, {
        ...house,
        dataDir: house.config.dataDir,
        log: house.log.child({ component: 'compactor' }),
        readers: { indexAgeMaxMs: house.config.query.bucketIndexMaxAge, longestQueryMs: house.config.query.timeout },
      }),
  },
  all: { needs: ['distributor', 'ingester', 'store-gateway', 'querier', 'compactor'] },
};

function ingesterOf(house: House): IngesterContract & IngesterStatusContract {
  assert(house.ingester !== undefined, 'the ingester is built before the rooms that need it');
  return house.ingester;
}

function storeGatewayOf(house: House): StoreGatewayContract {
  assert(house.storeGateway !== undefined, 'the store-gateway is built before the rooms that need it');
  return house.storeGateway;
}
