/**
 * The scan of a remote_write 1.0 request (prometheus.WriteRequest): one pass over the bytes into a WriteScan.
 * Owns the message shapes of prompb/remote.proto and types.proto that a write uses. Surprising: labels are stepped over by
 * their length alone; what is inside them is read only when their bytes are not those of a known series.
 */

import { cutOff, type ProtobufReader } from '../model/encoding/protobuf-reader.ts';
import { readHistogram } from './histogram-message.ts';
import { otherMessage, type WriteScan } from './write-scan.ts';

/** Field numbers that each message knows, as bits: in another wire type than theirs they are an error. */
const requestFields = (1 << 1) | (1 << 3);
const seriesFields = (1 << 1) | (1 << 2) | (1 << 3) | (1 << 4);
const sampleFields = (1 << 1) | (1 << 2);
const exemplarFields = (1 << 1) | (1 << 2) | (1 << 3);
const metadataFields = (1 << 1) | (1 << 2) | (1 << 4) | (1 << 5);

/** Bytes that 28 bits of a varint cover, as a factor. */
const two28 = 0x10000000;

/**
 * Scans bytes[0, length) into `scan`, which keeps a reference to `bytes`.
 * @throws Failure `bad_data` naming what is broken and at which byte; `too_large` over a maximum. Then the scan means nothing.
 */
export function scanWriteRequestV1(bytes: Uint8Array, length: number, scan: WriteScan): void {
  scan.begin(1, bytes, length);
  const { reader } = scan;
  while (reader.position < length) {
    const at = reader.position;
    if (length - at > 3 && bytes[at] === 0x0a && (bytes[at + 2] as number) < 0x80) {
      // A series of 128 to 16383 bytes, as most are.
      const low = bytes[at + 1] as number;
      const end = at + 3 + ((low & 0x7f) | ((bytes[at + 2] as number) << 7));
      if (low >= 0x80 && end <= length) {
        scanSeries(scan, at + 3, end);
        reader.position = end;
        reader.end = length;
        continue;
      }
    }
    const tag = reader.readTag();
    if (tag === 0x0a) {
      const end = reader.readEnd('a time series');
      scanSeries(scan, reader.position, end);
      reader.position = end;
      reader.end = length;
    } else if (tag === 0x1a) {
      const end = reader.readEnd('metadata');
      scanMetadata(scan, reader, end);
      reader.end = length;
    } else {
      // What 2.0 has for series: passed over it would be lost in silence.
      if (tag === 0x2a) otherMessage(reader.position, '2.0', '1.0');
      reader.skipUnknown(tag, requestFields, 'a write request');
    }
  }
  scan.finish();
}

/** One TimeSeries: the hot loop. Reads tags and lengths of one byte itself; everything else goes through the reader. */
function scanSeries(scan: WriteScan, begin: number, end: number): void {
  const { bytes, view, reader } = scan;
  const row = scan.seriesCount;
  if (row === scan.labelsBegin.length) scan.growSeries();
  let { sampleT, sampleVBits } = scan;
  let samples = scan.sampleCount;
  let { minT, maxT } = scan;
  let labelsBegin = 0;
  let labelsEnd = 0;
  let scattered = false;
  let at = begin;
  while (at < end) {
    const fieldBegin = at;
    let tag = bytes[at++] as number;
    if (tag >= 0x80) {
      reader.position = fieldBegin;
      reader.end = end;
      tag = reader.readTag();
      at = reader.position;
    }
    if (tag === 0x0a) {
      if (at >= end) cutOff('a label', at);
      const length = bytes[at] as number;
      if (length < 0x80) {
        at += 1 + length;
        if (at > end) cutOff('a label', end);
      } else {
        reader.position = at;
        reader.end = end;
        at = reader.readEnd('a label');
      }
      if (labelsEnd === 0) labelsBegin = fieldBegin;
      else if (labelsEnd !== fieldBegin) scattered = true;
      labelsEnd = at;
    } else if (tag === 0x12) {
      if (at >= end) cutOff('a sample', at);
      let sampleEnd = bytes[at] as number;
      if (sampleEnd < 0x80) {
        sampleEnd += ++at;
        if (sampleEnd > end) cutOff('a sample', end);
      } else {
        reader.position = at;
        reader.end = end;
        sampleEnd = reader.readEnd('a sample');
        at = reader.position;
      }
      if (samples === sampleT.length) {
        scan.growSamples();
        ({ sampleT, sampleVBits } = scan);
      }
      let lo = 0;
      let hi = 0;
      let t = 0;
      if (sampleEnd - at === 16 && bytes[at] === 0x09 && bytes[at + 9] === 0x10 && (bytes[at + 15] as number) < 0x80) {
        // A value and a timestamp of today: 8 bytes, then a varint of 6. All others go the long way.
        lo = view.getInt32(at + 1, true);
        hi = view.getInt32(at + 5, true);
        const a = bytes[at + 10] as number;
        const b = bytes[at + 11] as number;
        const c = bytes[at + 12] as number;
        const d = bytes[at + 13] as number;
        const e = bytes[at + 14] as number;
        if ((a & b & c & d & e & 0x80) !== 0) {
          t =
            ((a & 0x7f) | ((b & 0x7f) << 7) | ((c & 0x7f) << 14) | ((d & 0x7f) << 21)) +
            ((e & 0x7f) | ((bytes[at + 15] as number) << 7)) * two28;
          at = sampleEnd;
        }
      }
      while (at < sampleEnd) {
        reader.position = at;
        reader.end = sampleEnd;
        const sampleTag = reader.readTag();
        if (sampleTag === 0x09) {
          const value = reader.takeFixed64('the value of a sample');
          lo = view.getInt32(value, true);
          hi = view.getInt32(value + 4, true);
        } else if (sampleTag === 0x10) {
          t = reader.readInt64('the timestamp of a sample');
        } else {
          reader.skipUnknown(sampleTag, sampleFields, 'a sample');
        }
        at = reader.position;
      }
      sampleT[samples] = t;
      sampleVBits[2 * samples] = lo;
      sampleVBits[2 * samples + 1] = hi;
      samples++;
      if (t < minT) minT = t;
      if (t > maxT) maxT = t;
    } else {
      // Read again: a tag of one byte was not checked yet.
      reader.position = fieldBegin;
      reader.end = end;
      tag = reader.readTag();
      if (tag === 0x1a) scanExemplar(scan, reader, row, reader.readEnd('an exemplar'));
      else if (tag === 0x22) scanHistogram(scan, reader, row, reader.readEnd('a histogram'));
      else reader.skipUnknown(tag, seriesFields, 'a time series');
      at = reader.position;
    }
  }
  if (scattered) {
    labelsBegin = scan.asideEnd;
    gatherLabels(scan, reader, begin, end);
    labelsEnd = scan.asideEnd;
  }
  scan.labelsBegin[row] = labelsBegin;
  scan.labelsEnd[row] = labelsEnd;
  scan.sampleCount = samples;
  // scanHistogram may have widened the bounds meanwhile.
  if (minT < scan.minT) scan.minT = minT;
  if (maxT > scan.maxT) scan.maxT = maxT;
  scan.seriesCount = row + 1;
  scan.sampleBegin[row + 1] = samples;
}

/** Copies every field 1 of a message that was scanned before, tags included, into one piece. */
function gatherLabels(scan: WriteScan, reader: ProtobufReader, begin: number, end: number): void {
  reader.position = begin;
  reader.end = end;
  while (reader.position < end) {
    const fieldBegin = reader.position;
    const tag = reader.readTag();
    reader.skip(tag);
    if (tag === 0x0a) scan.putAside(fieldBegin, reader.position);
  }
}

function scanHistogram(scan: WriteScan, reader: ProtobufReader, series: number, end: number): void {
  const outerEnd = reader.end;
  reader.end = end;
  readHistogram(scan, series);
  reader.end = outerEnd;
}

function scanExemplar(scan: WriteScan, reader: ProtobufReader, series: number, end: number): void {
  const outerEnd = reader.end;
  const begin = reader.position;
  reader.end = end;
  let labelsBegin = 0;
  let labelsEnd = 0;
  let scattered = false;
  let value = 0;
  let t = 0;
  while (reader.position < end) {
    const fieldBegin = reader.position;
    const tag = reader.readTag();
    if (tag === 0x0a) {
      reader.position = reader.readEnd('a label of an exemplar');
      if (labelsEnd === 0) labelsBegin = fieldBegin;
      else if (labelsEnd !== fieldBegin) scattered = true;
      labelsEnd = reader.position;
    } else if (tag === 0x11) {
      value = reader.readDouble('the value of an exemplar');
    } else if (tag === 0x18) {
      t = reader.readInt64('the timestamp of an exemplar');
    } else {
      reader.skipUnknown(tag, exemplarFields, 'an exemplar');
    }
  }
  if (scattered) {
    labelsBegin = scan.asideEnd;
    gatherLabels(scan, reader, begin, end);
    labelsEnd = scan.asideEnd;
  }
  reader.end = outerEnd;
  scan.addExemplar({ series, t, value, labelsBegin, labelsEnd });
}

function scanMetadata(scan: WriteScan, reader: ProtobufReader, end: number): void {
  reader.end = end;
  let type = 0;
  let metricBegin = 0;
  let metricEnd = 0;
  let helpBegin = 0;
  let helpEnd = 0;
  let unitBegin = 0;
  let unitEnd = 0;
  while (reader.position < end) {
    const tag = reader.readTag();
    if (tag === 0x08) {
      type = reader.readUint32('the type of metadata');
    } else if (tag === 0x12) {
      metricEnd = reader.readEnd('the metric name of metadata');
      metricBegin = reader.position;
      reader.position = metricEnd;
    } else if (tag === 0x22) {
      helpEnd = reader.readEnd('the help of metadata');
      helpBegin = reader.position;
      reader.position = helpEnd;
    } else if (tag === 0x2a) {
      unitEnd = reader.readEnd('the unit of metadata');
      unitBegin = reader.position;
      reader.position = unitEnd;
    } else {
      reader.skipUnknown(tag, metadataFields, 'metadata');
    }
  }
  scan.addMetadata({ type: type < 8 ? type : 0, metricBegin, metricEnd, helpBegin, helpEnd, unitBegin, unitEnd });
}
