/**
 * Limits of single tenants in a file, taken over by a running process; a broken file changes nothing.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { push } from '../support/push-client.ts';
import { runMaru, startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

it('limits of a tenant come from a file and follow it', { timeout: 60_000 }, async () => {
  await using folder = await tempFolder('overrides');
  const path = join(folder.path, 'overrides.yaml');
  writeFileSync(path, 'overrides:\n  small:\n    max_label_value_length: 3\n');
  await using maru = await startMaru({
    args: [`--runtime-config.file=${path}`, '--runtime-config.reload-period=50ms'],
  });
  let value = 0;
  const statusOf = async (tenant: string) => {
    const labels: [string, string][] = [
      ['__name__', 'up'],
      ['instance', `longer-than-three-${value++}`],
    ];
    const answer = await push(maru.baseUrl, [{ labels, samples: [{ t: Date.now(), v: 1 }] }], {
      protocol: 'v1',
      tenant,
    });
    if (answer.status === 400) assert.match(answer.text, /err-mimir-label-value-too-long/);
    return answer.status;
  };
  assert.equal(await statusOf('small'), 400);
  assert.equal(await statusOf('large'), 204);
  writeFileSync(path, 'overrides:\n  small: [\n');
  await waitFor('the broken file to be named', () => maru.log().includes('stay as they were') || undefined);
  assert.equal(await statusOf('small'), 400, 'a broken file changes nothing');
  writeFileSync(path, 'overrides:\n  large:\n    max_label_value_length: 3\n');
  await waitFor('the new limits', async () => ((await statusOf('small')) === 204 ? true : undefined));
  assert.equal(await statusOf('large'), 400);
});

it('a file of overrides that cannot be understood ends the start', { timeout: 30_000 }, async () => {
  await using folder = await tempFolder('overrides');
  const path = join(folder.path, 'overrides.yaml');
  writeFileSync(path, 'overrides:\n  small:\n    max_label_value_lenght: 3\n');
  const child = runMaru([
    `--data-dir=${join(folder.path, 'data')}`,
    '--server.http-port=0',
    `--runtime-config.file=${path}`,
  ]);
  const { code } = await child.exited;
  assert.equal(code, 2);
  assert.match(
    child.output(),
    /overrides\.yaml:3: key overrides\.small\.max_label_value_lenght: no such key; the nearest known one is max_label_value_length/,
  );
});

it('SIGHUP has the file read at once, and ends nothing', { timeout: 60_000 }, async () => {
  await using folder = await tempFolder('overrides');
  const path = join(folder.path, 'overrides.yaml');
  writeFileSync(path, '');
  await using maru = await startMaru({ args: [`--runtime-config.file=${path}`, '--runtime-config.reload-period=1h'] });
  let number = 0;
  const statusNow = async () => {
    const labels: [string, string][] = [['__name__', `longer_than_three_${number++}`]];
    return (await push(maru.baseUrl, [{ labels, samples: [{ t: Date.now(), v: 1 }] }], { protocol: 'v1' })).status;
  };
  assert.equal(await statusNow(), 204);
  writeFileSync(path, 'overrides:\n  anonymous:\n    max_label_value_length: 3\n');
  maru.signal('SIGHUP');
  await waitFor('the new limits', async () => ((await statusNow()) === 400 ? true : undefined));
  assert.deepEqual(await maru.stop(), { code: 0, signal: null });
});
