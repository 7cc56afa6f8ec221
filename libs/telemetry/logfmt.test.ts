import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { logfmtLine } from './logfmt.ts';

describe('logfmtLine', () => {
  for (const { name, fields, line } of [
    { name: 'plain words', fields: { level: 'info', tenant: 'team-a' }, line: 'level=info tenant=team-a' },
    { name: 'a sentence', fields: { msg: 'the head is "back"' }, line: 'msg="the head is \\"back\\""' },
    { name: 'an equals sign', fields: { query: 'up{job="x"}' }, line: 'query="up{job=\\"x\\"}"' },
    {
      name: 'numbers and truth',
      fields: { seconds: 0.5, ok: true, none: null },
      line: 'seconds=0.5 ok=true none=null',
    },
    { name: 'an object', fields: { at: { a: [1] } }, line: 'at="{\\"a\\":[1]}"' },
    { name: 'nothing', fields: { query: '' }, line: 'query=""' },
    { name: 'a new line', fields: { query: 'a\nlevel=fatal' }, line: 'query="a\\nlevel=fatal"' },
    { name: 'an escape sequence', fields: { query: '\u001b[2J' }, line: 'query="\\u001b[2J"' },
    { name: 'the other escape sequence', fields: { query: '\u009b2J\u007f' }, line: 'query="\\u009b2J\\u007f"' },
    { name: 'letters of the world', fields: { query: '마루' }, line: 'query="마루"' },
  ]) {
    it(name, () => assert.equal(logfmtLine(JSON.stringify(fields)), line));
  }
});
