import { startControlPlane } from '../control-plane.ts';
import { createLog, type Log } from '../log.ts';
import { type Settings, serveOptions, serveSettings } from '../settings.ts';
import { directorySource } from '../sources/directory.ts';
import type { ConfigSource } from '../sources/source.ts';
import { VERSION } from '../version.ts';
import type { World } from '../world.ts';
import type { Command, Io } from './command.ts';

function sourceOf({ source }: Settings, log: Log): ConfigSource {
  if (source.kind === 'directory') return directorySource({ folder: source.folder, log });
  throw new Error('not yet');
}

/** What a newcomer wants to know: what is served, and how to see it work. */
function greeting(world: World, settings: Settings, xds: string, http: string): string {
  
  const folder = settings.source.kind === 'directory' ? settings.source.folder : undefined;
  const attach = folder
    ? `
Attach an Envoy, for example for the pod productpage-v1 of the bookinfo sample:
  npm run --silent pilotlight -- bootstrap --config ${folder} productpage-v1 > envoy.yaml
  envoy -c envoy.yaml
`
    : '';
  return `Pilotlight ${VERSION} serves ${world.mesh.services.length} Services, ${world.problems.length} problems.
  proxies connect to   ${xds}  (ADS, plaintext gRPC)
  pages                http://${http}/debug
${attach}`;
}

async function run(settings: Settings, io: Io): Promise<number> {
  const log = createLog(settings.logLevel);
  const plane = await startControlPlane(settings, { sources: [sourceOf(settings, log)], log });
  const stopped = new Promise<void>(resolve => io.signal.addEventListener('abort', () => resolve(), { once: true }));
  try {
    await Promise.race([plane.ready, stopped]);
    const world = plane.world();
    if (world) io.out(greeting(world, settings, plane.xds, plane.http));
    await stopped;
    return 0;
  } catch (error) {
    io.err(`pilotlight serve: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  } finally {
    await plane.stop();
  }
}

/** `pilotlight serve` */
export const serve: Command = {
  summary: 'Run the control plane',
  usage: 'serve [--config DIR | --kubeconfig FILE] [OPTIONS]',
  description: `Reads Services, endpoints and Istio's objects, and serves proxies what they are to do with them.
Without --config and --kubeconfig it watches the cluster that it runs in.`,
  options: serveOptions,
  run: (args, io) => run(serveSettings(args), io),
};
