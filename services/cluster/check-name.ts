/** Whether a name of the ring is another process': two with one name would each hold a part. */
import { Failure } from '../../libs/errors/failure.ts';
import type { Candidate, RingTable } from '../../libs/ring/table.ts';
import type { Identity } from '../../libs/rpc/greeting.ts';
import { dialGrpc, type TlsFiles } from '../../libs/rpc/grpc-pipe.ts';
import { ringEpochCall } from '../../libs/rpc/ingester-calls.ts';
import { PeerLink } from '../../libs/rpc/peer-link.ts';

/** An owner that is asked whether it is there has so long to say so. */
const answerMs = 3_000;

/** A name whose owner answers is not taken over. @throws Failure `bad_data` */
export async function checkNameIsFree(
  { instance, zone, address }: Candidate,
  table: RingTable | undefined,
  identity: Identity,
  tls: TlsFiles | undefined,
): Promise<void> {
  const owners = table?.partitions.flatMap((partition) => partition.owners) ?? [];
  const known = owners.find((owner) => owner.instance === instance && owner.zone === zone);
  // Whoever listens where it did before is alone there.
  if (known === undefined || known.address === address) return;
  const { open, stop } = dialGrpc(known.address, tls);
  const link = new PeerLink({
    identity,
    name: known.address,
    open,
    tableEpoch: () => 0,
    onTableEpoch: () => undefined,
    onState: () => undefined,
    random: Math.random,
  });
  try {
    await link.ask(ringEpochCall, [], { timeoutMs: answerMs });
    if (link.peer?.instance !== instance || link.peer.zone !== zone) return;
  } catch {
    return;
  } finally {
    link.stop();
    stop();
  }
  throw new Failure(
    'bad_data',
    `another process called ${JSON.stringify(instance)} answers at ${known.address}, on another data folder or a copy of this one`,
  );
}
