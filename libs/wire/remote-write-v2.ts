/**
 * The scan of a remote_write 2.0 request (io.prometheus.write.v2.Request): one pass over the bytes into a WriteScan.
 * Owns the message shapes of write/v2/types.proto. Surprising: symbols may stand behind the series that use them, so label
 * references are checked once at the end, against their largest; a series whose references make no label set is marked, and
 * its neighbours are kept.
 */

import { cutOff, type ProtobufReader } from '../model/encoding/protobuf-reader.ts';
import { readHistogram } from './histogram-message.ts';
import { otherMessage, type ScannedExemplar, SeriesFault, startTimeOf, type WriteScan } from './write-scan.ts';

const requestFields = (1 << 4) | (1 << 5);
const seriesFields = (1 << 1) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 5);
const sampleFields = (1 << 1) | (1 << 2) | (1 << 3);
const exemplarFields = (1 << 1) | (1 << 2) | (1 << 3);
const metadataFields = (1 << 1) | (1 << 3) | (1 << 4);

/** Bytes that 28 bits of a varint cover, as a factor. */
const two28 = 0x10000000;

/**
 * Scans bytes[0, length) into `scan`, which keeps a reference to `bytes`.
 * @throws Failure `bad_data` naming what is broken and at which byte; `too_large` over a maximum. Then the scan means nothing.
 */
export function scanWriteRequestV2(bytes: Uint8Array, length: number, scan: WriteScan): void {
  scan.begin(2, bytes, length);
  const { reader } = scan;
  let refMax = -1;
  while (reader.position < length) {
    const tag = reader.readTag();
    if (tag === 0x22) {
      const end = reader.readEnd('a symbol');
      const symbol = scan.symbolCount;
      if (symbol === scan.symbolBegin.length) scan.growSymbols();
      scan.symbolBegin[symbol] = reader.position;
      scan.symbolEnd[symbol] = end;
      scan.symbolText[symbol] = 0;
      scan.symbolCount = symbol + 1;
      reader.position = end;
    } else if (tag === 0x2a) {
      const end = reader.readEnd('a time series');
      const seriesRefMax = scanSeries(scan, reader.position, end);
      if (seriesRefMax > refMax) refMax = seriesRefMax;
      reader.position = end;
      reader.end = length;
    } else {
      // Fields 1 to 3 are reserved, so that the series of 1.0 are told from something new; passed over they would be lost in silence.
      if (tag === 0x0a) otherMessage(reader.position, '1.0', '2.0');
      reader.skipUnknown(tag, requestFields, 'a write request');
    }
  }
  if (refMax >= scan.symbolCount) dropOutOfRange(scan);
  if (scan.exemplars.length > 0) checkExemplars(scan);
}

/** One TimeSeries: the hot loop. @returns the largest reference to a symbol in it, -1 for none */
function scanSeries(scan: WriteScan, begin: number, end: number): number {
  const { bytes, view, reader } = scan;
  const row = scan.seriesCount;
  if (row === scan.labelsBegin.length) scan.growSeries();
  scan.seriesFault[row] = SeriesFault.none;
  scan.hasMetadata[row] = 0;
  const refsBegin = scan.refsBegin[row] as number;
  let { refs, sampleT, sampleVBits, sampleST } = scan;
  let refCount = refsBegin;
  let refMax = -1;
  let samples = scan.sampleCount;
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
      reader.position = at;
      reader.end = end;
      const refsEnd = reader.readEnd('label references');
      at = reader.position;
      while (refCount + refsEnd - at > refs.length) {
        // Every reference takes a byte at least, so the bytes that are there bound what is taken.
        scan.growRefs();
        refs = scan.refs;
      }
      while (at < refsEnd) {
        let ref = bytes[at++] as number;
        if (ref >= 0x80) {
          const next = at < refsEnd ? (bytes[at] as number) : 0x80;
          if (next < 0x80) {
            ref = (ref & 0x7f) | (next << 7);
            at++;
          } else {
            reader.position = at - 1;
            reader.end = refsEnd;
            ref = reader.readUint32('a label reference');
            at = reader.position;
          }
        }
        refs[refCount++] = ref;
        if (ref > refMax) refMax = ref;
      }
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
        ({ sampleT, sampleVBits, sampleST } = scan);
      }
      let lo = 0;
      let hi = 0;
      let t = 0;
      let st = 0;
      if (sampleEnd - at >= 16 && bytes[at] === 0x09 && bytes[at + 9] === 0x10 && (bytes[at + 15] as number) < 0x80) {
        // A value and a timestamp of today: 8 bytes, then a varint of 6. All others go the long way.
        const a = bytes[at + 10] as number;
        const b = bytes[at + 11] as number;
        const c = bytes[at + 12] as number;
        const d = bytes[at + 13] as number;
        const e = bytes[at + 14] as number;
        if ((a & b & c & d & e & 0x80) !== 0) {
          lo = view.getInt32(at + 1, true);
          hi = view.getInt32(at + 5, true);
          t =
            ((a & 0x7f) | ((b & 0x7f) << 7) | ((c & 0x7f) << 14) | ((d & 0x7f) << 21)) +
            ((e & 0x7f) | ((bytes[at + 15] as number) << 7)) * two28;
          at += 16;
        }
      }
      while (at < sampleEnd) {
        reader.position = at;
        reader.end = sampleEnd;
        const sampleTag = reader.readTag();
        if (sampleTag === 0x18) {
          st = startTimeOf(reader.readInt64('the start timestamp of a sample'));
        } else if (sampleTag === 0x09) {
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
      sampleST[samples] = st;
      sampleVBits[2 * samples] = lo;
      sampleVBits[2 * samples + 1] = hi;
      samples++;
      if (t < scan.minT) scan.minT = t;
      if (t > scan.maxT) scan.maxT = t;
      if (st !== 0) scan.hasStartTimes = true;
    } else {
      // Read again: a tag of one byte was not checked yet.
      reader.position = fieldBegin;
      reader.end = end;
      tag = reader.readTag();
      if (tag === 0x08) {
        const ref = reader.readUint32('a label reference');
        if (refCount === refs.length) {
          scan.growRefs();
          refs = scan.refs;
        }
        refs[refCount++] = ref;
        if (ref > refMax) refMax = ref;
      } else if (tag === 0x1a) {
        const histogramEnd = reader.readEnd('a histogram');
        reader.end = histogramEnd;
        readHistogram(scan, row);
      } else if (tag === 0x22) {
        scanExemplar(scan, reader, row, reader.readEnd('an exemplar'));
      } else if (tag === 0x2a) {
        scanMetadata(scan, reader, row, reader.readEnd('metadata'));
      } else {
        reader.skipUnknown(tag, seriesFields, 'a time series');
      }
      at = reader.position;
    }
  }
  if (((refCount - refsBegin) & 1) !== 0) {
    scan.seriesFault[row] = SeriesFault.oddLabelRefs;
    scan.faultCount++;
    refCount = refsBegin;
    refMax = -1;
  }
  if (scan.hasMetadata[row] === 1) {
    refMax = Math.max(refMax, scan.metadataHelp[row] as number, scan.metadataUnit[row] as number);
  }
  scan.sampleCount = samples;
  scan.seriesCount = row + 1;
  scan.sampleBegin[row + 1] = samples;
  scan.refsBegin[row + 1] = refCount;
  return refMax;
}

function scanExemplar(scan: WriteScan, reader: ProtobufReader, series: number, end: number): void {
  reader.end = end;
  const labelsBegin = scan.exemplarRefCount;
  let value = 0;
  let t = 0;
  while (reader.position < end) {
    const tag = reader.readTag();
    if (tag === 0x0a) {
      const refsEnd = reader.readEnd('label references of an exemplar');
      reader.end = refsEnd;
      while (reader.position < refsEnd) scan.addExemplarRef(reader.readUint32('a label reference of an exemplar'));
      reader.end = end;
    } else if (tag === 0x08) {
      scan.addExemplarRef(reader.readUint32('a label reference of an exemplar'));
    } else if (tag === 0x11) {
      value = reader.readDouble('the value of an exemplar');
    } else if (tag === 0x18) {
      t = reader.readInt64('the timestamp of an exemplar');
    } else {
      reader.skipUnknown(tag, exemplarFields, 'an exemplar');
    }
  }
  scan.addExemplar({ series, t, value, labelsBegin, labelsEnd: scan.exemplarRefCount });
}

/** A message that comes twice is merged, as protobuf says: the later field wins. */
function scanMetadata(scan: WriteScan, reader: ProtobufReader, row: number, end: number): void {
  reader.end = end;
  if (scan.hasMetadata[row] === 0) {
    scan.hasMetadata[row] = 1;
    scan.metadataType[row] = 0;
    scan.metadataHelp[row] = 0;
    scan.metadataUnit[row] = 0;
  }
  while (reader.position < end) {
    const tag = reader.readTag();
    if (tag === 0x08) {
      const type = reader.readUint32('the type of metadata');
      scan.metadataType[row] = type < 8 ? type : 0;
    } else if (tag === 0x18) {
      scan.metadataHelp[row] = reader.readUint32('the help reference of metadata');
    } else if (tag === 0x20) {
      scan.metadataUnit[row] = reader.readUint32('the unit reference of metadata');
    } else {
      reader.skipUnknown(tag, metadataFields, 'metadata');
    }
  }
}

/** The slow end of a hostile request: marks series with references to no symbol and closes the gaps in `refs`. */
function dropOutOfRange(scan: WriteScan): void {
  const { refs, refsBegin, symbolCount, metadataHelp, metadataUnit } = scan;
  let kept = 0;
  let begin = 0;
  for (let row = 0; row < scan.seriesCount; row++) {
    const end = refsBegin[row + 1] as number;
    let inRange = true;
    for (let i = begin; i < end; i++) if ((refs[i] as number) >= symbolCount) inRange = false;
    if (inRange) {
      refs.copyWithin(kept, begin, end);
      kept += end - begin;
    } else {
      scan.seriesFault[row] = SeriesFault.labelRefOutOfRange;
      scan.faultCount++;
    }
    if ((metadataHelp[row] as number) >= symbolCount || (metadataUnit[row] as number) >= symbolCount) {
      scan.hasMetadata[row] = 0;
    }
    begin = end;
    refsBegin[row + 1] = kept;
  }
}

/** Takes exemplars out whose references make no label set. */
function checkExemplars(scan: WriteScan): void {
  const { exemplarRefs, symbolCount } = scan;
  let max = -1;
  for (let i = 0; i < scan.exemplarRefCount; i++)
    if ((exemplarRefs[i] as number) > max) max = exemplarRefs[i] as number;
  const isGood = ({ labelsBegin, labelsEnd }: ScannedExemplar): boolean => {
    if (((labelsEnd - labelsBegin) & 1) !== 0) return false;
    if (max < symbolCount) return true;
    for (let i = labelsBegin; i < labelsEnd; i++) if ((exemplarRefs[i] as number) >= symbolCount) return false;
    return true;
  };
  const good = scan.exemplars.filter(isGood);
  scan.faultyExemplars = scan.exemplars.length - good.length;
  if (scan.faultyExemplars > 0) scan.exemplars = good;
}
