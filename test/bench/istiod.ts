import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import type { RawObject } from '../../src/config/raw.ts';
import { Lab } from '../system/lab.ts';
import { clientNamespaces, destinationRule, virtualService } from './mesh.ts';
import { median, table } from './process.ts';
import { floor, istiod, pilotlight, type Server } from './servers.ts';

const run = promisify(execFile);
const SCRIPTS = join(import.meta.dirname, '../lab');
const CACHE = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');
const XDSLOAD = join(CACHE, 'bin/xdsload');

const servers: Readonly<Record<string, (lab: Lab) => Promise<Server>>> = { istiod, pilotlight, floor };

const usage = `usage: npm run bench:istiod -- [OPTIONS] [STREAMSxWORKLOADS[xNAMESPACES] ...]

The real istiod and this control plane watch the same API server; xdsload opens the streams, changes an endpoint, a VirtualService and a
Service, and times until every stream has the change. Sizes are 200x20, 1000x50, 1000x500 and 1000x500x20 unless given. With NAMESPACES the
workloads are in so many, each with a Sidecar of its own: its egress hosts are ./*, the namespace of the Services and one other.

  --runs N         medians of so many runs of each server, in turn (3)
  --changes N      changes of each kind in a run (20: CPU is counted in ticks of 10 ms)
  --services N     Services of the mesh (500)
  --endpoints N    endpoints of each (5)
  --rules          each Service has a VirtualService and a DestinationRule with two subsets
  --churn LIST     other endpoint changes a second (10,50,200), for 30 s each; only endpoint changes are timed, beneath them
  --servers LIST   which of ${Object.keys(servers).join(',')}; the floor sends what this control plane sends, and computes nothing
`;

/** What xdsload says of one kind of change. */
interface Change {
  readonly not_received: number;
  readonly server_cpu_ms_per_change: number;
  readonly all_streams_p50_ms: number;
  readonly bytes_per_stream_per_change: number;
  readonly rss_mb: number;
}

/** What one run of one server gave: its start, and what xdsload says. */
interface Load {
  readonly ready: Server['ready'];
  readonly sync_ms: number;
  readonly sync_cpu_ms: number;
  readonly sync_bytes_per_stream: number;
  readonly endpoint: Change;
  readonly route: Change;
  readonly service: Change;
}

/** What xdsload says of endpoint changes beneath others. */
interface Churn {
  readonly not_received: number;
  readonly changes_per_second: number;
  readonly server_cpu_percent: number;
  readonly all_streams_p50_ms: number;
  readonly all_streams_p99_ms: number;
  readonly rss_mb: number;
}

interface Size {
  readonly streams: number;
  readonly workloads: number;
  /** How many namespaces the workloads are in, each with a Sidecar; 0: in that of the Services. */
  readonly namespaces: number;
}

interface Mesh {
  readonly services: number;
  readonly endpoints: number;
  readonly rules: boolean;
}

const figures: readonly (readonly [label: string, unit: string, read: (l: Load) => number])[] = [
  ['until it serves', 'ms', l => l.ready.ms],
  ['resident memory then', 'MB', l => l.ready.mb],
  ['cold sync, all streams', 'ms', l => l.sync_ms],
  ['cold sync, server CPU', 'ms', l => l.sync_cpu_ms],
  ['cold sync, a stream', 'kB', l => l.sync_bytes_per_stream / 1000],
  ['endpoint to all streams', 'ms', l => l.endpoint.all_streams_p50_ms],
  ['endpoint, server CPU', 'ms', l => l.endpoint.server_cpu_ms_per_change],
  ['VirtualService to all streams', 'ms', l => l.route.all_streams_p50_ms],
  ['VirtualService, server CPU', 'ms', l => l.route.server_cpu_ms_per_change],
  ['VirtualService, a stream', 'kB', l => l.route.bytes_per_stream_per_change / 1000],
  ['Service to all streams', 'ms', l => l.service.all_streams_p50_ms],
  ['Service, server CPU', 'ms', l => l.service.server_cpu_ms_per_change],
  ['Service, a stream', 'kB', l => l.service.bytes_per_stream_per_change / 1000],
  ['resident memory after all', 'MB', l => l.service.rss_mb],
];

const loadFlags = (lab: Lab, server: Server, size: Size, mesh: Mesh): readonly string[] => [
  ...['-addr', server.address, '-n', String(size.streams), '-classes', String(size.workloads)],
  ...['-client-namespaces', String(size.namespaces)],
  ...['-services', String(mesh.services), '-pid', String(server.pid), '-kubeconfig', lab.kubeconfig],
];

async function load(lab: Lab, server: Server, size: Size, mesh: Mesh, changes: number): Promise<Load> {
  const { stdout } = await run(XDSLOAD, [...loadFlags(lab, server, size, mesh), '-changes', String(changes)], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return { ...JSON.parse(stdout), ready: server.ready };
}

const workloadsOf = ({ workloads, namespaces }: Size): string =>
  `${workloads} workloads${namespaces ? ` in ${namespaces} namespaces with a Sidecar each` : ''}`;

/** A storm of endpoint changes: a row for each rate and server. */
async function churned(lab: Lab, size: Size, mesh: Mesh, rates: readonly number[]): Promise<string> {
  const rows = [
    ['changes a second', 'server', 'written', 'CPU', 'to all streams', '99th percentile', 'memory', 'lost'],
  ];
  for (const rate of rates) {
    for (const { name, start } of starts) {
      const server = await start(lab);
      try {
        const { stdout } = await run(XDSLOAD, [...loadFlags(lab, server, size, mesh), '-churn', String(rate)]);
        const { churn }: { readonly churn: Churn } = JSON.parse(stdout);
        rows.push([
          String(rate),
          name,
          String(churn.changes_per_second),
          `${churn.server_cpu_percent} %`,
          `${churn.all_streams_p50_ms} ms`,
          `${churn.all_streams_p99_ms} ms`,
          `${churn.rss_mb} MB`,
          String(churn.not_received),
        ]);
      } finally {
        await server.stop();
      }
    }
  }
  return `${mesh.services} Services of ${mesh.endpoints} endpoints; ${size.streams} streams of ${workloadsOf(size)}\n${table(rows)}\n`;
}

/** A row for each figure: the median of each server, then how many times less than the first one each other needs. */
function report(size: Size, mesh: Mesh, loads: ReadonlyMap<string, readonly Load[]>): string {
  const names = [...loads.keys()];
  const [first = '', ...others] = names;
  const head = ['', ...names, ...others.map(name => `${first} / ${name}`)];
  const rows = figures.map(([label, unit, read]) => {
    const values = names.map(name => median((loads.get(name) ?? []).map(read)));
    const [a = Number.NaN, ...rest] = values;
    const number = (value: number): string => (value < 100 ? String(Number(value.toFixed(1))) : value.toFixed(0));
    return [label, ...values.map(value => `${number(value)} ${unit}`), ...rest.map(b => (a / b).toFixed(1))];
  });
  const lost = [...loads.values()]
    .flat()
    .reduce((n, l) => n + l.endpoint.not_received + l.route.not_received + l.service.not_received, 0);
  const { services, endpoints, rules } = mesh;
  const what = `${services} Services of ${endpoints} endpoints${rules ? ', each with rules' : ''}`;
  const who = `${size.streams} streams of ${workloadsOf(size)}`;
  return `${what}; ${who}; changes not received: ${lost}\n${table([head, ...rows])}\n`;
}

/** Objects that xdsload does not make itself. */
async function apply(lab: Lab, items: readonly RawObject[]): Promise<void> {
  const file = join(lab.folder, 'objects.json');
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await lab.kubectl('apply', '--server-side', '--force-conflicts', '-f', file);
}

const rulesOf = (services: number): readonly RawObject[] =>
  Array.from({ length: services }, (_, i) => [virtualService(i, 'none'), destinationRule(i)]).flat();

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    changes: { type: 'string', default: '20' },
    services: { type: 'string', default: '500' },
    endpoints: { type: 'string', default: '5' },
    rules: { type: 'boolean', default: false },
    churn: { type: 'string' },
    servers: { type: 'string', default: Object.keys(servers).join() },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const sizes = (positionals.length ? positionals : ['200x20', '1000x50', '1000x500', '1000x500x20']).map(
  (text): Size => {
    const [streams = 0, workloads = 0, namespaces = 0] = text.split('x').map(Number);
    if (!(streams > 0 && workloads > 0)) throw new Error(`${text}: expected STREAMSxWORKLOADS, such as 200x20`);
    return { streams, workloads, namespaces };
  },
);
const starts = values.servers.split(',').map(name => {
  const start = servers[name];
  if (!start) throw new Error(`${name}: expected some of ${Object.keys(servers).join()}`);
  return { name, start };
});
const mesh: Mesh = { services: Number(values.services), endpoints: Number(values.endpoints), rules: values.rules };

await run(join(SCRIPTS, 'build.sh'), ['kubernetes'], { maxBuffer: 64 * 1024 * 1024 });
await run(join(SCRIPTS, 'build.sh'), ['istio'], { maxBuffer: 64 * 1024 * 1024 });
const lab = await Lab.up();
try {
  const { services, endpoints } = mesh;
  const size = ['-services', String(services), '-endpoints', String(endpoints)];
  await run(XDSLOAD, ['-create', ...size, '-kubeconfig', lab.kubeconfig]);
  if (mesh.rules) await apply(lab, rulesOf(services));
  const namespaces = Math.max(...sizes.map(size => size.namespaces));
  if (namespaces) await apply(lab, clientNamespaces(namespaces));
  for (const size of sizes) {
    if (values.churn) {
      process.stdout.write(`${await churned(lab, size, mesh, values.churn.split(',').map(Number))}\n`);
      continue;
    }
    const loads = new Map(starts.map(({ name }) => [name, [] as Load[]]));
    for (let i = 0; i < Number(values.runs); i++) {
      for (const { name, start } of starts) {
        const server = await start(lab);
        try {
          loads.get(name)?.push(await load(lab, server, size, mesh, Number(values.changes)));
        } finally {
          await server.stop();
        }
      }
    }
    process.stdout.write(`${report(size, mesh, loads)}\n`);
  }
} finally {
  await lab.down();
}
