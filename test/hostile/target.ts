import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RawObject } from '../../src/config/raw.ts';
import { meshObjects, slice } from '../bench/mesh.ts';
import { mainThreadMs, residentOf } from '../bench/process.ts';
import { AdsClient } from '../support/ads-client.ts';
import { type Serve, type ServeOptions, startServe } from '../support/serve.ts';
import { host } from './elsewhere.ts';
import { nodeOf } from './wire.ts';

const isCanarys = ({ kind, metadata }: RawObject): boolean => kind === 'EndpointSlice' && metadata.name === 'svc-0';

/**
 * How long a change took from its file to the proxy, and how much of that the server's event loop worked, whatever for; in milliseconds. Where
 * this process was kept from seeing that it had arrived, which may be for seconds, what the server did meanwhile is not counted.
 */
export interface Arrival {
  readonly ms: number;
  readonly work: number;
}

/** Where the objects of a control plane are. */
export interface Source {
  /** As attacks have it: a folder, or the kubeconfig of an API server. */
  readonly name: string;
  /** The arguments of `serve` that name it. */
  readonly args: readonly string[];
  change(object: RawObject): Promise<void>;
  close(): void;
}

/** A folder: the canary's own endpoints have a file of their own; all else is one, so that a change costs the server what it changes. */
function folderOf(objects: readonly RawObject[]): Source {
  const folder = mkdtempSync(join(tmpdir(), 'hostile-'));
  const others = objects.filter(object => !isCanarys(object));
  const ca = mkdtempSync(join(tmpdir(), 'hostile-ca-'));
  writeFileSync(join(folder, 'mesh.yaml'), others.map(object => JSON.stringify(object)).join('\n---\n'));
  for (const object of objects) if (isCanarys(object)) write(folder, object);
  return {
    name: folder,
    args: ['--config', folder, '--ca', ca, '--tls-address', `${host}:0`],
    change: async object => write(folder, object),
    close() {
      for (const made of [folder, ca]) rmSync(made, { recursive: true });
    },
  };
}

/** A control plane over a mesh, to be attacked. */
export class Target {
  readonly serve: Serve;
  readonly source: Source;

  private constructor(serve: Serve, source: Source) {
    this.serve = serve;
    this.source = source;
  }

  /** Over a folder of its own, or over what `sourceOf` makes of the mesh's objects. */
  static async start(
    services: number,
    options: ServeOptions = {},
    sourceOf: (objects: readonly RawObject[]) => Source | Promise<Source> = folderOf,
  ): Promise<Target> {
    const source = await sourceOf(meshObjects({ services, endpoints: 5 }));
    return new Target(await startServe(source.args, options), source);
  }

  get alive(): boolean {
    return this.serve.process.exitCode === null && this.serve.process.signalCode === null;
  }

  /** Resident memory in megabytes; 0 once it is dead. */
  get resident(): number {
    return this.alive ? residentOf(this.serve.process.pid ?? 0) : 0;
  }

  /** Milliseconds for which its event loop has worked; 0 once it is dead. */
  get worked(): number {
    return this.alive ? mainThreadMs(this.serve.process.pid ?? 0) : 0;
  }

  change(object: RawObject): Promise<void> {
    return this.source.change(object);
  }

  /** A page, however long it takes. */
  page(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      get(`http://${this.serve.http}${path}`, { agent: false }, response => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(`${path}: ${text}`))));
      }).on('error', reject);
    });
  }

  /** How often each bound has been met. */
  async boundsMet(): Promise<ReadonlyMap<string, number>> {
    const lines = (await this.page('/metrics')).matchAll(/^pilotlight_bounds_met_total\{bound="([^"]+)"\} (\d+)/gm);
    return new Map([...lines].map(([, name = '', count]) => [name, Number(count)]));
  }

  /** Milliseconds until it has ended by SIGTERM. */
  async stop(): Promise<number> {
    const began = performance.now();
    await this.serve.stop();
    this.source.close();
    return performance.now() - began;
  }
}

/** JSON is YAML; a file appears whole. */
function write(folder: string, object: RawObject): void {
  const file = join(folder, object.kind.toLowerCase(), `${object.metadata.name}.yaml`);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(object));
  renameSync(`${file}.new`, file);
}

/** Milliseconds from one look at the time to the next. */
const LOOK_MS = 10;

/** A proxy that does nothing wrong, and measures how long an endpoint's change takes from its source to it. */
export class Canary {
  readonly #target: Target;
  readonly #client: AdsClient;
  readonly #looking: NodeJS.Timeout;
  #looked = performance.now();
  /** For how long this process was kept from looking, in milliseconds. */
  #kept = 0;
  #changes = 0;

  private constructor(target: Target) {
    this.#target = target;
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
    this.#client = new AdsClient(target.serve.xds, 'delta', nodeOf(1));
    this.#client.autoAck = true;
  }

  static async start(target: Target): Promise<Canary> {
    const canary = new Canary(target);
    const client = canary.#client;
    client.subscribe('cluster');
    await client.next('cluster');
    client.subscribe('endpoint', ['outbound|80||svc-0.load.svc.cluster.local']);
    await client.next('endpoint');
    client.subscribe('listener');
    await client.next('listener');
    return canary;
  }

  /** Changes an endpoint, and waits until the proxy has it. */
  async change(): Promise<Arrival> {
    const moved = ++this.#changes;
    const began = performance.now();
    this.#look();
    const [worked, kept] = [this.#target.worked, this.#kept];
    await this.#target.change(slice(0, 5, moved));
    const address = `10.250.${Math.floor(moved / 250)}.${1 + (moved % 250)}`;
    for (;;) {
      const { resources } = await this.#client.next('endpoint');
      if (!resources.some(({ any }) => Buffer.from(any.value ?? []).includes(address))) continue;
      this.#look();
      return { ms: performance.now() - began, work: Math.max(0, this.#target.worked - worked - (this.#kept - kept)) };
    }
  }

  /** Changes that follow one another until `until` says so. */
  async changes(until: (times: readonly Arrival[]) => boolean): Promise<readonly Arrival[]> {
    const times: Arrival[] = [];
    while (!until(times)) {
      times.push(await this.change());
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    return times;
  }

  close(): void {
    clearInterval(this.#looking);
    this.#client.close();
  }

  #look(): void {
    const now = performance.now();
    this.#kept += Math.max(0, now - this.#looked - 2 * LOOK_MS);
    this.#looked = now;
  }
}
