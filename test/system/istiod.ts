import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../support/until.ts';

const CACHE = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');
const ISTIOD = join(CACHE, 'bin/pilot-discovery');

/** Why the real istiod cannot run here; false where it can. */
export const noIstiod: string | false = !existsSync(ISTIOD) && `no pilot-discovery in ${CACHE}`;

/** What makes stock Envoys take what istiod sends: it names extensions of Istio's own build otherwise. */
const FOR_STOCK_ENVOY = { PILOT_ENABLE_METADATA_EXCHANGE: 'false', PILOT_ENABLE_ALPN_FILTER: 'false' };

/** The real istiod with its own certificate authority, as a process. */
export class Istiod {
  readonly #process: ChildProcess;
  readonly #folder: string;
  #log = '';

  private constructor(process: ChildProcess, folder: string) {
    this.#process = process;
    this.#folder = folder;
    for (const stream of [process.stdout, process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#log = (this.#log + text).slice(-64 * 1024);
      });
  }

  /** Starts it where `within` says; `host` is its address there, and 15012 its port for proxies over TLS. Resolves once it serves. */
  static async start(kubeconfig: string, host: string, within: readonly string[]): Promise<Istiod> {
    const folder = await mkdtemp(join(tmpdir(), 'istiod-'));
    const meshConfig = join(folder, 'mesh.yaml');
    await writeFile(meshConfig, 'rootNamespace: istio-system\ntrustDomain: cluster.local\n');
    const [command = '', ...args] = [
      ...[...within, ISTIOD, 'discovery', '--kubeconfig', kubeconfig, '--meshConfig', meshConfig],
      ...['--httpAddr', `${host}:8080`, '--grpcAddr', `${host}:15010`, '--secureGRPCAddr', `${host}:15012`],
      ...['--httpsAddr', '', '--monitoringAddr', `${host}:15014`, '--ctrlz_port', '0'],
    ];
    const child = spawn(command, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        POD_NAME: 'istiod-lab',
        POD_NAMESPACE: 'istio-system',
        CLUSTER_ID: 'Kubernetes',
        ...FOR_STOCK_ENVOY,
      },
    });
    const istiod = new Istiod(child, folder);
    await until('istiod to serve', () => {
      if (child.exitCode !== null) throw new Error(istiod.#log);
      return /starting secure gRPC discovery service/.test(istiod.#log);
    }).catch(async (error: Error) => {
      await istiod.stop();
      throw new Error(`${error.message}\n${istiod.#log.slice(-2_000)}`);
    });
    return istiod;
  }

  /** Ends it at once. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = new Promise(resolve => this.#process.once('exit', resolve));
      this.#process.kill('SIGTERM');
      await exited;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
