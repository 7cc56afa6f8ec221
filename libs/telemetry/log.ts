/**
 * Structured logs: pino, as JSON lines or, for a person at a terminal, as logfmt.
 * Owns the form of a line. Fields are named as everywhere: `ts`, `level`, `component`, `tenant`,
 * `trace_id`, `msg`.
 */
import { Writable } from 'node:stream';
import { type Logger as PinoLogger, pino } from 'pino';
import { logfmtLine } from './logfmt.ts';
import { tenantFields } from './tenant-work.ts';
import { traceFields } from './trace.ts';

export type Logger = PinoLogger;
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export const logFormats = ['auto', 'logfmt', 'json'] as const;

export interface LogConfig {
  readonly level: (typeof logLevels)[number];
  /** `auto`: logfmt on a terminal, else JSON. */
  readonly format: (typeof logFormats)[number];
}

/** Lines that wait because they cannot be written, on a full disk say, may take so many bytes; more are lost. */
const waitingBytesMax = 1 << 20;

/**
 * The root of all logs; rooms take a child with their `component`. Lines go to standard error. What cannot be written there breaks
 * nothing: it is tried again with the next line.
 */
export function createLogger(config: LogConfig): Logger {
  const logfmt = config.format === 'logfmt' || (config.format === 'auto' && process.stderr.isTTY === true);
  const options = {
    level: config.level,
    base: null,
    messageKey: 'msg',
    mixin: () => ({ ...tenantFields(), ...traceFields() }),
    timestamp: () => `,"ts":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const lines = pino.destination({ dest: 2, sync: true, maxLength: waitingBytesMax });
  lines.on('error', () => undefined);
  if (!logfmt) return pino(options, lines);
  const asLogfmt = new Writable({
    write(line: Buffer, _encoding, done) {
      lines.write(`${logfmtLine(line.toString())}\n`);
      done();
    },
  });
  return pino(options, asLogfmt);
}
