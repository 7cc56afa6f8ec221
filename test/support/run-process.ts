/**
 * One child process of a test: started, listened to, ended by its own pid.
 * Owns the child and all it says. Does not own what the program is (start-maru.ts, start-prometheus.ts). A test file that
 * dies takes its children along: each is killed when this process exits.
 */
import { type ChildProcess, spawn } from 'node:child_process';

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess {
  readonly pid: number;
  /** Everything that standard output and standard error said so far. */
  output(): string;
  /** Settles when the process is gone and its output was read to the end. */
  readonly exited: Promise<ProcessExit>;
  isRunning(): boolean;
  /** Does nothing when the process is gone. */
  signal(name: NodeJS.Signals): void;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to the environment of the test. */
  readonly env?: Readonly<Record<string, string>>;
}

/** They end with the test: one listener for all, as a cluster has many. */
const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts `command` without a shell and without standard input. */
export function runProcess(command: string, args: readonly string[], options: RunOptions = {}): RunningProcess {
  // A child is no test of this runner, even where it is node.
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...environment, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      output += text;
    });
  }
  children.add(child);
  let running = true;
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('error', (error) => {
      output += `${command} did not start: ${error.message}\n`;
      running = false;
      resolve({ code: null, signal: null });
    });
    child.once('close', (code, signal) => {
      children.delete(child);
      running = false;
      resolve({ code, signal });
    });
    child.once('exit', () => {
      running = false;
    });
  });
  return {
    pid: child.pid ?? -1,
    output: () => output,
    exited,
    isRunning: () => running,
    signal: (name) => {
      if (running) child.kill(name);
    },
  };
}
