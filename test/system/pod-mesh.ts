import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { bootstrapText } from '../support/bootstrap.ts';
import { type Envoy, findEnvoy, startEnvoy } from '../support/envoy.ts';
import {
  NAMESPACE,
  type PodShape,
  podObject,
  type ServiceShape,
  serviceObject,
  sliceObject,
} from '../support/kube-objects.ts';
import { CAPTURE, Network, NODE_ADDRESS, type PodNetwork } from '../support/netns.ts';
import { type AppAnswer, type AppRequest, type PodApp, type Seen, startApp } from '../support/pod.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';

/** A pod to be: with a sidecar unless it says otherwise. */
export interface PodPlan extends Omit<PodShape, 'address'> {
  readonly address?: string;
  /** Where its application listens. */
  readonly ports?: readonly number[];
  readonly proxy?: 'sidecar' | 'router' | 'none';
  /** How connections reach its sidecar. */
  readonly interception?: 'REDIRECT' | 'TPROXY';
  /** Whether DNS is captured, too. */
  readonly dns?: boolean;
  /** It is no pod of the cluster: the control plane hears nothing of it. */
  readonly outside?: boolean;
}

/** A running pod. */
export interface Pod {
  readonly name: string;
  readonly address: string;
  readonly app: PodApp;
  /** The same pod's network seen by the proxy's user, as with `kubectl exec -c istio-proxy`. */
  asProxy(request: AppRequest): Promise<readonly AppAnswer[]>;
  /** A page of its Envoy's admin interface. */
  admin(path: string): Promise<string>;
}

/** How a mesh begins. `yaml` is what its users write. */
export interface MeshPlan {
  readonly pods: readonly PodPlan[];
  readonly services: readonly ServiceShape[];
  readonly yaml?: string;
  readonly meshConfig?: string;
}

/** What an application said in its answers; an answer that is not an application's is named by its status. */
export const whoAnswered = ({ status, body }: AppAnswer): string =>
  status === 200 ? (JSON.parse(body) as Seen).pod : String(status);

/** How often each key came. */
export function tally(
  answers: readonly AppAnswer[],
  key: (answer: AppAnswer) => string = whoAnswered,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const answer of answers) counts[key(answer)] = (counts[key(answer)] ?? 0) + 1;
  return counts;
}

const isSelected = ({ selector, namespace = NAMESPACE }: ServiceShape, pod: PodPlan): boolean =>
  (pod.namespace ?? NAMESPACE) === namespace && Object.entries(selector).every(([k, v]) => pod.labels[k] === v);

/** Pods in network namespaces, each with its application, the rules of `pilotlight iptables` and a real Envoy, and a control plane on their node. */
export class PodMesh {
  readonly #started: (() => void | Promise<void>)[] = [];
  readonly #pods = new Map<string, Pod>();
  readonly #withEnvoy: Pod[] = [];
  #folder = '';
  #serve: Serve | undefined;

  static async start(plan: MeshPlan): Promise<PodMesh> {
    const mesh = new PodMesh();
    try {
      await findEnvoy();
      await mesh.#start(plan);
      return mesh;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  pod(name: string): Pod {
    const pod = this.#pods.get(name);
    if (!pod) throw new Error(`there is no pod ${name}`);
    return pod;
  }

  /** Writes a file of the folder, in one step. */
  async write(name: string, yaml: string): Promise<void> {
    const half = join(this.#folder, `.${name}`);
    await writeFile(half, yaml);
    await rename(half, join(this.#folder, name));
  }

  /** Fails where an Envoy has rejected anything, by its own count or the control plane's. */
  async assertNothingRejected(): Promise<void> {
    const found: string[] = [];
    for (const { name, admin } of this.#withEnvoy) {
      const counters = await admin('/stats?filter=update_rejected');
      if (!counters.includes('lds.update_rejected: 0')) found.push(`${name}: no such counter in ${counters}`);
      found.push(
        ...counters
          .split('\n')
          .filter(line => /: [1-9]/.test(line))
          .map(line => `${name}: ${line}`),
      );
    }
    const log = this.#serve?.log() ?? '';
    if (log.includes('rejected')) found.push(log);
    assert.deepEqual(found, []);
  }

  async stop(): Promise<void> {
    for (const end of this.#started.splice(0).reverse()) await end();
  }

  async #start({ pods, services, yaml = '', meshConfig = '' }: MeshPlan): Promise<void> {
    const network = await Network.create();
    this.#started.push(() => network.stop());
    this.#folder = await mkdtemp(join(tmpdir(), 'pilotlight-pods-'));
    this.#started.push(() => rm(this.#folder, { recursive: true, force: true }));
    const placed = pods.map((pod, i) => ({ ...pod, address: pod.address ?? `10.244.0.${i + 10}` }));
    const objects = placed.filter(pod => !pod.outside).map(podObject);
    for (const service of services) {
      const selected = placed.filter(pod => !pod.outside && isSelected(service, pod));
      objects.push(
        serviceObject(service),
        sliceObject(
          service,
          selected.map(pod => ({ pod })),
        ),
      );
      await network.service(
        service.clusterIP,
        service.port,
        selected.map(p => `${p.address}:${service.targetPort}`),
      );
    }
    await this.write('cluster.yaml', objects.map(object => stringify(object)).join('---\n'));
    await this.write('users.yaml', yaml);
    if (meshConfig) await this.write('meshconfig.yaml', meshConfig);
    const serve = await startServe(this.#folder, { host: NODE_ADDRESS, within: network.within });
    this.#started.push(() => serve.stop());
    this.#serve = serve;
    // All of them are over, one way or the other, before what was started is ended.
    const starts = await Promise.allSettled(
      placed.map(async (pod, i) => {
        const { proxy = 'sidecar', interception = 'REDIRECT', dns } = pod;
        const flags = [...CAPTURE, ...(dns ? ['--redirect-dns', '--capture-all-dns'] : [])];
        const capture =
          proxy === 'sidecar' ? flags.map(word => (word === 'REDIRECT' ? interception : word)) : undefined;
        const own = await network.pod(`${i}-${pod.name}`, pod.address, capture);
        await this.#startPod(pod, own, serve.xds);
      }),
    );
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
  }

  async #startPod(plan: PodPlan, own: PodNetwork, xds: string): Promise<void> {
    const { name, namespace = NAMESPACE, proxy = 'sidecar', interception = 'REDIRECT' } = plan;
    const app = await startApp(name, plan.ports ?? [], own.within);
    this.#started.push(() => app.stop());
    let envoy: Envoy | undefined;
    if (proxy !== 'none') {
      const of = ['--config', this.#folder, `${name}.${namespace}`, '--xds-address', xds];
      const args = [...of, '--type', proxy, '--interception', interception, ...(plan.dns ? ['--dns-capture'] : [])];
      envoy = await startEnvoy({
        bootstrap: await bootstrapText(...args),
        admin: '127.0.0.1:15000',
        within: own.asProxy,
      });
      this.#started.push(() => envoy?.stop());
    }
    const admin = async (path: string): Promise<string> => {
      const [answer] = await app.calls({ address: '127.0.0.1', port: 15000, host: 'admin', path });
      if (answer?.status !== 200) throw new Error(`${name}: ${answer?.body}`);
      return answer.body;
    };
    const asProxy: Pod['asProxy'] = async request => {
      const caller = await startApp(name, [], own.asProxy);
      try {
        return await caller.calls(request);
      } finally {
        await caller.stop();
      }
    };
    const pod = { name, address: own.address, app, asProxy, admin };
    this.#pods.set(name, pod);
    if (envoy) this.#withEnvoy.push(pod);
    await until(`the Envoy of ${name}`, async () => {
      if (envoy?.process.exitCode) throw new Error(envoy.log());
      return !envoy || (await admin('/stats?filter=workers_started')).includes('workers_started: 1');
    });
  }
}
