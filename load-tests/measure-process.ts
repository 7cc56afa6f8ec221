/**
 * What a process tree costs, from /proc: CPU, memory; and what a folder takes on disk. Linux only.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** `sysconf(_SC_CLK_TCK)`: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The process and all that descend from it. */
export function processTree(pid: number): number[] {
  const pids = [pid];
  for (let i = 0; i < pids.length; i++) {
    let tasks: string[] = [];
    try {
      tasks = readdirSync(`/proc/${pids[i]}/task`);
    } catch {
      // Gone meanwhile.
    }
    for (const task of tasks) {
      const children = read(`/proc/${pids[i]}/task/${task}/children`).trim();
      if (children !== '') pids.push(...children.split(' ').map(Number));
    }
  }
  return pids;
}

/** Whose cost it is: that of a process and all below it, or its own alone. */
type Extent = 'tree' | 'alone';

const pidsOf = (pid: number, extent: Extent): readonly number[] => (extent === 'tree' ? processTree(pid) : [pid]);

/** Seconds of CPU, user and system; ended children count if they were waited for. */
export function cpuSeconds(pid: number, extent: Extent = 'tree'): number {
  let ticks = 0;
  for (const one of pidsOf(pid, extent)) {
    const stat = read(`/proc/${one}/stat`);
    // The command, in parentheses, may hold anything; utime is the 12th field behind it (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    for (const field of [11, 12, 13, 14]) ticks += Number(fields[field] ?? 0);
  }
  return ticks / ticksPerSecond;
}

/**
 * Begins to watch what the rest of the machine does; the function returned says which share of all cores others than this process and its
 * children have taken since.
 */
export function watchOthers(): () => number {
  const machine = (): { busy: number; all: number } => {
    // user, nice, system, idle, iowait, irq, softirq, steal (proc(5)).
    const fields = (read('/proc/stat').split('\n')[0] ?? '').trim().split(/\s+/).slice(1, 9).map(Number);
    const all = fields.reduce((sum, ticks) => sum + ticks, 0);
    return { busy: (all - (fields[3] ?? 0) - (fields[4] ?? 0)) / ticksPerSecond, all: all / ticksPerSecond };
  };
  const begin = machine();
  const ownBegin = cpuSeconds(process.pid);
  return () => {
    const end = machine();
    const others = end.busy - begin.busy - (cpuSeconds(process.pid) - ownBegin);
    return Math.max(0, others / (end.all - begin.all));
  };
}

/** Resident bytes. */
export function residentBytes(pid: number, extent: Extent = 'tree'): number {
  let kilobytes = 0;
  for (const one of pidsOf(pid, extent))
    kilobytes += Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${one}/status`))?.[1] ?? 0);
  return kilobytes * 1024;
}

/** Anonymous resident bytes of the tree: memory of its own, without files that it has mapped. */
export function anonymousBytes(pid: number): number {
  let kilobytes = 0;
  for (const one of processTree(pid)) {
    const status = read(`/proc/${one}/status`);
    for (const [, amount] of status.matchAll(/Rss(?:Anon|Shmem):\s+(\d+)/g)) kilobytes += Number(amount);
  }
  return kilobytes * 1024;
}

/** Bytes that the files below a folder take on disk. */
export function diskBytes(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    try {
      bytes += statSync(join(entry.parentPath, entry.name)).blocks * 512;
    } catch {
      // Deleted meanwhile.
    }
  }
  return bytes;
}
