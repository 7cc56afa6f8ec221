/**
 * What a house of several processes costs beside the sum of it: which room has which part, the broker that is not counted, and what goes
 * over the network. Linux only.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { cpuSeconds, processTree, residentBytes } from './measure-process.ts';

export interface SplitSnapshot {
  readonly cpu: ReadonlyMap<string, number>;
  readonly brokerCpu: number;
  /** Bytes that came in over the loopback of the machine, whoever sent them. */
  readonly loopback: number;
}

/** Counters as they stand now, of the house whose first process is `pid`: the leader of its process group. */
export function splitSnapshot(pid: number): SplitSnapshot {
  const cpu = new Map<string, number>();
  for (const [room, pids] of roomsOf(pid))
    cpu.set(
      room,
      sum(pids, (one) => cpuSeconds(one, 'alone')),
    );
  const inTree = new Set(processTree(pid));
  const brokerCpu = sum(
    groupOf(pid).filter((one) => !inTree.has(one)),
    (one) => cpuSeconds(one, 'alone'),
  );
  return { cpu, brokerCpu, loopback: loopbackBytes() };
}

/** Resident bytes by room. */
export function residentByRoom(pid: number): Map<string, number> {
  return new Map([...roomsOf(pid)].map(([room, pids]) => [room, sum(pids, (one) => residentBytes(one, 'alone'))]));
}

/** The processes of a room. */
export function pidsOfRoom(pid: number, room: string): readonly number[] {
  return roomsOf(pid).get(room) ?? [];
}

/** Processes of a house by their --target. */
function roomsOf(pid: number): Map<string, number[]> {
  const rooms = new Map<string, number[]>();
  for (const one of processTree(pid)) {
    const room = /--target=([^\0]+)/.exec(read(`/proc/${one}/cmdline`))?.[1];
    if (room !== undefined) rooms.set(room, [...(rooms.get(room) ?? []), one]);
  }
  return rooms;
}

/** Processes of a group: the third field behind the command (proc(5)). */
function groupOf(leader: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const stat = read(`/proc/${pid}/stat`);
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === leader;
    });
}

function loopbackBytes(): number {
  return Number(/^\s*lo:\s*(\d+)/m.exec(read('/proc/net/dev'))?.[1] ?? Number.NaN);
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
