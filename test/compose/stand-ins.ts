/**
 * Images of public names where no registry is reached: built from Debian's packages and from what .ci/run made (stand-ins/), under the
 * tags that docker-compose.yml and deploy/Dockerfile ask for. Owns which of them can be had.
 */
import { cp, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { serverPath, toolPath } from '../support/find-server.ts';
import { runProcess } from '../support/run-process.ts';
import type { Docker } from '../support/start-docker.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = join(import.meta.dirname, '../..');

/** What lies in the context of a build beside the Dockerfile: name to path. */
type Files = () => Promise<Readonly<Record<string, string>>>;
const none: Files = async () => ({});

/** Folder of stand-ins/ for the name of an image without its tag. */
const standIns: Readonly<Record<string, { readonly folder: string; readonly files: Files }>> = {
  node: {
    folder: 'node',
    files: async () => ({ node: process.execPath, npm: join(await output('npm', ['root', '--global']), 'npm') }),
  },
  'gcr.io/distroless/cc-debian12': { folder: 'distroless', files: none },
  nginx: { folder: 'nginx', files: none },
  redis: { folder: 'redis', files: none },
  'apache/kafka': {
    folder: 'kafka',
    files: async () => ({ libs: join(dirname(serverPath('kafka')), '../libs') }),
  },
  'prom/node-exporter': { folder: 'node-exporter', files: none },
  'prom/prometheus': { folder: 'prometheus', files: async () => ({ prometheus: serverPath('prometheus') }) },
  'ghcr.io/versity/versitygw': { folder: 'versitygw', files: async () => ({ versitygw: serverPath('versitygw') }) },
};

/** Builds what can be had of `images`; those built before are found again. @returns the images that cannot be had. */
export async function buildStandIns(docker: Docker, images: readonly string[]): Promise<string[]> {
  const debian = 'maru-stand-in/root';
  const imported = await docker.docker('images', '--quiet', debian);
  if (imported.trim() === '') await docker.docker('import', toolPath('debian-root.tar'), debian);
  await build(docker, 'maru-stand-in/debian', 'debian', {
    'ca-certificates.crt': '/etc/ssl/certs/ca-certificates.crt',
  });
  const absent: string[] = [];
  for (const image of images) {
    const standIn = standIns[image.slice(0, image.lastIndexOf(':'))];
    if (standIn === undefined) absent.push(image);
    else await build(docker, image, standIn.folder, await standIn.files());
  }
  return absent;
}

/** The images that deploy/Dockerfile begins from. */
export async function baseImages(): Promise<string[]> {
  const text = await readFile(join(root, 'deploy/Dockerfile'), 'utf8');
  return [...text.matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image);
}

async function build(
  docker: Docker,
  tag: string,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  await using context = await tempFolder('stand-in');
  await cp(join(import.meta.dirname, 'stand-ins', name), context.path, { recursive: true });
  for (const [file, from] of Object.entries(files)) {
    const into = join(context.path, file);
    await cp(from, into, { recursive: true, dereference: true });
  }
  await docker.docker('build', '--quiet', '--network=host', '--tag', tag, context.path);
}

async function output(command: string, args: readonly string[]): Promise<string> {
  const child = runProcess(command, args);
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${child.output()}`);
  return child.output().trim();
}
