import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { RawObject } from '../../src/config/raw.ts';
import { bootstrapText } from '../support/bootstrap.ts';
import { type Envoy, startEnvoy } from '../support/envoy.ts';
import { type Answer, call } from '../support/http.ts';
import { type EndpointShape, NAMESPACE, podObject, serviceObject, sliceObject } from '../support/kube-objects.ts';
import { adminOf, type LocalPod, loopbackNetwork, podObjects } from '../support/local-pod.ts';
import { startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';
import { type Backend, startBackend } from './backend.ts';

/** The port of every Service and backend. */
export const PORT = 8080;

/** What to ask for, and how. */
export interface Question {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A mesh on loopback: backends in versions, a client's Envoy that a control plane of its own serves, and a folder to change. */
export interface LocalMesh {
  /** By version: v1, v2, v3. */
  readonly backends: Readonly<Record<string, Backend>>;
  readonly client: Envoy;
  /** Asks a Service as the client's application does. */
  ask(service: string, question?: Question): Promise<Answer>;
  /** Writes a file of the folder, in one step as careful editors do. */
  write(name: string, yaml: string): Promise<void>;
  /** Which endpoints a Service has, by version; a version may be on its way out. */
  endpoints(service: string, versions: readonly string[], terminating?: readonly string[]): Promise<void>;
  /** Fails where an Envoy has rejected anything, by its own count or the control plane's. */
  assertNothingRejected(): Promise<void>;
  stop(): Promise<void>;
}

const service = (name: string, clusterIP: string): RawObject =>
  serviceObject({ name, clusterIP, selector: { app: 'backend' }, port: PORT, targetPort: PORT });

const subsets = (service: string, versions: readonly string[]): RawObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: service, namespace: NAMESPACE },
  spec: { host: service, subsets: versions.map(name => ({ name, labels: { version: name } })) },
});

/** How a mesh begins: Services that all go to the same backends, each with subsets by version, and what users write about them. */
export interface Beginning {
  readonly services: readonly string[];
  readonly yaml: string;
  readonly envoy?: string;
  readonly versions?: readonly string[];
}

const yamlOf = (objects: readonly RawObject[]): string => objects.map(object => stringify(object)).join('---\n');

/** Starts a mesh, and resolves once the client's Envoy has taken all of it. */
export async function startMesh({
  services,
  yaml,
  envoy: version,
  versions = ['v1', 'v2', 'v3'],
}: Beginning): Promise<LocalMesh> {
  const started: (() => void | Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of started.splice(0).reverse()) await end();
  };
  try {
    const at = loopbackNetwork();
    const folder = await mkdtemp(join(tmpdir(), 'pilotlight-traffic-'));
    started.push(() => rm(folder, { recursive: true, force: true }));
    const write = async (name: string, text: string): Promise<void> => {
      const half = join(folder, `.${name}`);
      await writeFile(half, text);
      await rename(half, join(folder, name));
    };
    const backends: Record<string, Backend> = {};
    for (const [i, label] of versions.entries()) {
      const backend = await startBackend(label, at(10 + i), PORT);
      started.push(() => backend.close());
      backends[label] = backend;
    }
    const pods = Object.values(backends).map(({ name, address }) => ({
      name,
      labels: { app: 'backend', version: name },
      address,
    }));
    // Calls of the client only: nothing calls it.
    const client: LocalPod = { name: 'client', labels: { app: 'client' }, address: at(1), egress: at(2), appPort: 1 };
    const endpointsOf = (names: readonly string[], terminating: readonly string[]): readonly EndpointShape[] =>
      pods
        .filter(({ name }) => names.includes(name) || terminating.includes(name))
        .map(pod =>
          terminating.includes(pod.name)
            ? { pod, conditions: { ready: false, serving: true, terminating: true } }
            : { pod },
        );
    const endpoints: LocalMesh['endpoints'] = (service, names, terminating = []) =>
      write(
        `${service}-endpoints.yaml`,
        stringify(sliceObject({ name: service, targetPort: PORT }, endpointsOf(names, terminating))),
      );
    await write('pods.yaml', yamlOf([...podObjects(client, PORT), ...pods.map(podObject)]));
    await write(
      'services.yaml',
      yamlOf(services.flatMap((name, i) => [service(name, `10.96.0.${i + 1}`), subsets(name, versions)])),
    );
    for (const service of services) await endpoints(service, versions);
    await write('users.yaml', yaml);

    const serve = await startServe(folder);
    started.push(() => serve.stop());
    const admin = adminOf(client);
    const bootstrap = await bootstrapText(
      ...[
        '--config',
        folder,
        client.name,
        '--xds-address',
        serve.xds,
        '--admin-address',
        admin,
        '--interception',
        'NONE',
      ],
    );
    const envoy = await startEnvoy({ bootstrap, admin, ...(version && { version }) });
    started.push(() => envoy.stop());
    await until('the Envoy to be ready', async () => {
      if (envoy.process.exitCode !== null) throw new Error(envoy.log());
      return (await envoy.stat('listener_manager.workers_started')) === 1;
    });
    return {
      backends,
      client: envoy,
      ask: (service, { path = '/', headers = {} } = {}) =>
        call({ address: client.egress, port: PORT, host: `${service}:${PORT}`, path, headers }),
      write,
      endpoints,
      async assertNothingRejected() {
        const counters = await envoy.admin('/stats?filter=update_rejected');
        const rejected = counters.split('\n').filter(line => /: [1-9]/.test(line));
        assert.deepEqual(rejected, []);
        assert.doesNotMatch(serve.log(), /rejected/);
        assert.match(counters, /update_rejected: 0/);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
