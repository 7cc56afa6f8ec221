/** An ingester that leaves its cluster for good, and the partitions that are there, as their pages tell. */
import type { Maru } from './start-maru.ts';

export interface DrainAnswer {
  readonly status: number;
  readonly state: string;
  readonly waitsFor: string | null;
  readonly error?: string;
}

/** POST begins, GET looks. */
export async function drain({ baseUrl }: Maru, method: 'GET' | 'POST'): Promise<DrainAnswer> {
  const response = await fetch(`${baseUrl}/ingester/drain`, { method });
  return { ...((await response.json()) as Omit<DrainAnswer, 'status'>), status: response.status };
}

/** `0 active, 1 pending`, as a process sees them. */
export async function partitionStates({ baseUrl }: Maru): Promise<string> {
  const page = (await (await fetch(`${baseUrl}/ingester/partition-ring`)).json()) as {
    partitions: { partition: number; state: string }[];
  };
  return page.partitions.map(({ partition, state }) => `${partition} ${state}`).join(', ');
}
