/** The oracle of the codecs written by hand: protobufjs over proto/peer.proto as it stands. For tests only. */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const root = new protobuf.Root().loadSync(fileURLToPath(new URL('../../../proto/peer.proto', import.meta.url)));

export function oracleOf(name: string): protobuf.Type {
  return root.lookupType(`maru.peer.v1.${name}`);
}
