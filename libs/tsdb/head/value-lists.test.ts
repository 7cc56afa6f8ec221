import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { canonicalizeLabels } from '../../model/canonical-labels.ts';
import { compareUtf8, Labels } from '../../model/labels.ts';
import { ListMemory } from '../../series/list-memory.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { runInSlices } from '../../std/steps.ts';
import { SeriesTable } from './series-table.ts';
import { type ValueList, ValueLists } from './value-lists.ts';

const { signal } = new AbortController();

function add(table: SeriesTable, name: string, value: string): void {
  const sink = new ByteSink(64);
  canonicalizeLabels(Labels.from([[name, value]]), sink);
  table.idOf(sink.bytes, 0, sink.length);
}

const listOf = (lists: ValueLists, table: SeriesTable, name: string): Promise<ValueList> =>
  runInSlices(lists.of(table, table.findName(name)), signal);

it('a list has every value in order, whatever has come since it was made', async () => {
  const value = fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('a', 'b', 'ü', '🌊', '\ufffd', 'x'.repeat(300)));
  const rounds = fc.array(fc.array(fc.tuple(fc.constantFrom('a', 'b'), value), { minLength: 1 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(rounds, fc.constantFrom(0, 2_000, 1 << 20), async (given, bytesMax) => {
      const lists = new ValueLists(bytesMax);
      const tables = [new SeriesTable(), new SeriesTable()] as const;
      const known = new Map<string, Set<string>>();
      for (const [round, added] of given.entries()) {
        const table = tables[round % 2] as SeriesTable;
        for (const [name, text] of added) {
          add(table, name, text);
          const key = `${round % 2}${name}`;
          known.set(key, (known.get(key) ?? new Set()).add(text));
        }
        const { numbers, texts } = await runInSlices(lists.names(table), signal);
        assert.deepEqual(
          texts,
          ['a', 'b'].filter((name) => known.has(`${round % 2}${name}`)),
        );
        assert.deepEqual(
          texts,
          Array.from(numbers, (name) => table.nameText(name)),
        );
        for (const name of ['a', 'b']) {
          const expected = [...(known.get(`${round % 2}${name}`) ?? [])].sort(compareUtf8);
          if (expected.length === 0) continue;
          const { numbers, texts } = await listOf(lists, table, name);
          assert.deepEqual(texts, expected);
          assert.deepEqual(
            [...numbers].map((pair) => `${table.pairName(pair)} ${table.pairValue(pair)}`),
            expected.map((text) => `${name} ${text}`),
          );
        }
      }
    }),
  );
});

it('a list is made once, and kept as far as there is room', async () => {
  const table = new SeriesTable();
  for (let i = 0; i < 100; i++) for (const name of ['a', 'b']) add(table, name, `value-${i}`);
  const lists = new ValueLists(1 << 20);
  const first = await listOf(lists, table, 'a');
  assert.equal(await listOf(lists, table, 'a'), first);
  // One list has room, two have not.
  const small = new ValueLists(6_000);
  const kept = await listOf(small, table, 'a');
  await listOf(small, table, 'b');
  assert.notEqual(await listOf(small, table, 'a'), kept);
});

it('a list that has become too long to be kept counts as a whole', async () => {
  const table = new SeriesTable();
  const memory = new ListMemory(16 << 20);
  const held = memory.hold('t');
  const lists = new ValueLists(200_000);
  const list = (): Promise<ValueList> => runInSlices(lists.of(table, table.findName('a'), held), signal);
  for (let i = 0; i < 3_000; i++) add(table, 'a', `value-${i}`);
  await list();
  assert.ok(memory.used <= 64 << 10, "one that is kept is nobody's");
  for (let i = 3_000; i < 6_000; i++) add(table, 'a', `value-${i}`);
  const { texts } = await list();
  const least = texts.length * 34;
  assert.ok(memory.used >= least, `${memory.used} bytes`);
});
