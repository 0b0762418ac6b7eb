import { execFile, spawn } from 'node:child_process';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ApiClient } from '../../src/kubernetes/api-client.ts';
import { freePorts, isFree } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

const REPOSITORY = join(import.meta.dirname, '../..');
const SCRIPTS = join(REPOSITORY, 'test/lab');
const CACHE = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');

/**
 * The lab's Kubernetes of test/lab/up.sh: etcd, API server, controller-manager, scheduler and kwok, which makes pods Ready. Its API server may
 * be killed and started again, and etcd's history compacted.
 */
export class Lab {
  readonly folder: string;
  readonly port: number;
  readonly #etcdPort: number;

  private constructor(folder: string, port: number, etcdPort: number) {
    this.folder = folder;
    this.port = port;
    this.#etcdPort = etcdPort;
  }

  static async up(): Promise<Lab> {
    const lab = new Lab(await mkdtemp(join(tmpdir(), 'lab-')), await freePorts(12), await freePorts(2));
    try {
      await run(join(SCRIPTS, 'up.sh'), [lab.folder], {
        env: { ...process.env, PORT: String(lab.port), ETCD_PORT: String(lab.#etcdPort) },
      });
    } catch (error) {
      await lab.down();
      throw error;
    }
    return lab;
  }

  async down(): Promise<void> {
    await run(join(SCRIPTS, 'down.sh'), [this.folder]);
    await rm(this.folder, { recursive: true });
  }

  /** A kubeconfig with all rights. */
  get kubeconfig(): string {
    return join(this.folder, 'kubeconfig');
  }

  /** A client with all rights. */
  client(): Promise<ApiClient> {
    return ApiClient.create({ kubeconfig: this.kubeconfig });
  }

  async kubectl(...args: readonly string[]): Promise<string> {
    const { stdout } = await run(join(CACHE, 'bin/kubectl'), args, {
      cwd: REPOSITORY,
      env: { ...process.env, KUBECONFIG: this.kubeconfig },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  }

  /** Ends the API server at once, as a crash does, until the function that is returned starts it again and waits until it is ready. */
  async killApiServer(): Promise<() => Promise<void>> {
    const file = join(this.folder, 'apiserver.pid');
    const pid = Number(readFileSync(file, 'utf8'));
    const [command = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    process.kill(pid, 'SIGKILL');
    // Its threads end one after the other; the last one gives the port back.
    await until('the API server to be gone', () => isFree(this.port));
    return async () => {
      const log = openSync(join(this.folder, 'log/apiserver.log'), 'a');
      const server = spawn(command, args, { cwd: this.folder, detached: true, stdio: ['ignore', log, log] });
      server.unref();
      writeFileSync(file, `${server.pid}\n`);
      await until('the API server to be ready', async () => (await this.kubectl('get', '--raw', '/readyz')) === 'ok');
    };
  }

  /** Makes etcd forget all history before now. */
  async compact(): Promise<void> {
    const post = async (path: string, body: unknown) => {
      const url = `http://127.0.0.1:${this.#etcdPort}/v3/kv/${path}`;
      const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
      return (await answer.json()) as { header: { revision: string } };
    };
    const { header } = await post('range', { key: Buffer.from('a').toString('base64') });
    await post('compaction', { revision: header.revision, physical: true });
  }
}
