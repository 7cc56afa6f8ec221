import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { ConfigError } from '../config/config-error.ts';
import { parseTenantId } from '../model/tenant-id.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { type Limits, limitKeys } from './limits.ts';
import { watchTenantLimits } from './tenant-limits.ts';

const defaults = Object.fromEntries(Object.entries(limitKeys).map(([name, key]) => [name, key.defaultValue])) as Limits;
const teamA = parseTenantId('team-a');
const proto = parseTenantId('__proto__');

describe('watchTenantLimits', () => {
  async function room() {
    const folder = await tempFolder('overrides');
    const path = join(folder.path, 'overrides.yaml');
    const lines: string[] = [];
    const metrics = new Metrics('1');
    const start = (file: string) =>
      watchTenantLimits({ file, reloadPeriod: 1 << 30 }, defaults, {
        log: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }),
        metrics,
      });
    return { folder, path, lines, metrics, start };
  }

  it('is the defaults without a file', async () => {
    const { folder, start } = await room();
    await using _ = folder;
    const limits = start('');
    assert.equal(limits.of(teamA), defaults);
    limits.stop();
  });

  it("lays a tenant's keys on the defaults, and takes a new file without a restart", async () => {
    const { folder, path, start } = await room();
    await using _ = folder;
    writeFileSync(
      path,
      'overrides:\n  team-a:\n    ingestion_rate: 7\n    past_grace_period: 1h\n  __proto__:\n    request_rate: 3\n',
    );
    const limits = start(path);
    assert.deepEqual(limits.of(teamA), { ...defaults, ingestionRate: 7, pastGracePeriod: 3_600_000 });
    assert.equal(limits.of(proto).requestRate, 3);
    assert.equal(limits.of(parseTenantId('team-b')), defaults);
    writeFileSync(path, 'overrides:\n  team-a:\n    ingestion_rate: 8\n');
    limits.reload();
    assert.deepEqual(limits.of(teamA), { ...defaults, ingestionRate: 8 });
    assert.equal(limits.of(proto), defaults);
    writeFileSync(path, '');
    limits.reload();
    assert.equal(limits.of(teamA), defaults, 'an empty file overrides nothing');
    limits.stop();
  });

  it('says how far ahead a sample may be of any tenant', async () => {
    const { folder, path, start } = await room();
    await using _ = folder;
    writeFileSync(path, 'overrides:\n  team-a:\n    creation_grace_period: 1d\n  b:\n    creation_grace_period: 1s\n');
    const limits = start(path);
    assert.equal(limits.creationGraceMsMax(), 86_400_000);
    writeFileSync(path, 'overrides: {}\n');
    limits.reload();
    assert.equal(limits.creationGraceMsMax(), defaults.creationGracePeriod);
    limits.stop();
  });

  it('goes on with the last good file, and says so once', async () => {
    const { folder, path, lines, metrics, start } = await room();
    await using _ = folder;
    writeFileSync(path, 'overrides:\n  team-a:\n    ingestion_rate: 7\n');
    const limits = start(path);
    writeFileSync(path, 'overrides:\n  team-a:\n    ingestion_rate: many\n');
    limits.reload();
    limits.reload();
    assert.equal(limits.of(teamA).ingestionRate, 7);
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? '',
      /overrides\.yaml:3: key overrides\.team-a\.ingestion_rate: .*many.* is not a whole number/,
    );
    assert.match(await metrics.registry.metrics(), /^maru_runtime_config_last_reload_successful 0$/m);
    writeFileSync(path, 'overrides: {}\n');
    limits.reload();
    assert.equal(limits.of(teamA), defaults);
    assert.match(await metrics.registry.metrics(), /^maru_runtime_config_last_reload_successful 1$/m);
    limits.stop();
  });

  for (const { name, yaml, message } of [
    {
      name: 'a key that is unknown',
      yaml: 'overrides:\n  a:\n    ingestion_rat: 1\n',
      message: /overrides\.a\.ingestion_rat: no such key; the nearest known one is ingestion_rate/,
    },
    {
      name: 'a section that is unknown',
      yaml: 'override:\n  a: {}\n',
      message: /key override: no such key; the nearest known one is overrides/,
    },
    {
      name: 'a tenant that none can be',
      yaml: 'overrides:\n  a/b: {}\n',
      message: /:2: key overrides\.a\/b: tenant ID contains/,
    },
    { name: 'a tenant twice', yaml: 'overrides:\n  a: {}\n  a: {}\n', message: /:3: .*unique/i },
    { name: 'a list of tenants', yaml: 'overrides: [a]\n', message: /overrides must be a map/ },
    { name: 'broken YAML', yaml: 'overrides: {', message: /overrides\.yaml:1/ },
  ]) {
    it(`ends the start for ${name}`, async () => {
      const { folder, path, start } = await room();
      await using _ = folder;
      writeFileSync(path, yaml);
      assert.throws(
        () => start(path),
        (error) => error instanceof ConfigError && message.test(error.message),
      );
    });
  }

  it('ends the start for a file that is not there', async () => {
    const { folder, path, start } = await room();
    await using _ = folder;
    assert.throws(() => start(path), ConfigError);
  });
});
