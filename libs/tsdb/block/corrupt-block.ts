/**
 * What a reader of blocks throws when the bytes are not what they must be. Transient trouble (a bucket that is away) is never this:
 * whoever catches it may set the block aside.
 */
import { Failure } from '../../errors/failure.ts';

export class CorruptBlock extends Failure {
  /** Path or key of the file. */
  readonly file: string;
  /** In bytes. */
  readonly offset: number;

  constructor(file: string, offset: number, reason: string, cause?: unknown) {
    super('internal', `${file} is corrupt at byte ${offset}: ${reason}`, { cause });
    this.name = 'CorruptBlock';
    this.file = file;
    this.offset = offset;
  }
}
