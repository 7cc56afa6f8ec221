/**
 * `node test/record-answers.ts`: what a real Prometheus 3.15 and Maru answer to the same requests, as a table, and every
 * difference. Exits with 1 where there is one that is not wanted.
 */
import { recordAnswers, recordingTable } from './support/record-answers.ts';

const recording = await recordAnswers();
for (const difference of recording.differences) console.log(difference);
console.log(recordingTable(recording));
process.exitCode = recording.differences.length === 0 ? 0 : 1;
