import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SequenceValue } from '../syntax/series-description.ts';
import { type EvalCommand, type LoadCommand, parseScript } from './parse-script.ts';

function onlyCommand<Kind extends 'load' | 'eval'>(
  text: string,
  kind: Kind,
): Kind extends 'load' ? LoadCommand : EvalCommand;
function onlyCommand(text: string, kind: 'load' | 'eval'): LoadCommand | EvalCommand {
  const [command, ...further] = parseScript(text);
  assert.equal(further.length, 0);
  assert.ok(command !== undefined && command.kind !== 'clear' && command.kind === kind);
  return command;
}

const shown = (values: readonly SequenceValue[]): unknown[] =>
  values.map((value) => (value.kind === 'float' ? (value.stale ? 'stale' : value.value) : value.kind));

describe('load', () => {
  it('takes series up to an empty line, the last of equal ones', () => {
    const commands = parseScript('load 1m30s\n  a{x="1"} 1+1x2 _\n\ta{x="1"} 7 stale\n# a comment ends it\nclear');
    assert.deepEqual(
      commands.map(({ kind, line }) => [kind, line]),
      [
        ['load', 1],
        ['clear', 5],
      ],
    );
    const [load] = commands;
    assert.ok(load?.kind === 'load');
    assert.equal(load.stepMs, 90_000);
    assert.equal(load.withCustomBuckets, false);
    assert.deepEqual(
      load.series.map(({ labels, values }) => [labels.pairs, shown(values)]),
      [
        [
          ['__name__', 'a', 'x', '1'],
          [7, 'stale'],
        ],
      ],
    );
  });

  for (const [items, offsets] of [
    ['_ -1m', [undefined, -60_000]],
    ['_x2 0', [undefined, undefined, 0]],
    ['+1ms 5sx1', [1, 5000, 5000]],
    ['-30s-1mx2', [-30_000, -90_000, -150_000]],
    ['-30s+10sx1', [-30_000, -20_000]],
    ['1s--1sx1', [1000, 2000]],
  ] as const) {
    it(`reads the start times ${items}`, () => {
      const text = `load_with_nhcb 1m\n a{b="c"}@st ${items}\n a{b="c"} 1x${offsets.length - 1}`;
      const load = onlyCommand(text, 'load');
      assert.equal(load.withCustomBuckets, true);
      assert.deepEqual(load.series[0]?.startOffsetsMs, offsets);
    });
  }

  for (const [text, line] of [
    ['load 5', 1],
    ['load 1m\n a@st 0\n b 1', 3],
    ['load 1m\n a@st 0 0\n a 1', 3],
    ['load 1m\n a@st 0', 2],
    ['load 1m\n a@st 1mx\n a 1', 2],
    ['load 1m\n a 1 x', 2],
    ['\nforget', 2],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseScript(text), { name: 'ScriptError', line });
    });
  }
});

describe('eval', () => {
  it('takes an instant query with its series', () => {
    const command = onlyCommand(
      'eval instant at 5m sum by (a) (x)\n  expect ordered\n  {a="2"} 3\n  {a="1"} -Inf',
      'eval',
    );
    assert.equal(command.expr, 'sum by (a) (x)');
    assert.deepEqual([command.startMs, command.endMs, command.stepMs, command.range], [300_000, 300_000, 0, false]);
    assert.equal(command.ordered, true);
    assert.ok(command.expected.kind === 'series');
    assert.deepEqual(
      [...command.expected.byKey.values()].map(({ labels, position, values }) => [
        labels.pairs,
        position,
        shown(values),
      ]),
      [
        [['a', '2'], 0, [3]],
        [['a', '1'], 1, [Number.NEGATIVE_INFINITY]],
      ],
    );
  });

  it('takes a range query', () => {
    const command = onlyCommand('eval range from 0 to 1h step 5m a offset 1m\n  a 1 _ {{}}', 'eval');
    assert.equal(command.expr, 'a offset 1m');
    assert.equal(command.range, true);
    assert.deepEqual(command.expectedTimes, { firstMs: 0, lastMs: 3_600_000, stepMs: 300_000 });
    assert.ok(command.expected.kind === 'series');
    const [series] = command.expected.byKey.values();
    assert.deepEqual(shown(series?.values ?? []), [1, 'omitted', 'histogram']);
  });

  it('takes an instant query of a range vector, evaluated at its end', () => {
    const text = 'eval instant at 9m a[3m]\n  expect range vector from 10s to 1m step 10s\n  a 1 2';
    const command = onlyCommand(text, 'eval');
    assert.deepEqual([command.startMs, command.endMs, command.range], [60_000, 60_000, false]);
    assert.deepEqual(command.expectedTimes, { firstMs: 10_000, lastMs: 60_000, stepMs: 10_000 });
  });

  for (const [line, expected] of [
    ['-1.5e3', { kind: 'scalar', value: -1500 }],
    ['+Inf', { kind: 'scalar', value: Number.POSITIVE_INFINITY }],
    ['0x10', { kind: 'scalar', value: 16 }],
    ['expect string "a\\"b"', { kind: 'string', value: 'a"b' }],
    ['expect string `a\\`', { kind: 'string', value: 'a\\' }],
  ] as const) {
    it(`expects ${line}`, () =>
      assert.deepEqual(onlyCommand(`eval instant at 0 1\n ${line}`, 'eval').expected, expected));
  }

  it('matches failures and annotations by text, pattern, or at all', () => {
    const { annotations, fail } = onlyCommand(
      'eval instant at 0 1\n expect fail regex:b+c$\n expect warn msg: a "b" \n expect warn\n expect no_info',
      'eval',
    );
    assert.deepEqual(
      ['abbc', 'abcd'].map((text) => fail?.matches(text)),
      [true, false],
    );
    assert.deepEqual(
      annotations.warn.map((wanted) => ['a "b"', 'a'].map((text) => wanted.matches(text))),
      [
        [true, false],
        [true, true],
      ],
    );
    assert.equal(annotations.no_info.length, 1);
  });

  it('knows the deprecated words', () => {
    const failing = onlyCommand('eval_fail instant at 0 1\n expected_fail_message no way', 'eval');
    assert.equal(failing.fail?.matches('no way'), true);
    assert.equal(failing.fail?.matches('nowhere'), false);
    assert.equal(onlyCommand('eval_ordered instant at 0 1', 'eval').ordered, true);
    assert.equal(onlyCommand('eval_warn range from 0 to 1m step 1m 1', 'eval').annotations.warn.length, 1);
  });

  it('takes a metric called expect', () => {
    const { expected } = onlyCommand('eval instant at 0 expect\n expect{} 1', 'eval');
    assert.ok(expected.kind === 'series' && expected.byKey.size === 1);
  });

  for (const text of [
    'eval instant at -5m a',
    'eval sometime a',
    'eval range from 5m to 1m step 1m a',
    'eval instant at 0 a\n a 1 2',
    'eval instant at 0 a\n expect warn\n expect no_warn',
    'eval instant at 0 a\n expect info\n expect no_info',
    'eval instant at 0 a\n expect fail\n expect fail',
    'eval instant at 0 a\n expect surprise',
    'eval instant at 0 a\n expect warn regex: (',
    'eval instant at 0 a\n expect string a',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseScript(text), { name: 'ScriptError' }));
  }
});
