/**
 * `npm run proto`: writes libs/wire/generated from our own .proto files, as descriptors that protobufjs makes codecs of.
 * Committed, so that nothing is generated at start; libs/wire/peer has the test that the two agree.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';

/** The text of the generated module for one .proto file. */
export function generate(file: string): string {
  const root = new protobuf.Root();
  root.loadSync(join(import.meta.dirname, file), { keepCase: false });
  const descriptor = JSON.stringify(root.toJSON(), undefined, 1);
  return `/** Made by \`npm run proto\` from proto/${file}: not for editing. */\nexport const peerDescriptor: object = ${descriptor};\n`;
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, '../libs/wire/generated/peer.ts'), generate('peer.proto'));
}
