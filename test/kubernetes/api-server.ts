import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from '../../src/kubernetes/api-client.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from './until.ts';

const CACHE = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');
const BIN = join(CACHE, 'bin');

/** Why tests with a real API server cannot run here, for their `skip`. */
export const noApiServer =
  !['etcd', 'kube-apiserver'].every(name => existsSync(join(BIN, name))) && `no etcd and kube-apiserver in ${BIN}`;

/** Istio's CRDs as YAML, those of deploy/. */
export async function istioCrds(): Promise<string> {
  const folder = join(import.meta.dirname, '../../deploy/crds');
  const files = (await readdir(folder)).filter(file => file !== 'kustomization.yaml');
  return (await Promise.all(files.map(file => readFile(join(folder, file), 'utf8')))).join('---\n');
}

/** A real etcd and kube-apiserver on ports of their own, which tests may kill, start again and compact. */
export class ApiServer {
  readonly port: number;
  readonly #etcdPort: number;
  readonly #dir: string;
  #etcd: ChildProcess | undefined;
  #apiServer: ChildProcess | undefined;

  private constructor(dir: string, port: number, etcdPort: number) {
    this.#dir = dir;
    this.port = port;
    this.#etcdPort = etcdPort;
  }

  static async start(): Promise<ApiServer> {
    const dir = await mkdtemp(join(tmpdir(), 'api-server-'));
    const server = new ApiServer(dir, await freePorts(), await freePorts());
    try {
      await server.#start();
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const dir = this.#dir;
    await this.#startEtcd();
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await mkdir(join(dir, 'pki'));
    await writeFile(this.serviceAccountKey, privateKey.export({ type: 'pkcs1', format: 'pem' }));
    await writeFile(join(dir, 'pki/sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
    await writeFile(join(dir, 'pki/tokens.csv'), 'admintoken,admin,1,"system:masters"\nmeshtoken,mesh,2\n');
    await this.up();
  }

  /** Signs service account tokens. */
  get serviceAccountKey(): string {
    return join(this.#dir, 'pki/sa.key');
  }

  /** Starts the API server, again after `kill`, and waits until it is ready. */
  async up(): Promise<void> {
    const [pki, audiences] = [join(this.#dir, 'pki'), 'https://kubernetes.default.svc'];
    this.#apiServer = spawn(
      join(BIN, 'kube-apiserver'),
      [
        `--etcd-servers=http://127.0.0.1:${this.#etcdPort}`,
        `--secure-port=${this.port}`,
        '--bind-address=127.0.0.1',
        `--cert-dir=${pki}`,
        `--service-account-key-file=${pki}/sa.pub`,
        `--service-account-signing-key-file=${pki}/sa.key`,
        `--service-account-issuer=${audiences}`,
        `--api-audiences=${audiences}`,
        '--authorization-mode=RBAC',
        `--token-auth-file=${pki}/tokens.csv`,
        '--service-cluster-ip-range=10.96.0.0/16',
        '--shutdown-delay-duration=0s',
      ],
      { stdio: 'ignore' },
    );
    // It makes its certificate itself, which the client's kubeconfig names.
    await until(async () => existsSync(join(pki, 'apiserver.crt')));
    const client = await this.client();
    await until(async () => (await client.json('/api/v1/namespaces/default').catch(() => undefined)) !== undefined);
  }

  /** Ends the API server at once, as a crash does. */
  async kill(): Promise<void> {
    await end(this.#apiServer, 'SIGKILL');
  }

  /** Ends everything and removes its files. */
  async close(): Promise<void> {
    await end(this.#apiServer, 'SIGKILL');
    await end(this.#etcd, 'SIGKILL');
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Makes etcd forget all history before now. */
  async compact(): Promise<void> {
    const post = async (path: string, body: unknown) => {
      const answer = await fetch(`http://127.0.0.1:${this.#etcdPort}/v3/kv/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
      });
      return (await answer.json()) as { header: { revision: string } };
    };
    const { header } = await post('range', { key: Buffer.from('a').toString('base64') });
    await post('compaction', { revision: header.revision, physical: true });
  }

  /** Replaces etcd's data by nothing, as a restore of an old backup would, with the API server down. */
  async wipe(): Promise<void> {
    await this.kill();
    await end(this.#etcd, 'SIGKILL');
    await rm(join(this.#dir, 'etcd'), { recursive: true, force: true });
    await this.#startEtcd();
    await this.up();
  }

  /** A client with all rights. */
  async client(): Promise<ApiClient> {
    return ApiClient.create({ kubeconfig: await this.kubeconfig({ token: 'admintoken' }) });
  }

  /** Writes a kubeconfig for a user, by default straight to the server, and returns its path. */
  async kubeconfig(user: Readonly<Record<string, unknown>>, port = this.port): Promise<string> {
    const path = join(this.#dir, `kubeconfig-${Math.random().toString(36).slice(2)}`);
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'c', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': 'pki/apiserver.crt' } },
      ],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    };
    await writeFile(path, JSON.stringify(config));
    return path;
  }

  async #startEtcd(): Promise<void> {
    const [client, peer] = [`http://127.0.0.1:${this.#etcdPort}`, `http://127.0.0.1:${await freePorts()}`];
    this.#etcd = spawn(
      join(BIN, 'etcd'),
      [
        `--data-dir=${join(this.#dir, 'etcd')}`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=default=${peer}`,
        '--unsafe-no-fsync',
        '--log-level=error',
      ],
      { stdio: 'ignore' },
    );
    await until(async () => (await fetch(`${client}/health`).catch(() => undefined))?.ok === true);
  }
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once('exit', () => resolve());
  child.kill(signal);
  await promise;
}
