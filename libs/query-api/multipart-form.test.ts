import assert from 'node:assert/strict';
import { it } from 'node:test';
import { encodedFields } from './multipart-form.ts';

const type = 'multipart/form-data; boundary=b';
const formOf = (fields: number) =>
  Buffer.from(`${'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'.repeat(fields)}--b--\r\n`);

it('the fields of a multipart form are read, unless there are more than anybody needs', async () => {
  assert.equal(await encodedFields(type, formOf(2)), 'a=1&a=1');
  assert.equal((await encodedFields(type, formOf(1_000))).length, 3_999);
  await assert.rejects(encodedFields(type, formOf(1_001)), /^Failure: too many fields: at most 1000 are allowed$/);
});
