import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { envoyMissing, findEnvoy } from '../support/envoy.ts';
import { freePorts } from '../support/free-ports.ts';
import { PROXY_UID } from '../support/netns.ts';
import { until } from '../support/until.ts';

const CACHE = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');
const AGENT = join(CACHE, 'bin/pilot-agent');

/** Why Istio's agent cannot run here; false where it can. */
export const noAgent: string | false = existsSync(AGENT) ? await envoyMissing() : `no pilot-agent in ${CACHE}`;

/** Where the source of the lab's Istio is, or of one of the modules that it is made with. */
export const istio = (module = 'istio.io/istio'): string =>
  execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', module], {
    cwd: join(import.meta.dirname, '../lab/peers/istio'),
    encoding: 'utf8',
  }).trim();

/** The pod that an agent is in. */
export interface AgentPod {
  readonly type: 'sidecar' | 'router';
  readonly name: string;
  readonly namespace: string;
  readonly account: string;
  /** Its own; none: this machine's loopback. */
  readonly address?: string;
  /** How long its certificates live, e.g. `10s`; Istio's default without. */
  readonly life?: string | undefined;
  /** The command that runs another one in the pod's network as the proxy's user; none: on this machine. */
  readonly within?: readonly string[];
}

/** Where an agent and its Envoy listen. */
interface AgentPorts {
  readonly admin: number;
  readonly status: number;
  readonly ready: number;
  readonly metrics: number;
}

/** A pod's own network has all ports for itself: Istio's. */
const PORTS_IN_POD: AgentPorts = { admin: 15000, status: 15020, ready: 15021, metrics: 15090 };

async function freeAgentPorts(): Promise<AgentPorts> {
  return { admin: await freePorts(), status: await freePorts(), ready: await freePorts(), metrics: await freePorts() };
}

const APP: AgentPod = { type: 'sidecar', name: 'app-1', namespace: 'default', account: 'app' };

/** Istio's pilot-agent with a stock Envoy, as in a pod: in its network, or as a process of this machine. */
export class Agent {
  readonly #process: ChildProcess;
  readonly #ports: AgentPorts;
  /** Where its pod has its files. */
  readonly folder: string;
  #log = '';

  private constructor(process: ChildProcess, folder: string, ports: AgentPorts) {
    this.#process = process;
    this.folder = folder;
    this.#ports = ports;
    for (const stream of [process.stdout, process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#log = (this.#log + text).slice(-64 * 1024);
      });
  }

  /** `address` is that of the control plane's TLS port. */
  static async start(address: string, root: Buffer, token: string, pod: AgentPod = APP): Promise<Agent> {
    const folder = await mkdtemp(join(tmpdir(), 'agent-'));
    const secrets = join(folder, 'var/run/secrets');
    for (const name of ['istio', 'tokens']) await mkdir(join(secrets, name), { recursive: true });
    await writeFile(join(secrets, 'istio/root-cert.pem'), root);
    await writeFile(join(secrets, 'tokens/istio-token'), token);
    const { within = [] } = pod;
    if (within.length) {
      for (const name of ['', ...(await readdir(folder, { recursive: true }))])
        await chown(join(folder, name), PROXY_UID, PROXY_UID);
    }
    const ports = within.length ? PORTS_IN_POD : await freeAgentPorts();
    const config = {
      discoveryAddress: address,
      binaryPath: await findEnvoy(),
      proxyAdminPort: ports.admin,
      statusPort: ports.status,
      configPath: './etc/istio/proxy',
      concurrency: 1,
      terminationDrainDuration: '0.001s',
    };
    const domain = `${pod.namespace}.svc.cluster.local`;
    const [command = AGENT, ...args] = [...within, AGENT, 'proxy', pod.type, '--domain', domain];
    const child = spawn(command, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        POD_NAME: pod.name,
        POD_NAMESPACE: pod.namespace,
        INSTANCE_IP: pod.address ?? '127.0.0.1',
        SERVICE_ACCOUNT: pod.account,
        PROXY_CONFIG: JSON.stringify(config),
        ISTIOD_SAN: 'istiod.istio-system.svc',
        TRUST_DOMAIN: 'cluster.local',
        ISTIO_META_CLUSTER_ID: 'Kubernetes',
        // Roots beside the mesh's own reach it without a new certificate.
        PROXY_CONFIG_XDS_AGENT: 'true',
        ISTIO_BOOTSTRAP: join(istio(), 'tools/packaging/common/envoy_bootstrap.json'),
        ...(pod.life && { SECRET_TTL: pod.life }),
        ENVOY_STATUS_PORT: `${ports.ready}`,
        ENVOY_PROMETHEUS_PORT: `${ports.metrics}`,
      },
    });
    return new Agent(child, folder, ports);
  }

  /** Its last words. */
  log(): string {
    const lines = this.#log.split('\n').filter(line => !line.includes('NOT ready'));
    return lines.slice(-30).join('\n');
  }

  /** Waits until its pod would be Ready, asked from this machine. Rejects with what it has logged. */
  async isReady(): Promise<void> {
    const probe = async (): Promise<boolean> =>
      (await fetch(`http://127.0.0.1:${this.#ports.status}/healthz/ready`)).ok;
    await until('the agent to be ready', probe).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.log()}`);
    });
  }

  /** Puts roots into its pod, as the kubelet does when the ConfigMap that is mounted there changes. */
  async mount(root: string): Promise<void> {
    const path = join(this.folder, 'var/run/secrets/istio/root-cert.pem');
    await writeFile(`${path}.new`, root);
    await rename(`${path}.new`, path);
  }

  /** A page of its Envoy's admin interface, asked from this machine. */
  async admin(path: string): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#ports.admin}${path}`)).text();
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = new Promise(resolve => this.#process.once('exit', resolve));
      this.#process.kill('SIGTERM');
      await exited;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}
