import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseMediaValue } from './media-value.ts';
import { multipartFields } from './multipart-form.ts';

const boundaryOf = (contentType: string) => parseMediaValue(contentType).parameters.get('boundary') ?? '';
const type = 'multipart/form-data; boundary=b';
const one = 'Content-Disposition: form-data; name="a"\r\n\r\n1\r\n';
const formOf = (fields: number) => Buffer.from(`${`--b\r\n${one}`.repeat(fields)}--b--\r\n`);
const read = (text: string, contentType = type) =>
  multipartFields(boundaryOf(contentType), Buffer.from(text)).map(({ name, value }) => [name, value]);

describe('the fields of a multipart form', () => {
  it('are read, unless there are more than anybody needs', () => {
    assert.equal(multipartFields('b', formOf(1_000)).length, 1_000);
    assert.throws(() => multipartFields('b', formOf(1_001)), /^Failure: too many fields: at most 1000 are allowed$/);
    const long = `--b\r\nX: ${'x'.repeat(300_000)}\r\n\r\n1\r\n--b--`;
    assert.throws(() => read(long), /^Failure: headers of fields are too long: at most 262144 characters are allowed$/);
  });

  for (const { name, text, contentType = type, fields } of [
    { name: 'as they come', text: `--b\r\n${one}--b--\r\n`, fields: [['a', '1']] },
    { name: 'without a line behind them', text: `--b\r\n${one}--b--`, fields: [['a', '1']] },
    { name: 'none', text: '--b--\r\n', fields: [] },
    { name: 'behind other lines', text: `x\r\n--bx\r\n--b \t\r\n${one}--b-- \r\n`, fields: [['a', '1']] },
    { name: 'in lines without returns', text: `--b\n${one.replaceAll('\r', '')}--b--`, fields: [['a', '1']] },
    {
      name: 'of several lines, one of which begins like a boundary',
      text: '--b\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--bx\r\n--b-x\n--b\r\n\r\n--b--',
      fields: [['a', '1\r\n--bx\r\n--b-x\n--b\r\n']],
    },
    {
      name: 'that are empty',
      text: '--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b\r\nContent-Disposition: form-data; name=b\r\n\r\n\r\n--b--',
      fields: [
        ['a', ''],
        ['b', ''],
      ],
    },
    {
      name: 'whose names are quoted, folded and not of ASCII',
      text: '--b\r\nX: y\r\nContent-Disposition: form-data;\r\n  NAME="ü\\"\\\\;\\x"\r\nX: y\r\n\r\n🌊\r\n--b--',
      fields: [['ü"\\;\\x', '🌊']],
    },
    {
      name: 'but for files, and what has no name',
      text: [
        'form-data; name=f; filename="x"',
        'form-data; name=e; filename=""',
        'form-data',
        'attachment; name=g',
        'form-data; name=h',
      ]
        .map((disposition) => `--b\r\nContent-Disposition: ${disposition}\r\n\r\n1\r\n`)
        .join('')
        .concat('--b--'),
      fields: [
        ['e', '1'],
        ['h', '1'],
      ],
    },
    {
      name: 'of a quoted boundary',
      text: `--b\r\n${one}--b--`,
      contentType: 'multipart/form-data;charset=x; boundary="b"',
      fields: [['a', '1']],
    },
    { name: 'of no boundary', text: `--b\r\n${one}--b--`, contentType: 'multipart/form-data', fields: [] },
    {
      name: 'whose names and values are encoded',
      text: `--b\r\nContent-Disposition: form-data; name*=utf-8''%C3%BC\r\ncontent-transfer-encoding:\r\n Quoted-Printable\r\n\r\n=C3=BC=\r\n=3D\r\n--b--`,
      fields: [['ü', 'ü=']],
    },
    {
      name: 'but for what is encoded in a way that nobody knows',
      text: `--b\r\nContent-Disposition: form-data; name*=utf-16''a\r\n\r\n1\r\n--b\r\nContent-Transfer-Encoding: base64\r\n${one}--b--`,
      fields: [['a', '1']],
    },
    {
      name: 'none where one is not encoded as it says',
      text: `--b\r\n${one}--b\r\nContent-Transfer-Encoding: quoted-printable\r\n${one.replace('1', '\x01')}--b--`,
      fields: [],
    },
    { name: 'up to a header that is cut off', text: `--b\r\n${one}--b\r\nX: y`, fields: [['a', '1']] },
    { name: 'behind an end that is none yet', text: `--b--\n--b\r\n${one}--b--`, fields: [['a', '1']] },
    { name: 'none where the last line ends in another way', text: `--b\r\n${one}--b--\n`, fields: [] },
    { name: 'none where a header has a byte that is no character', text: `--b\r\nX: \x01\r\n${one}--b--`, fields: [] },
    { name: 'none where the end is missing', text: `--b\r\n${one}`, fields: [] },
    { name: 'none where the last one is cut off', text: `--b\r\n${one}--b\r\n${one}`, fields: [] },
    { name: 'none where a header is none', text: `--b\r\nno header\r\n\r\n1\r\n--b--`, fields: [] },
    { name: 'none where lines end in two ways', text: `--b\r\n${one}--b\n${one}--b--`, fields: [] },
  ]) {
    it(name, () => assert.deepEqual(read(text, contentType), fields));
  }

  it('are those of an encoder that is not ours', async () => {
    const texts = fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed());
    // What Go makes of a backslash browsers do not know.
    const names = texts.filter((text) => !text.includes('\\'));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(names, texts), { maxLength: 5 }), async (given) => {
        const form = new FormData();
        for (const [name, value] of given) form.append(name, value);
        const response = new Response(form);
        const body = new Uint8Array(await response.arrayBuffer());
        const found = multipartFields(boundaryOf(response.headers.get('content-type') ?? ''), body);
        // A name that is empty is none in Go. What breaks a line is escaped in a name, and breaks lines of values alike.
        const lines = (text: string) => text.replaceAll(/\r\n|\r|\n/g, '\r\n');
        const named = (text: string) =>
          lines(text).replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22');
        assert.deepEqual(
          found.map(({ name, value }) => [name, value]),
          given.filter(([name]) => name !== '').map(([name, value]) => [named(name), lines(value)]),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('never fail in another way, whatever is cut or put in', () => {
    const pieces = ['--b', '--', '\r\n', '\n', one, ' ', ';', '"', '\\', ': ', 'name=', 'form-data', 'x', '='];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 40 }), (some) => {
        for (const { name } of multipartFields('b', Buffer.from(some.join('')))) assert.notEqual(name, '');
        multipartFields(boundaryOf(`multipart/form-data${some.join('')}`), formOf(1));
      }),
      { numRuns: 1_000 },
    );
  });
});
