import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { RawObject } from '../../src/config/raw.ts';
import { type SecurePlace, secureBootstrap } from '../support/bootstrap.ts';
import { type Envoy, startEnvoy } from '../support/envoy.ts';
import { freePorts } from '../support/free-ports.ts';
import { type Answer, call } from '../support/http.ts';
import { serviceObject, sliceObject } from '../support/kube-objects.ts';
import { adminOf, type LocalPod, loopbackNetwork, podObjects } from '../support/local-pod.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';
import { type Backend, startBackend } from './backend.ts';

/** The port of every Service. */
export const PORT = 8080;

/** The SPIFFE id of a pod: each has a service account of its name. */
export const idOf = (pod: string): string => `spiffe://cluster.local/ns/default/sa/${pod}`;

const yamlOf = (objects: readonly RawObject[]): string => objects.map(object => stringify(object)).join('---\n');

/** One pod, which is a Service too. */
interface Place extends LocalPod {
  readonly backend: Backend;
}

/** Pods on loopback whose Envoys connect over TLS to a control plane of a folder; each is a Service of its name. */
export class LoopbackMesh {
  readonly place: SecurePlace;
  readonly #args: readonly string[];
  readonly #pods: ReadonlyMap<string, Place>;
  readonly #started: (() => void | Promise<void>)[];
  #serve: Serve | undefined;

  private constructor(
    place: SecurePlace,
    args: readonly string[],
    pods: ReadonlyMap<string, Place>,
    started: (() => void | Promise<void>)[],
  ) {
    this.place = place;
    this.#args = args;
    this.#pods = pods;
    this.#started = started;
  }

  static async start(names: readonly string[]): Promise<LoopbackMesh> {
    const folder = await mkdtemp(join(tmpdir(), 'pilotlight-secure-'));
    const started = [() => rm(folder, { recursive: true, force: true })] as (() => void | Promise<void>)[];
    const place = {
      config: join(folder, 'objects'),
      ca: join(folder, 'ca'),
      tokens: folder,
      tls: `127.0.0.1:${await freePorts()}`,
    };
    const args = ['--config', place.config, '--ca', place.ca, '--tls-address', place.tls];
    const at = loopbackNetwork();
    const pods = new Map<string, Place>();
    await mkdir(place.config);
    for (const [i, name] of names.entries()) {
      const appPort = await freePorts();
      const backend = await startBackend(name, '127.0.0.1', appPort);
      started.push(() => backend.close());
      const labels = { app: name, 'security.istio.io/tlsMode': 'istio' };
      pods.set(name, { name, labels, address: at(2 * i + 1), egress: at(2 * i + 2), appPort, backend });
    }
    const mesh = new LoopbackMesh(place, args, pods, started);
    const objects = [...pods.values()].flatMap((pod, i) => [
      ...podObjects(pod, PORT).map(object =>
        object.kind === 'Pod' ? { ...object, spec: { serviceAccountName: pod.name, nodeName: 'localhost' } } : object,
      ),
      serviceObject({
        name: pod.name,
        clusterIP: `10.96.0.${i + 1}`,
        selector: pod.labels,
        port: PORT,
        targetPort: PORT,
      }),
      sliceObject({ name: pod.name, targetPort: PORT }, [{ pod }]),
    ]);
    await mesh.write('objects.yaml', yamlOf(objects));
    await mesh.serve().catch(async (error: unknown) => {
      await mesh.stop();
      throw error;
    });
    return mesh;
  }

  pod(name: string): Place {
    return this.#pods.get(name) ?? assert.fail(`there is no pod ${name}`);
  }

  /** Starts the control plane, again where it was stopped. */
  async serve(...args: readonly string[]): Promise<void> {
    this.#serve = await startServe([...this.#args, ...args]);
  }

  async stopServing(): Promise<void> {
    await this.#serve?.stop();
  }

  /** Where proxies connect in plaintext. */
  get plaintext(): string {
    return this.#serve?.xds ?? assert.fail('it is stopped');
  }

  /** A page of the control plane. */
  async page(path: string): Promise<string> {
    return (await fetch(`http://${this.#serve?.http}${path}`)).text();
  }

  log(): string {
    return this.#serve?.log() ?? '';
  }

  /** Starts the Envoy of a pod, and resolves once it works. */
  async envoy(name: string, version?: string): Promise<Envoy> {
    const admin = adminOf(this.pod(name));
    const bootstrap = await secureBootstrap(this.place, name, '--admin-address', admin, '--interception', 'NONE');
    const envoy = await startEnvoy({ bootstrap, admin, ...(version && { version }) });
    this.#started.push(() => envoy.stop());
    await until(`the Envoy of ${name}`, async () => {
      if (envoy.process.exitCode !== null) throw new Error(envoy.log());
      return (await envoy.stat('listener_manager.workers_started')) === 1;
    });
    return envoy;
  }

  /** Writes a file of the folder, in one step. */
  async write(name: string, yaml: string): Promise<void> {
    const half = join(this.place.config, `.${name}`);
    await writeFile(half, yaml);
    await rename(half, join(this.place.config, name));
  }

  /** One pod's application asks another's, through the Envoys of both. */
  ask(from: string, to: string): Promise<Answer> {
    return call({ address: this.pod(from).egress, port: PORT, host: `${to}:${PORT}` });
  }

  /** Somebody without an Envoy asks a pod's Envoy. */
  plainly(to: string): Promise<Answer> {
    return call({ address: this.pod(to).address, port: PORT, host: `${to}:${PORT}` });
  }

  async stop(): Promise<void> {
    await this.stopServing();
    for (const end of this.#started.splice(0).reverse()) await end();
  }
}

/** By whom an application was asked, as its Envoy says: the SPIFFE id of a verified client certificate; undefined without one. */
export function clientOf({ body }: Answer): string | undefined {
  const header = (JSON.parse(body) as { headers: Record<string, string> }).headers['x-forwarded-client-cert'];
  return /(?:^|;)URI=([^;]+)/.exec(header ?? '')?.[1];
}
