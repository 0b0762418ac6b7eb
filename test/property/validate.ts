import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { type Kind, kindNames } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import type { Methods } from '../../src/grpc/server.ts';
import type { Proxy } from '../../src/model/proxy/proxy.ts';
import { toJson } from '../../src/proto/json.ts';
import type { World } from '../../src/world.ts';
import { AdsServer } from '../../src/xds/ads-server.ts';
import { secretMethods } from '../envoy/secrets.ts';
import { ENVOY_VERSION, type Envoy, startEnvoy } from '../support/envoy.ts';
import { type ServedPort, servePort } from '../support/grpc-port.ts';
import { nodes, proxies, worldWith } from './base-mesh.ts';
import { anObject, someObjects } from './objects.ts';

const help = `Gives made-up worlds to real Envoys over ADS, and says what they reject.

  npm run fuzz:envoy -- [--seconds N] [--objects N] [--seed N] [--groups N] [--kind KIND] [--envoy VERSION]

--seconds   how long (60)
--objects   how many objects at most, however long that takes
--seed      the first world (1); each world says its own, so that one can be tried again with --seconds 0
--groups    how many groups of a few objects each world has (10)
--kind      objects of this kind only
--envoy     the version of Envoy (${ENVOY_VERSION})

It runs in a network of its own (unshare), where every address may be bound.`;

/** Clusters of the bootstrap of Istio's agent, which what we send may name. */
const agentClusters = ['sds-grpc', 'prometheus_stats', 'agent'];

/** Files that are named are on the proxy's own machine: nobody else can tell whether they are there. */
const ofTheMachine = /Invalid path: |unable to (read|open) file|from path: \//i;

interface Rejected {
  readonly proxy: string;
  readonly message: string;
}

const localCluster = (name: string, port: number): object => ({
  name,
  type: 'STATIC',
  connect_timeout: '5s',
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
  load_assignment: {
    cluster_name: name,
    endpoints: [
      { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] },
    ],
  },
});

function bootstrap(name: string, port: number, folder: string): string {
  const node = nodes[name];
  if (!node) throw new Error(name);
  const config = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };
  return JSON.stringify({
    node: toJson('envoy.config.core.v3.Node', {
      ...node,
      user_agent_name: undefined,
      user_agent_build_version: undefined,
    } as typeof node),
    admin: { address: { pipe: { path: join(folder, `${name.replaceAll(' ', '-')}.sock`) } } },
    layered_runtime: {
      layers: [{ name: 'static', static_layer: { 're2.max_program_size.error_level': 32768 } }],
    },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
      cds_config: config,
      lds_config: config,
    },
    static_resources: {
      clusters: [
        localCluster('xds-grpc', port),
        ...(name.includes('without') ? [] : agentClusters.map(cluster => localCluster(cluster, port))),
      ],
    },
  });
}

/** Real Envoys, one for each proxy of the base mesh, that are given one world after the other. */
class Judges {
  readonly #version: string;
  readonly #folder: string;
  readonly #envoys = new Map<string, Envoy>();
  readonly #names = new Map(
    Object.entries(proxies).map(([name, proxy]) => [proxy.id + proxy.class.istioVersion, name]),
  );
  readonly #ads: AdsServer<Proxy>;
  readonly #binds = new Map<string, ReadonlyMap<string, boolean>>();
  #rejected: Rejected[] = [];
  #world: World = worldWith([]);
  readonly #methods: Methods;
  #served: ServedPort | undefined;

  constructor(version: string, folder: string, methods: Awaited<ReturnType<typeof secretMethods>>) {
    this.#version = version;
    this.#folder = folder;
    this.#ads = new AdsServer<Proxy>(
      {
        connect: node => {
          const agent = node.metadata?.fields?.['ISTIO_VERSION']?.string_value ?? '';
          const proxy = proxies[this.#names.get(`${node.id}${agent}`) ?? ''];
          if (!proxy) throw new Error(`nobody knows ${node.id}`);
          return { ok: true, client: proxy };
        },
        snapshot: proxy => this.#world.of(proxy).snapshot,
        onNack: ({ client }, type, { message }) => {
          if (ofTheMachine.test(message)) return;
          this.#rejected.push({ proxy: this.#nameOf(client), message: `${type}: ${message}` });
        },
        onError: error => {
          this.#rejected.push({ proxy: '', message: `thrown: ${error instanceof Error ? error.stack : error}` });
        },
      },
      { grace: 200 },
    );
    this.#methods = { ...methods, ...this.#ads.methods };
  }

  #nameOf(proxy: Proxy): string {
    return this.#names.get(proxy.id + proxy.class.istioVersion) ?? proxy.id;
  }

  async start(): Promise<void> {
    this.#served = await servePort(this.#methods);
    for (const name of Object.keys(nodes)) await this.#launch(name);
    await this.#settled();
  }

  #logOf(name: string): string {
    return join(this.#folder, `${name.replaceAll(' ', '-')}.log`);
  }

  async #launch(name: string): Promise<void> {
    const envoy = await startEnvoy({
      bootstrap: bootstrap(name, this.#served?.port ?? 0, this.#folder),
      admin: '',
      version: this.#version,
      // A socket, as our end of a pipe is, cannot be opened as /dev/stdout.
      within: ['sh', '-c', 'exec "$@" > /dev/null 2>> "$0"', this.#logOf(name)],
    });
    this.#envoys.set(name, envoy);
  }

  /** Envoy (1.36 to 1.40) does not survive that a listener of one name and address begins to bind its port: it has to begin anew. */
  #beginsToBind(name: string, world: World): boolean {
    const proxy = proxies[name];
    if (!proxy) return false;
    const before = this.#binds.get(name);
    const { listeners } = world.of(proxy).translation;
    const binds = new Map(listeners.map(({ name: of, message }) => [of, message.bind_to_port?.value ?? true]));
    this.#binds.set(name, binds);
    return [...binds].some(([of, value]) => before?.has(of) && before.get(of) !== value);
  }

  /** What the Envoys say to a world. */
  async judge(world: World): Promise<readonly Rejected[]> {
    this.#rejected = [];
    const crashing = [...this.#envoys].filter(([name]) => this.#beginsToBind(name, world));
    for (const [, envoy] of crashing) await envoy.stop();
    this.#world = world;
    for (const [name] of crashing) await this.#launch(name);
    this.#ads.push([{ kind: 'world', at: Date.now() }]);
    await this.#settled();
    for (const [name, envoy] of this.#envoys) {
      if (envoy.process.exitCode === null && envoy.process.signalCode === null) continue;
      const log = (await readFile(this.#logOf(name), 'utf8')).split('\n').filter(line => !line.includes('][warning]'));
      const { exitCode, signalCode } = envoy.process;
      this.#rejected.push({
        proxy: name,
        message: `Envoy ended (${signalCode ?? exitCode}): ${log.slice(-25).join('\n')}`,
      });
      await envoy.stop();
      await this.#launch(name);
      await this.#settled();
    }
    return this.#rejected;
  }

  /** Waits until every proxy has taken or refused all that it is owed, and asks for nothing more. */
  async #settled(): Promise<void> {
    const end = Date.now() + 8000;
    for (let calm = 0; calm < 4 && Date.now() < end; ) {
      await wait(15);
      const connections = [...this.#ads.connections];
      const ended = [...this.#envoys.values()].some(
        ({ process }) => process.exitCode !== null || process.signalCode !== null,
      );
      if (ended) return;
      calm = connections.length === this.#envoys.size && connections.every(c => c.settled) ? calm + 1 : 0;
    }
  }

  async stop(): Promise<void> {
    for (const envoy of this.#envoys.values()) await envoy.stop();
    await this.#served?.stop();
    this.#ads.close();
  }
}

/** Envoy's words without the message that it complains of, which it prints in full. */
const reason = (message: string): string => {
  const at = message.indexOf('goo.gle/debug');
  if (at < 0) return message.slice(0, 500);
  const failed = message.lastIndexOf('Proto constraint validation failed');
  return `${message.slice(0, at)} ${failed < 0 ? '(cut off)' : message.slice(failed)}`;
};

/** The message without what differs from world to world, so that equal faults are counted once. */
const shape = (message: string): string =>
  reason(message)
    .replace(/^(Envoy ended \(\w+\)).*/s, '$1')
    .replace(/'[^']*'|"[^"]*"/g, "'…'")
    .replace(/\S*\|[^\s:,]*|(?:\d+\.)+\d+_\d+|virtual(In|Out)bound/g, '…')
    .replace(/\d+(\.\d+)*/g, 'N')
    .slice(0, 160);

/** Every value that is the given one with one field or item less. */
function* smaller(value: unknown): Generator<unknown> {
  if (typeof value !== 'object' || value === null) return;
  const entries = Object.entries(value);
  const rebuilt = (kept: readonly (readonly [string, unknown])[]): unknown =>
    Array.isArray(value) ? kept.map(([, item]) => item) : Object.fromEntries(kept);
  for (const [key] of entries) yield rebuilt(entries.filter(([other]) => other !== key));
  for (const [key, inner] of entries)
    for (const less of smaller(inner))
      yield rebuilt(entries.map(([other, item]) => [other, other === key ? less : item]));
}

const MOST_TRIES = 250;

type Objects = readonly RawObject[];

/** A world, and the one that was there before it. */
interface Step {
  readonly before: Objects;
  readonly after: Objects;
}

/** The objects without what `still` does not need of them. */
async function smallest(objects: Objects, still: (fewer: Objects) => Promise<boolean>): Promise<Objects> {
  let needed = objects;
  let tries = MOST_TRIES;
  for (const object of objects) {
    const fewer = needed.filter(other => other !== object);
    if (await still(fewer)) needed = fewer;
  }
  for (let found = true; found; ) {
    found = false;
    for (const [i, object] of needed.entries()) {
      const { apiVersion, kind, metadata, ...body } = object;
      for (const less of smaller(body)) {
        if (tries-- <= 0) return needed;
        const candidate = needed.with(i, { apiVersion, kind, metadata, ...(less as object) });
        if (!(await still(candidate))) continue;
        needed = candidate;
        found = true;
        break;
      }
    }
  }
  return needed;
}

/** What of two worlds a fault needs; undefined where it does not come again. */
async function smallestStep(judges: Judges, { before, after }: Step, fault: string): Promise<Step | undefined> {
  const still = async (step: Step): Promise<boolean> => {
    // What was rejected is not sent again until it changes.
    await judges.judge(worldWith([]));
    if (step.before.length) await judges.judge(worldWith(step.before));
    const again = [...(await judges.judge(worldWith(step.after)))];
    // A crash may come a moment later.
    if (fault.startsWith('Envoy ended')) {
      await wait(300);
      again.push(...(await judges.judge(worldWith(step.after))));
    }
    return again.some(({ message }) => shape(message) === fault);
  };
  const alone = await still({ before: [], after });
  if (!alone && !(await still({ before, after }))) return undefined;
  const needed = await smallest(after, fewer => still({ before: alone ? [] : before, after: fewer }));
  if (alone) return { before: [], after: needed };
  return { before: await smallest(before, fewer => still({ before: fewer, after: needed })), after: needed };
}

/** How long, and how much: the first that is reached; and how many groups of objects a world has. */
interface Limits {
  readonly seconds: number;
  readonly objects: number;
  readonly groups: number;
}

/** Groups of objects in one world: each group's have names of their own, but for those that the base mesh has, too. */
const together = (groups: number): fc.Arbitrary<Objects> =>
  fc.array(someObjects, { minLength: groups, maxLength: groups }).map(lists => {
    const named = lists.flatMap((list, i) =>
      list.map(object => {
        const { name } = object.metadata;
        const own = groups > 1 && (name === 'fuzz' || name === 'other') ? `${name}-${i}` : name;
        return { ...object, metadata: { ...object.metadata, name: own } };
      }),
    );
    const key = ({ kind, metadata }: RawObject): string => `${kind} ${metadata.namespace} ${metadata.name}`;
    return [...new Map(named.map(object => [key(object), object])).values()];
  });

async function fuzz(limits: Limits, seed: number, kind: Kind | undefined, version: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-'));
  const judges = new Judges(version, folder, await secretMethods());
  await judges.start();
  const faults = new Map<string, number>();
  const end = Date.now() + limits.seconds * 1000;
  let worlds = 0;
  let shown = 0;
  let before: Objects = [];
  for (let at = seed; worlds === 0 || (Date.now() < end && shown < limits.objects); at++, worlds++) {
    const arbitrary: fc.Arbitrary<Objects> = kind ? anObject(kind).map(object => [object]) : together(limits.groups);
    const [objects = []] = fc.sample(arbitrary, { seed: at, numRuns: 1 });
    for (const { proxy, message } of await judges.judge(worldWith(objects))) {
      const known = faults.get(shape(message)) ?? 0;
      faults.set(shape(message), known + 1);
      if (known) continue;
      const step = await smallestStep(judges, { before, after: objects }, shape(message));
      process.stdout.write(`\n--seed ${at}${kind ? ` --kind ${kind}` : ''}, ${proxy}: ${reason(message)}\n`);
      if (!step) process.stdout.write('  (did not come again)\n');
      for (const object of step?.before ?? []) process.stdout.write(`  before: ${JSON.stringify(object)}\n`);
      for (const object of step?.after ?? []) process.stdout.write(`  ${JSON.stringify(object)}\n`);
    }
    before = objects;
    shown += objects.length;
  }
  await judges.stop();
  await rm(folder, { recursive: true, force: true });
  process.stdout.write(`\n${shown} objects in ${worlds} worlds, ${faults.size} faults\n`);
  for (const [fault, times] of faults) process.stdout.write(`  ${times} × ${fault}\n`);
  return faults.size ? 1 : 0;
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    objects: { type: 'string' },
    groups: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string' },
    envoy: { type: 'string', default: ENVOY_VERSION },
    help: { type: 'boolean' },
  },
});
const alone = Object.keys(networkInterfaces()).every(name => name === 'lo');
if (values.help) process.stdout.write(`${help}\n`);
else if (alone && process.env['FUZZ_INSIDE']) {
  const kind = kindNames.find(name => name === values.kind);
  const limits = {
    seconds: Number(values.seconds ?? (values.objects ? Number.POSITIVE_INFINITY : 60)),
    objects: Number(values.objects ?? Number.POSITIVE_INFINITY),
    groups: Number(values.groups),
  };
  process.exitCode = await fuzz(limits, Number(values.seed), kind, values.envoy);
} else {
  const setup = 'ip link set lo up; for v in 4 6; do echo 1 > /proc/sys/net/ipv$v/ip_nonlocal_bind; done; exec "$@"';
  const own = [process.execPath, ...process.argv.slice(1)];
  const { status } = spawnSync('unshare', ['--net', '--map-root-user', 'sh', '-c', setup, 'sh', ...own], {
    stdio: 'inherit',
    env: { ...process.env, FUZZ_INSIDE: '1' },
  });
  process.exitCode = status ?? 1;
}
