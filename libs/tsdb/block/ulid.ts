/**
 * ULIDs, the names of blocks: 48 bits of milliseconds and 80 of randomness in 26 characters of Crockford's base 32, so that the
 * order of the texts is the order of creation. Only the canonical upper-case form is a name; everything else in a bucket is foreign.
 */
import { Failure } from '../../errors/failure.ts';

export type Ulid = string & { readonly __brand: 'Ulid' };

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** The first character holds three bits: 26 times five are two more than 128. */
const pattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const timeCharacters = 10;
const randomBytesCount = 10;
const timeMax = 2 ** 48 - 1;

/** Whether a text is the name of a block. */
export function isUlid(text: string): text is Ulid {
  return pattern.test(text);
}

/** @throws Failure `bad_data` where it is none. */
export function parseUlid(text: string): Ulid {
  if (!isUlid(text)) throw new Failure('bad_data', `${JSON.stringify(text.slice(0, 64))} is not a ULID`);
  return text;
}

/** When a name was made, milliseconds since the epoch, by the clock of whoever made it. */
export function ulidTime(ulid: Ulid): number {
  let time = 0;
  for (const character of ulid.slice(0, timeCharacters)) time = time * 32 + alphabet.indexOf(character);
  return time;
}

/**
 * A new name.
 * @param random 10 bytes of randomness
 */
export function makeUlid(timeMs: number, random: Uint8Array): Ulid {
  if (!(timeMs >= 0 && timeMs <= timeMax)) throw new RangeError(`a ULID has no room for the time ${timeMs}`);
  if (random.length !== randomBytesCount) throw new RangeError('a ULID takes 10 bytes of randomness');
  let text = '';
  let time = Math.floor(timeMs);
  for (let i = 0; i < timeCharacters; i++) {
    text = alphabet[time % 32] + text;
    time = Math.floor(time / 32);
  }
  let bits = 0;
  let bitCount = 0;
  for (const byte of random) {
    bits = (bits << 8) | byte;
    bitCount += 8;
    while (bitCount >= 5) {
      bitCount -= 5;
      text += alphabet[(bits >>> bitCount) & 31];
    }
    bits &= (1 << bitCount) - 1;
  }
  return parseUlid(text);
}
