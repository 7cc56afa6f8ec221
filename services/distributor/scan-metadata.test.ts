import assert from 'node:assert/strict';
import { it } from 'node:test';
import { scanWriteRequestV1 } from '../../libs/wire/remote-write-v1.ts';
import { WriteScan } from '../../libs/wire/write-scan.ts';
import { scanMetadataV1 } from './scan-metadata.ts';

const entries = 3;

/** Entries whose metric, help and unit are this byte. */
function requestOf(byte: number): WriteScan {
  const one = [0x1a, 9, 0x12, 1, byte, 0x22, 1, byte, 0x2a, 1, byte];
  const bytes = Uint8Array.from({ length: entries * one.length }, (_, i) => one[i % one.length] as number);
  const scan = new WriteScan();
  scanWriteRequestV1(bytes, bytes.length, scan);
  return scan;
}

it('entries of metadata that are no UTF-8 are left out', () => {
  assert.equal(scanMetadataV1(requestOf(0x61), 1024).length, entries);
  assert.equal(scanMetadataV1(requestOf(0xff), 1024).length, 0);
});
