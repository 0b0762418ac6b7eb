import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { RawObject } from '../../src/config/raw.ts';
import { freePorts } from '../support/free-ports.ts';
import type { NamedProxy } from '../support/proxies.ts';
import { until } from '../support/until.ts';
import { type Dump, readDump } from '../support/xds-diff.ts';
import { ApiServer } from './api-server.ts';
import { type Family, SERVICE_RANGES } from './family.ts';
import { baseFolder, baseObjects, type Scenario } from './scenario.ts';

const run = promisify(execFile);
const labFolder = join(import.meta.dirname, '..', 'lab');

const portBase = await freePorts(16);
const ports = { PORT: `${await freePorts(12)}`, ETCD_PORT: `${await freePorts(2)}`, PORT_BASE: `${portBase}` };
const metrics = `http://127.0.0.1:${portBase + 14}/metrics`;
const xds = `127.0.0.1:${portBase + 10}`;

/** What istiod is told so that it sends what stock Envoy has. A part of what its answers are cached by. */
export const istiodEnvironment = 'PILOT_ENABLE_METADATA_EXCHANGE=false PILOT_ENABLE_ALPN_FILTER=false';

const cache = (): string =>
  process.env['LAB_CACHE'] ??
  process.env['PILOTLIGHT_LAB_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');

/** What istiod says in a scenario, and the objects that it saw. */
export interface Reference {
  readonly objects: readonly RawObject[];
  readonly dumps: Readonly<Record<string, Dump>>;
}

/** How often istiod has built what it pushes from. */
async function pushes(): Promise<number> {
  const text = await (await fetch(metrics)).text();
  return Number(/^pilot_pushcontext_init_seconds_count (\d+)/m.exec(text)?.[1] ?? 0);
}

/** A real API server with the base mesh in it, and the real istiod beside it. */
export class Lab {
  readonly #folder: string;
  readonly #api: ApiServer;
  #before: Scenario | undefined;
  #mesh = '';

  private constructor(folder: string) {
    this.#folder = folder;
    this.#api = new ApiServer(folder);
  }

  /** Starts it; takes about 20 s, and much longer where the peers have to be built first. */
  static async start(family: Family): Promise<Lab> {
    const folder = await mkdtemp(join(tmpdir(), 'conformance-'));
    const env = { ...process.env, ...ports, ...(family !== 'ipv4' && { SERVICE_CIDR: SERVICE_RANGES }) };
    try {
      await run(join(labFolder, 'up.sh'), [folder], { env });
      // istiod first: what it makes of an endpoint depends on whether it knew the Service then, which at its start is chance.
      await startIstiod(folder);
      await bringObjects(folder, baseObjects(family));
      const lab = new Lab(folder);
      lab.#mesh = await readFile(join(baseFolder, 'meshconfig.yaml'), 'utf8');
      return lab;
    } catch (error) {
      await run(join(labFolder, 'down.sh'), [folder]);
      throw error;
    }
  }

  /** Brings a scenario into the mesh in place of the one before, and asks istiod for each proxy. */
  async reference(
    scenario: Scenario,
    proxiesOf: (objects: readonly RawObject[]) => readonly NamedProxy[],
  ): Promise<Reference> {
    await this.#enter(scenario);
    const objects = await this.#api.objects();
    const dumps: Record<string, Dump> = {};
    for (const proxy of proxiesOf(objects)) dumps[proxy.name] = await this.#dump(proxy);
    return { objects, dumps };
  }

  async stop(): Promise<void> {
    this.#api.close();
    await run(join(labFolder, 'down.sh'), [this.#folder]);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #enter(scenario: Scenario): Promise<void> {
    const outgoing = this.#before?.objects ?? [];
    this.#before = scenario;
    const mesh = await readFile(scenario.meshConfig, 'utf8');
    const changed = outgoing.length + scenario.objects.length > 0;
    if (mesh !== this.#mesh) {
      await this.#setMesh(mesh);
      await settled();
    }
    const before = await pushes();
    for (const object of outgoing) if (!stays(object)) await this.#api.delete(object);
    if (scenario.objects.some(object => object.kind === 'Pod')) await bringObjects(this.#folder, scenario.objects);
    else for (const object of scenario.objects) await this.#api.apply(object);
    if (changed) await until('istiod to take the change', async () => (await pushes()) > before, 5000).catch(() => 0);
    await settled();
  }

  /** istiod follows its MeshConfig, but for the trust domain, which it reads once. */
  async #setMesh(mesh: string): Promise<void> {
    await writeFile(join(this.#folder, 'mesh.yaml'), mesh);
    const restart = trustDomain(mesh) !== trustDomain(this.#mesh);
    this.#mesh = mesh;
    if (!restart) return;
    const pid = join(this.#folder, 'istiod.pid');
    process.kill(Number(await readFile(pid, 'utf8')));
    await until('istiod to end', () =>
      pushes().then(
        () => false,
        () => true,
      ),
    );
    await rm(pid);
    await startIstiod(this.#folder);
  }

  async #dump({ name, json }: NamedProxy): Promise<Dump> {
    const node = join(this.#folder, `${name}.node.json`);
    const out = join(this.#folder, `${name}.dump.json`);
    await writeFile(node, JSON.stringify(json));
    await run(join(cache(), 'bin', 'xdsdump'), ['-addr', xds, '-node', node, '-nds', '-out', out]);
    return readDump(await readFile(out, 'utf8'));
  }
}

const startIstiod = (folder: string): Promise<unknown> =>
  run(join(labFolder, 'istiod.sh'), [folder], { env: { ...process.env, ...ports, ISTIOD_ENV: istiodEnvironment } });

const trustDomain = (mesh: string): string | undefined => /^trustDomain: (.*)$/m.exec(mesh)?.[1];

/** Namespaces that scenarios share stay; everything else is the scenario's own. */
const stays = (object: RawObject): boolean => object.kind === 'Namespace' || object.kind === 'Node';

/** Brings objects with pods into the lab. Tried again: right after an apply the API server may not find a pod yet. */
async function bringObjects(lab: string, objects: readonly RawObject[]): Promise<void> {
  const staged = join(lab, 'staged');
  await mkdir(staged, { recursive: true });
  await writeFile(join(staged, 'input.yaml'), objects.map(object => JSON.stringify(object)).join('\n---\n'));
  const once = () => run(process.execPath, [join(labFolder, 'apply.ts'), lab, staged]);
  await once().catch(once).catch(once);
}

/** istiod waits for 100 ms of quiet before it pushes: what has not moved for three times that has settled. */
async function settled(): Promise<void> {
  let last = -1;
  let quiet = 0;
  while (quiet < 6) {
    const now = await pushes();
    quiet = now === last ? quiet + 1 : 0;
    last = now;
    await pause(50);
  }
}
