import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeQuotedPrintable } from './quoted-printable.ts';

function decode(text: string): string | undefined {
  const decoded = decodeQuotedPrintable(Buffer.from(text, 'latin1'));
  return decoded === undefined ? undefined : Buffer.from(decoded).toString('latin1');
}

/** What Go 1.26 makes of them. */
describe('a quoted-printable text', () => {
  for (const [text, expected] of [
    ['', ''],
    ['a=3Db=3db', 'a=b=b'],
    ['a=\r\nb= \t\nc', 'abc'],
    ['a \t\r\nb  \nc  ', 'a\r\nb\nc'],
    ['a\rb', 'a\rb'],
    ['a=', 'a'],
    ['=', undefined],
    ['=\r\n', ''],
    ['a==', undefined],
    ['a=\r\r\n', undefined],
    ['=4', '=4'],
    ['=\rx', undefined],
    ['=zz=4z\n', '=zz=4z\n'],
    ['\xc3\xbc', '\xc3\xbc'],
    ['\x01', undefined],
    ['\x7f', undefined],
    ['x'.repeat(4096), 'x'.repeat(4096)],
    ['x'.repeat(4097), undefined],
    [`${'x'.repeat(4095)}\n`, `${'x'.repeat(4095)}\n`],
    [`${'x'.repeat(4096)}\n`, undefined],
  ] as const)
    it(JSON.stringify(text.slice(0, 20)), () => assert.equal(decode(text), expected));

  it('says what was written in it', () => {
    const escaped = (byte: number) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = Array.from(bytes, (byte, i) => escaped(byte) + (i % 20 === 19 ? '=\r\n' : '')).join('');
        assert.deepEqual(Buffer.from(decodeQuotedPrintable(Buffer.from(text)) ?? []), Buffer.from(bytes));
      }),
    );
  });
});
