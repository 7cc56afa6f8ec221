/** `maru blocks` as an operator runs it: over a bucket in a folder, over S3, over blocks that a real Prometheus cut. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { FilesystemBucket } from '../../libs/object-store/filesystem.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { ulidOf, writeTestBlock } from '../../libs/tsdb/block/block.testing.ts';
import { gridOfSeries } from '../../libs/tsdb/block/block-source.testing.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';
import { skipWithout } from '../support/find-server.ts';
import { startVersitygw } from '../support/start-versitygw.ts';
import { tempFolder } from '../support/temp-folder.ts';

const command = join(import.meta.dirname, '../../services/blocks-command.ts');
const { signal } = new AbortController();

interface Said {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

function maruBlocks(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, maxBuffer: 1 << 28 };
    const child = execFile(process.execPath, [command, ...args], options, (_, out, error) =>
      resolve({ code: child.exitCode ?? -1, out, error }),
    );
  });
}

async function fill(
  directory: string,
  bucket: FilesystemBucket,
): Promise<{ sound: Ulid; damaged: Ulid; partial: Ulid }> {
  const [sound, damaged, partial] = [1, 2, 3].map((seed) => ulidOf(new Prng(seed))) as [Ulid, Ulid, Ulid];
  for (const [i, ulid] of [sound, damaged, partial].entries()) {
    await writeTestBlock({ disk: realDisk, directory, ulid, series: gridOfSeries(2, 3, 10) });
    const tenant = parseTenantId(i === 1 ? 'team-b' : 'team-a');
    await uploadBlock(bucket, tenant, ulid, join(directory, ulid), signal);
  }
  await bucket.delete(`team-a/${partial}/meta.json`, signal);
  await bucket.put('team-a/stray.txt', new Uint8Array(3), { signal });
  const key = `team-b/${damaged}/chunks/000001`;
  const { bytes } = await bucket.get(key, { bytesMax: 1 << 30, signal });
  bytes[50] ^= 1;
  await bucket.put(key, bytes, { signal });
  return { sound, damaged, partial };
}

describe('maru blocks', () => {
  it('lists, verifies and dumps a bucket in a folder', { timeout: 120_000 }, async () => {
    await using folder = await tempFolder('blocks-command');
    const root = join(folder.path, 'bucket');
    const { sound, damaged, partial } = await fill(folder.path, new FilesystemBucket(root));

    const listed = await maruBlocks(['list', `--folder=${root}`]);
    assert.equal(listed.code, 0, listed.error);
    assert.match(listed.out, new RegExp(`team-a/${sound} complete .* 6 series 60 samples`));
    assert.match(listed.out, new RegExp(`team-a/${partial} partial`));
    assert.match(listed.error, /team-a: 1 objects are no part of a block: team-a\/stray.txt/);
    assert.match(listed.error, /3 blocks, 0 bad/);

    const json = await maruBlocks(['list', `--folder=${root}`, '--json', '--tenant=team-b']);
    const rows = json.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      rows.map(({ ulid, numSamples }) => [ulid, numSamples]),
      [[damaged, 60]],
    );

    const verified = await maruBlocks(['verify', `--folder=${root}`, '--deep']);
    assert.equal(verified.code, 1);
    assert.match(verified.out, new RegExp(`team-a/${sound} sound 6 series 6 chunks 60 samples`));
    assert.match(verified.out, new RegExp(`team-b/${damaged} BAD .*chunks/000001 is corrupt`));
    const one = await maruBlocks(['verify', sound], { MARU_BUCKET_FILESYSTEM_DIRECTORY: root });
    assert.equal(one.code, 0, one.error);

    await writeFile(join(root, 'team-b', damaged, 'index'), 'x');
    const short = await maruBlocks(['list', `--folder=${root}`, '--tenant=team-b']);
    assert.equal(short.code, 1);
    assert.match(short.out, new RegExp(`team-b/${damaged} BAD .*index has 1 bytes, meta.json says`));

    const dumped = await maruBlocks(['dump', `--folder=${root}`, sound, '--match={instance="host-00001"}']);
    assert.equal(dumped.out.trim().split('\n').length, 20);
    assert.match(dumped.out, /^\{__name__="metric_0000", instance="host-00001", job="web"\} 0\.\d+ \d{13}$/m);
  });

  it('names of strangers reach no terminal as they are', async () => {
    await using folder = await tempFolder('blocks-command');
    const bell = '\u001b]0;owned\u0007\u009b31m\u202e';
    await mkdir(join(folder.path, 'team-a'));
    await mkdir(join(folder.path, `x${bell}`));
    for (const path of [join('team-a', bell), join(`x${bell}`, 'y')]) await writeFile(join(folder.path, path), 'x');
    const { code, out, error } = await maruBlocks(['list', `--folder=${folder.path}`]);
    assert.equal(code, 0, error);
    assert.match(error, /no tenants: x\\x1b\]0;owned\\a\\u009b31m\\u202e\//);
    assert.match(error, /team-a: 1 objects are no part of a block: team-a\/\\x1b/);
    assert.doesNotMatch(out + error, /[\u0007\u001b\u009b\u202e]/);
    const series = [{ labels: Labels.from([['i', `\ufeff${bell}é`]]), samples: [{ t: 1000, v: 1 }] }];
    await writeTestBlock({ disk: realDisk, directory: join(folder.path, 'team-b'), ulid: ulidOf(new Prng(4)), series });
    const dumped = await maruBlocks(['dump', `--folder=${folder.path}`, '--tenant=team-b']);
    // As promtool writes it.
    assert.equal(dumped.out.trimEnd(), String.raw`{i="\ufeff\x1b]0;owned\a\u009b31m\u202eé"} 1 1000`);
  });

  for (const [args, said] of [
    [['list', '--folder=/nowhere/at/all'], /\/nowhere\/at\/all is no folder/],
    [[], /wants one of list, verify, dump/],
    [['erase'], /wants one of/],
    [['list', '--tenant=../x'], /tenant ID contains a character/],
    [['verify', 'not-a-ulid'], /is not a ULID/],
    [['dump', '--match={'], /parse error|selector/],
    [['list', '--bucket.backend=ftp'], /one of filesystem, s3/],
  ] as const) {
    it(`a mistake is told in a sentence: ${args.join(' ')}`, async () => {
      const { code, out, error } = await maruBlocks(args);
      assert.equal(code, 2, error);
      assert.equal(out, '');
      assert.match(error, said);
    });
  }

  it('a bucket in S3', { skip: skipWithout('versitygw'), timeout: 120_000 }, async () => {
    await using server = await startVersitygw();
    await using folder = await tempFolder('blocks-command');
    // Files of its folder are its objects.
    const { sound } = await fill(folder.path, new FilesystemBucket(server.folder));
    const flags = [
      '--bucket.backend=s3',
      `--bucket.s3.endpoint=${server.endpoint}`,
      `--bucket.s3.bucket-name=${server.bucket}`,
    ];
    const env = {
      AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
    };
    const verified = await maruBlocks(['verify', '--tenant=team-a', ...flags], env);
    assert.equal(verified.code, 0, verified.error);
    assert.match(verified.out, new RegExp(`team-a/${sound} sound`));
  });

  it("Prometheus' folder of blocks, which its own tool wrote", {
    skip: skipWithout('promtool'),
    timeout: 120_000,
  }, async () => {
    await using folder = await tempFolder('blocks-command');
    const { serverPath } = await import('../support/find-server.ts');
    const lines = Array.from(
      { length: 500 },
      (_, i) => `made{n="${i % 5}"} ${i} ${1_700_000_000 + Math.floor(i / 5) * 60}`,
    );
    const openMetrics = join(folder.path, 'made.txt');
    await writeFile(openMetrics, `# TYPE made gauge\n${lines.sort().join('\n')}\n# EOF\n`);
    const data = join(folder.path, 'data');
    await new Promise<void>((done, fail) => {
      const args = ['tsdb', 'create-blocks-from', 'openmetrics', openMetrics, data];
      execFile(serverPath('promtool'), args, (error) => (error === null ? done() : fail(error)));
    });
    const verified = await maruBlocks(['verify', '--deep', `--folder=${data}`]);
    assert.equal(verified.code, 0, verified.error + verified.out);
    const dumped = await maruBlocks(['dump', `--folder=${data}`]);
    // promtool's dump wants a log beside the blocks.
    await mkdir(join(data, 'wal'));
    const promtool = await new Promise<string>((done, fail) => {
      execFile(serverPath('promtool'), ['tsdb', 'dump', data], { maxBuffer: 1 << 28 }, (error, out) =>
        error === null ? done(out) : fail(error),
      );
    });
    assert.deepEqual(dumped.out.trim().split('\n').sort(), promtool.trim().split('\n').sort());
    assert.equal((await readFile(openMetrics, 'utf8')).split('\n').length, 503);
  });
});
