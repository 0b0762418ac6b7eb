import { execFile, spawn } from 'node:child_process';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import type { RawObject } from '../../src/config/raw.ts';
import type { ApiClient } from '../../src/kubernetes/api-client.ts';
import { ApiServer, istioCrds } from '../kubernetes/api-server.ts';
import { object, resourceOf } from '../kubernetes/objects.ts';
import { bootstrapText } from '../support/bootstrap.ts';
import { findEnvoy, startEnvoy } from '../support/envoy.ts';
import { podObject, serviceObject, sliceObject } from '../support/kube-objects.ts';
import { CAPTURE, Network, NODE_ADDRESS, type PodNetwork, PROXY_UID } from '../support/netns.ts';
import { slowness } from '../support/patiently.ts';
import { type AppAnswer, type AppRequest, type PodApp, startApp } from '../support/pod.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';
import { Agent } from './agent.ts';
import { Istiod } from './istiod.ts';

const run = promisify(execFile);

/** Where the control plane takes proxies over TLS. */
const TLS_ADDRESS = `${NODE_ADDRESS}:15012`;
const APP_PORT = 8080;
/** Of no Service, unless a test says so. */
export const OTHER_PORT = 9090;

/** What is beside the application of a pod: Istio's agent with a stock Envoy, a stock Envoy alone, or nothing. */
export type Kind = 'agent' | 'envoy' | 'none';

/** A pod with its own service account and Service, both of its name. */
export interface SecurePod {
  readonly name: string;
  readonly kind: Kind;
  readonly address: string;
  readonly clusterIP: string;
  readonly app: PodApp;
  readonly own: PodNetwork;
}

/** How a mesh is run. */
export interface SecureMeshOptions {
  /** How long the certificates of agents live, in seconds; longer on a slow machine, so that they are replaced in time. */
  readonly life?: number;
  /** How long each step of a rotation of the roots lasts at least, in seconds; longer on a slow machine, too. */
  readonly pace?: number;
  /** The real istiod is its control plane, until `takeOver`. */
  readonly istiod?: boolean;
}

const clusterIp = (i: number): string => `10.96.0.${i + 10}`;

/**
 * Pods in network namespaces with Istio's nat rules, and a control plane on their node that reads a real API server. Proxies have the API
 * server's tokens, and get certificates for them from the control plane.
 */
export class SecureMesh {
  readonly #ends: (() => void | Promise<void>)[] = [];
  readonly #pods = new Map<string, SecurePod>();
  #admin: ApiClient | undefined;
  readonly #options: SecureMeshOptions;
  readonly #agents: Agent[] = [];
  #serve: Serve | undefined;
  #istiod: Istiod | undefined;
  #startServe = async (): Promise<void> => {};
  #folder = '';
  #slow = 1;

  /** `pods` are names and kinds. */
  static async start(pods: Readonly<Record<string, Kind>>, options: SecureMeshOptions = {}): Promise<SecureMesh> {
    const mesh = new SecureMesh(options);
    try {
      await findEnvoy();
      await mesh.#start(pods);
      return mesh;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  private constructor(options: SecureMeshOptions) {
    this.#options = options;
  }

  get pods(): readonly SecurePod[] {
    return [...this.#pods.values()];
  }

  pod(name: string): SecurePod {
    const pod = this.#pods.get(name);
    if (!pod) throw new Error(`there is no pod ${name}`);
    return pod;
  }

  /** One request to the Service of another pod. */
  async call(from: string, to: string, request: Partial<AppRequest> = {}): Promise<AppAnswer> {
    const { app } = this.pod(from);
    const { clusterIP } = this.pod(to);
    const [answer] = await app.calls({ address: clusterIP, port: 80, host: to, fresh: true, ...request });
    if (!answer) throw new Error('no answer');
    return answer;
  }

  /** A page of a pod's own network. */
  async local(name: string, port: number, path: string): Promise<AppAnswer> {
    const [answer] = await this.pod(name).app.calls({ address: '127.0.0.1', port, host: 'localhost', path });
    if (!answer) throw new Error('no answer');
    return answer;
  }

  /** Makes objects as they are in YAML. Gives what takes them away again. */
  async apply(yaml: string): Promise<() => Promise<void>> {
    const objects = parseAllDocuments(yaml).flatMap(document => (document.toJSON() as RawObject | null) ?? []);
    for (const one of objects) await this.#apply(one);
    return async () => {
      for (const one of objects)
        await this.#admin?.json(`${resourceOf(one)}/${one.metadata.name}`, { method: 'DELETE' });
    };
  }

  /** Sets the MeshConfig. */
  async meshConfig(config: object): Promise<void> {
    await this.#apply(object('v1', 'ConfigMap', 'istio', 'istio-system', { data: { mesh: stringify(config) } }));
  }

  /** Patches an object (RFC 7396); `path` is that of its URL. */
  async patch(path: string, body: object): Promise<void> {
    await this.#admin?.json(path, { method: 'PATCH', contentType: 'application/merge-patch+json', body });
  }

  /** The roots of the mesh as pods mount them. */
  async roots(): Promise<string> {
    const path = '/api/v1/namespaces/default/configmaps/istio-ca-root-cert';
    const found = (await this.#admin?.json(path)) as { readonly data?: Readonly<Record<string, string>> } | undefined;
    return found?.data?.['root-cert.pem'] ?? '';
  }

  /** Mounts the roots into the pods that have an agent. */
  async mount(roots: string): Promise<void> {
    for (const agent of this.#agents) await agent.mount(roots);
  }

  /** Ends istiod, and then begins to serve in its place. */
  async takeOver(): Promise<void> {
    await this.#istiod?.stop();
    await this.#startServe();
  }

  /** A page of the control plane, as a pod without a proxy sees it. */
  async page(path: string, from: string): Promise<string> {
    const [host = '', port] = this.#serve?.http.split(':') ?? [];
    const [answer] = await this.pod(from).app.calls({ address: host, port: Number(port), host, path });
    return answer?.body ?? '';
  }

  /** A Secret's data. */
  async secret(namespace: string, name: string): Promise<Readonly<Record<string, string>>> {
    const secret = (await this.#admin?.json(`/api/v1/namespaces/${namespace}/secrets/${name}`)) as {
      readonly data?: Readonly<Record<string, string>>;
    };
    const data = Object.entries(secret.data ?? {});
    return Object.fromEntries(data.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  }

  /** Runs a program in a pod's network, as its application is run; what it prints. */
  async run(name: string, ...command: readonly string[]): Promise<string> {
    const [program = '', ...args] = [...this.pod(name).own.within, ...command];
    return (await run(program, args)).stdout;
  }

  /** Starts a program in a pod's network that runs until the mesh is stopped. */
  daemon(name: string, ...command: readonly string[]): void {
    const [program = '', ...args] = [...this.pod(name).own.within, ...command];
    const child = spawn(program, args, { stdio: 'ignore' });
    this.#ends.push(() => void child.kill('SIGKILL'));
  }

  /** A file that every pod can read. */
  async file(name: string, text: string | Buffer): Promise<string> {
    const path = join(this.#folder, name);
    await writeFile(path, text);
    return path;
  }

  /** What the control plane has logged. */
  log(): string {
    return this.#serve?.log() ?? '';
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }

  async #apply(one: RawObject): Promise<void> {
    await this.#admin?.json(`${resourceOf(one)}/${one.metadata.name}`, {
      method: 'PATCH',
      query: { fieldManager: 'test', force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body: one,
    });
  }

  async #start(kinds: Readonly<Record<string, Kind>>): Promise<void> {
    const began = performance.now();
    const [network, api] = await Promise.all([Network.create(), ApiServer.start()]);
    this.#slow = slowness(performance.now() - began, 8_000);
    this.#ends.push(
      () => network.stop(),
      () => api.close(),
    );
    this.#folder = await mkdtemp(join(tmpdir(), 'pilotlight-secure-'));
    await chmod(this.#folder, 0o711);
    this.#ends.push(() => rm(this.#folder, { recursive: true, force: true }));
    this.#admin = await api.client();
    await this.apply(await istioCrds());
    for (const name of ['istio-system', 'other']) await this.#apply(object('v1', 'Namespace', name, undefined));
    const plans = Object.entries(kinds).map(([name, kind], i) => ({ name, kind, address: `10.244.0.${i + 10}`, i }));
    for (const plan of plans) await this.#makeObjects(plan);
    await this.#relay(network, api.port);
    await until('the kinds of the CRDs', async () =>
      this.#admin?.json('/apis/security.istio.io/v1/peerauthentications'),
    );
    const kubeconfig = await api.kubeconfig({ token: 'admintoken' });
    const pace = this.#options.pace && `${this.#options.pace * this.#slow}s`;
    const source = ['--kubeconfig', kubeconfig, '--tls-address', TLS_ADDRESS];
    if (pace) source.push('--rotation-pace', `${pace},${pace}`);
    this.#startServe = async () => {
      const serve = await startServe(source, { host: NODE_ADDRESS, within: network.within });
      this.#ends.push(() => serve.stop());
      this.#serve = serve;
    };
    if (this.#options.istiod) {
      this.#istiod = await Istiod.start(kubeconfig, NODE_ADDRESS, network.within);
      this.#ends.push(() => this.#istiod?.stop());
    } else await this.#startServe();
    const root = await until(
      'the root',
      async () => (await this.secret('istio-system', 'istio-ca-secret'))['ca-cert.pem'],
    );
    const starts = await Promise.allSettled(plans.map(plan => this.#startPod(plan, network, Buffer.from(root))));
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
  }

  async #makeObjects({ name, kind, address, i }: Plan): Promise<void> {
    const labels = { app: name, ...(kind !== 'none' && { 'security.istio.io/tlsMode': 'istio' }) };
    const shape = { name, clusterIP: clusterIp(i), selector: { app: name }, port: 80, targetPort: APP_PORT };
    const { status, ...pod } = podObject({ name, labels, address });
    await this.#apply(object('v1', 'ServiceAccount', name, 'default'));
    const spec = { serviceAccountName: name, containers: [{ name: 'app', image: 'app' }] };
    await this.#apply({ ...pod, spec } as RawObject);
    await this.#admin?.json(`/api/v1/namespaces/default/pods/${name}/status`, {
      method: 'PATCH',
      contentType: 'application/merge-patch+json',
      body: { status },
    });
    await this.#apply(serviceObject(shape));
    await this.#apply(sliceObject(shape, [{ pod: { name, address } }]));
  }

  /** Lets the control plane reach the API server from the node's network, under the same address. */
  async #relay(network: Network, port: number): Promise<void> {
    const path = join(this.#folder, 'api');
    const server = createServer(client => {
      const upstream = connect(port, '127.0.0.1');
      client.pipe(upstream).pipe(client);
      client.on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
    });
    await new Promise<void>(resolve => server.listen(path, resolve));
    this.#ends.push(() => void server.close());
    const program = join(import.meta.dirname, 'relay.mjs');
    const [command = '', ...args] = [...network.within, process.execPath, program, `${port}`, path];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ends.push(() => void child.kill('SIGKILL'));
    await new Promise(resolve => child.stdout.once('data', resolve));
  }

  async #token(pod: string): Promise<string> {
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: pod };
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: ['istio-ca'], boundObjectRef },
    };
    const path = `/api/v1/namespaces/default/serviceaccounts/${pod}/token`;
    const answer = await this.#admin?.json(path, { method: 'POST', body });
    return (answer as { readonly status: { readonly token: string } }).status.token;
  }

  async #startPod({ name, kind, address, i }: Plan, network: Network, root: Buffer): Promise<void> {
    await network.service(clusterIp(i), 80, [`${address}:${APP_PORT}`]);
    const own = await network.pod(name, address, kind === 'none' ? undefined : CAPTURE);
    const app = await startApp(name, [APP_PORT, OTHER_PORT], own.within);
    this.#ends.push(() => app.stop());
    this.#pods.set(name, { name, kind, address, clusterIP: clusterIp(i), app, own });
    if (kind === 'none') return;
    const trust = { address: TLS_ADDRESS, root, token: await this.#token(name) };
    if (kind === 'envoy') {
      await this.#startEnvoy(name, own, trust);
      return;
    }
    const { life } = this.#options;
    const pod = {
      type: 'sidecar',
      name,
      namespace: 'default',
      account: name,
      address,
      within: own.asProxy,
      ...(life && { life: `${life * this.#slow}s` }),
    } as const;
    const agent = await Agent.start(trust.address, trust.root, trust.token, pod);
    this.#agents.push(agent);
    this.#ends.push(() => agent.stop());
    await until(
      `the agent of ${name}`,
      async () => (await this.local(name, 15021, '/healthz/ready')).status === 200,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${agent.log()}\n${this.log()}`);
    });
  }

  async #startEnvoy(name: string, own: PodNetwork, { root, token }: { readonly root: Buffer; readonly token: string }) {
    const pods = await this.#admin?.json('/api/v1/namespaces/default/pods');
    const folder = await mkdtemp(join(this.#folder, 'bootstrap-'));
    const items = (pods as { readonly items: readonly object[] }).items;
    await writeFile(
      join(folder, 'pods.yaml'),
      items.map(item => stringify({ apiVersion: 'v1', kind: 'Pod', ...item })).join('---\n'),
    );
    const [rootFile, tokenFile] = [join(folder, 'root-cert.pem'), join(folder, 'token')];
    await writeFile(rootFile, root);
    await writeFile(tokenFile, token);
    for (const path of [folder, rootFile, tokenFile]) await chown(path, PROXY_UID, PROXY_UID);
    const how = ['--secure', '--root-cert', rootFile, '--token', tokenFile, '--xds-address', TLS_ADDRESS];
    const bootstrap = await bootstrapText('--config', folder, ...how, name);
    const envoy = await startEnvoy({
      bootstrap,
      admin: '127.0.0.1:15000',
      within: own.asProxy,
      // As Istio's agent starts it: connections from before a change serve one more request, and not more for ten minutes.
      args: ['--drain-strategy', 'immediate', '--drain-time-s', '45'],
    });
    this.#ends.push(() => envoy.stop());
    await until(`the Envoy of ${name}`, async () => {
      if (envoy.process.exitCode !== null) throw new Error(envoy.log());
      return (await this.local(name, 15000, '/stats?filter=workers_started')).body.includes('workers_started: 1');
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${envoy.log()}\n${this.log()}`);
    });
  }
}

interface Plan {
  readonly name: string;
  readonly kind: Kind;
  readonly address: string;
  readonly i: number;
}
