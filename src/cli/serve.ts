import { boundsTable } from '../bounds.ts';
import { type ControlPlane, type Dependencies, startControlPlane } from '../control-plane.ts';
import { createLog, type Log } from '../log.ts';
import { gatewaySecrets } from '../model/gateway-secrets.ts';
import { type Settings, serveOptions, serveSettings } from '../settings.ts';
import { directorySource } from '../sources/directory.ts';
import { ApiClient } from '../sources/kubernetes/api-client.ts';
import { KubernetesSource } from '../sources/kubernetes/kubernetes.ts';
import { meshConfigFile, withoutMeshConfig } from '../sources/mesh-config-file.ts';
import { VERSION } from '../version.ts';
import { type Command, type Io, UsageError } from './command.ts';

/** What the control plane is fed with. */
async function inputsOf({ source, meshConfig, mesh }: Settings, log: Log): Promise<Omit<Dependencies, 'log'>> {
  const file = meshConfig === undefined ? [] : [meshConfigFile({ file: meshConfig, log })];
  if (source.kind === 'directory') {
    const directory = directorySource({ folder: source.folder, log });
    return { sources: file.length ? [withoutMeshConfig(directory), ...file] : [directory] };
  }
  const { kubeconfig, context } = source;
  const kubernetes = new KubernetesSource({
    client: await ApiClient.create({ kubeconfig, context }),
    log,
    meshConfigMap: file.length ? undefined : { namespace: mesh.rootNamespace, name: 'istio' },
  });
  return {
    sources: [kubernetes, ...file],
    watches: () => kubernetes.status(),
    // Nothing waits for a Secret: one that is missing or may not be read must not keep the mesh from being served.
    onWorld: ({ mesh: { contents } }) => void kubernetes.secrets(gatewaySecrets(contents.Gateway, contents.Pod)),
  };
}

/** What a newcomer wants to know: what is served, and how to see it work. Empty where the control plane was stopped before it served. */
function greeting(plane: ControlPlane, settings: Settings): string {
  const world = plane.world();
  if (!world) return '';
  const folder = settings.source.kind === 'directory' ? settings.source.folder : undefined;
  const attach = folder
    ? `
Attach an Envoy, for example for the pod productpage-v1 of the bookinfo sample:
  npm run --silent pilotlight -- bootstrap --config ${folder} productpage-v1 > envoy.yaml
  envoy -c envoy.yaml
`
    : '';
  return `Pilotlight ${VERSION} serves ${world.mesh.services.length} Services, ${world.problems.length} problems.
  proxies connect to   ${plane.xds}  (ADS, plaintext gRPC)
  pages                http://${plane.http}/debug
${attach}`;
}

async function run(settings: Settings, io: Io): Promise<number> {
  const log = createLog(settings.logLevel);
  const inputs = await inputsOf(settings, log).catch((error: unknown) => {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  });
  const plane = await startControlPlane(settings, { ...inputs, log });
  const stopped = new Promise<void>(resolve => io.signal.addEventListener('abort', () => resolve(), { once: true }));
  try {
    await Promise.race([plane.ready, stopped]);
    // A suspended function holds its variables for as long as the process lives: no world may be one of them.
    io.out(greeting(plane, settings));
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
  notes: `Bounds on what peers can take. Where one is met, the status of the stream, the log and the metric pilotlight_bounds_met_total
name it:
${boundsTable()}`,
  run: (args, io) => run(serveSettings(args), io),
};
