import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { envoyMissing, findEnvoy } from '../support/envoy.ts';
import { until } from '../support/until.ts';
import { freePorts } from './lab.ts';

const CACHE = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');
const AGENT = join(CACHE, 'bin/pilot-agent');

/** Why Istio's agent cannot run here; false where it can. */
export const noAgent: string | false = existsSync(AGENT) ? await envoyMissing() : `no pilot-agent in ${CACHE}`;

/** Where the source of the lab's Istio is. */
const istio = (): string =>
  execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', 'istio.io/istio'], {
    cwd: join(import.meta.dirname, '../lab/peers/istio'),
    encoding: 'utf8',
  }).trim();

/** Which pod the agent is in. */
export interface AgentPod {
  readonly type: 'sidecar' | 'router';
  readonly name: string;
  readonly namespace: string;
  readonly account: string;
}

const APP: AgentPod = { type: 'sidecar', name: 'app-1', namespace: 'default', account: 'app' };

/** Istio's pilot-agent with a stock Envoy, as in a pod, as a process of this machine. */
export class Agent {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #admin: number;
  readonly #status: number;
  #log = '';

  private constructor(process: ChildProcess, folder: string, admin: number, status: number) {
    this.#process = process;
    this.#folder = folder;
    this.#admin = admin;
    this.#status = status;
    for (const stream of [process.stdout, process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#log = (this.#log + text).slice(-64 * 1024);
      });
  }

  /** `address` is that of the control plane's TLS port. */
  static async start(address: string, root: Buffer, token: string, pod = APP): Promise<Agent> {
    const folder = await mkdtemp(join(tmpdir(), 'agent-'));
    const secrets = join(folder, 'var/run/secrets');
    for (const name of ['istio', 'tokens']) await mkdir(join(secrets, name), { recursive: true });
    await writeFile(join(secrets, 'istio/root-cert.pem'), root);
    await writeFile(join(secrets, 'tokens/istio-token'), token);
    const [admin, status, ready, metrics] = [
      await freePorts(),
      await freePorts(),
      await freePorts(),
      await freePorts(),
    ];
    const config = {
      discoveryAddress: address,
      binaryPath: await findEnvoy(),
      proxyAdminPort: admin,
      statusPort: status,
      configPath: './etc/istio/proxy',
      concurrency: 1,
    };
    const child = spawn(AGENT, ['proxy', pod.type, '--domain', `${pod.namespace}.svc.cluster.local`], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        POD_NAME: pod.name,
        POD_NAMESPACE: pod.namespace,
        INSTANCE_IP: '127.0.0.1',
        SERVICE_ACCOUNT: pod.account,
        PROXY_CONFIG: JSON.stringify(config),
        ISTIOD_SAN: 'istiod.istio-system.svc',
        TRUST_DOMAIN: 'cluster.local',
        ISTIO_META_CLUSTER_ID: 'Kubernetes',
        ISTIO_BOOTSTRAP: join(istio(), 'tools/packaging/common/envoy_bootstrap.json'),
        ENVOY_STATUS_PORT: `${ready}`,
        ENVOY_PROMETHEUS_PORT: `${metrics}`,
      },
    });
    return new Agent(child, folder, admin, status);
  }

  /** Waits until its pod would be Ready. Rejects with what it has logged. */
  async isReady(): Promise<void> {
    const probe = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${this.#status}/healthz/ready`)).ok;
    await until('the agent to be ready', probe, 120_000).catch((error: Error) => {
      const lines = this.#log.split('\n').filter(line => !line.includes('NOT ready'));
      throw new Error(`${error.message}\n${lines.slice(-30).join('\n')}`);
    });
  }

  /** A page of its Envoy's admin interface. */
  async admin(path: string): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#admin}${path}`)).text();
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = new Promise(resolve => this.#process.once('exit', resolve));
      this.#process.kill('SIGTERM');
      await exited;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
