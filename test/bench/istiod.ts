import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { Lab } from '../system/lab.ts';
import { Pilotlight } from '../system/pilotlight.ts';
import { destinationRule, virtualService } from './mesh.ts';
import { median, table } from './process.ts';

const run = promisify(execFile);
const SCRIPTS = join(import.meta.dirname, '../lab');
const CACHE = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');
const XDSLOAD = join(CACHE, 'bin/xdsload');
const SERVICES = 500;

const usage = `usage: npm run bench:istiod -- [--runs N] [--changes N] [--rules] [STREAMSxWORKLOADS ...]

The real istiod and this control plane watch the same API server; xdsload opens the streams, changes an endpoint, a VirtualService and a
Service, and times until every stream has the change. Medians of N runs each, in turn (default 3 runs, sizes 200x20 and 1000x50).
With --rules each Service has a VirtualService and a DestinationRule with two subsets.
`;

/** What xdsload says of one kind of change. */
interface Change {
  readonly not_received: number;
  readonly server_cpu_ms_per_change: number;
  readonly all_streams_p50_ms: number;
  readonly rss_mb: number;
}

/** What xdsload says of one run. */
interface Load {
  readonly sync_ms: number;
  readonly sync_cpu_ms: number;
  readonly rss_after_sync_mb: number;
  readonly endpoint: Change;
  readonly route: Change;
  readonly service: Change;
}

/** A server under load: where its streams go, and the process whose CPU and memory count. */
interface Server {
  readonly address: string;
  readonly pid: number;
  stop(): Promise<void>;
}

interface Size {
  readonly streams: number;
  readonly workloads: number;
}

async function istiod(lab: Lab): Promise<Server> {
  const base = 25_000;
  await run(join(SCRIPTS, 'istiod.sh'), [lab.folder], { env: { ...process.env, PORT_BASE: String(base) } });
  const pid = Number(readFileSync(join(lab.folder, 'istiod.pid'), 'utf8'));
  return {
    address: `127.0.0.1:${base + 10}`,
    pid,
    async stop() {
      process.kill(pid);
      await run('tail', ['--pid', String(pid), '-f', '/dev/null']);
      await run('rm', ['-f', join(lab.folder, 'istiod.pid')]);
    },
  };
}

async function pilotlight(lab: Lab): Promise<Server> {
  const server = await Pilotlight.serve('--kubeconfig', lab.kubeconfig, '--log-level', 'warn');
  return {
    address: server.xds,
    pid: server.pid,
    async stop() {
      await server.stop();
    },
  };
}

async function load(lab: Lab, server: Server, { streams, workloads }: Size, changes: number): Promise<Load> {
  const { stdout } = await run(
    XDSLOAD,
    [
      ...['-addr', server.address, '-n', String(streams), '-classes', String(workloads), '-services', String(SERVICES)],
      ...['-changes', String(changes), '-pid', String(server.pid), '-kubeconfig', lab.kubeconfig],
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  return JSON.parse(stdout) as Load;
}

const FIGURES: readonly (readonly [label: string, unit: string, read: (l: Load) => number])[] = [
  ['cold sync, all streams', 'ms', l => l.sync_ms],
  ['cold sync, server CPU', 'ms', l => l.sync_cpu_ms],
  ['endpoint to all streams', 'ms', l => l.endpoint.all_streams_p50_ms],
  ['endpoint, server CPU', 'ms', l => l.endpoint.server_cpu_ms_per_change],
  ['VirtualService to all streams', 'ms', l => l.route.all_streams_p50_ms],
  ['VirtualService, server CPU', 'ms', l => l.route.server_cpu_ms_per_change],
  ['Service to all streams', 'ms', l => l.service.all_streams_p50_ms],
  ['Service, server CPU', 'ms', l => l.service.server_cpu_ms_per_change],
  ['resident memory after all', 'MB', l => l.service.rss_mb],
];

function report({ streams, workloads }: Size, theirs: readonly Load[], ours: readonly Load[]): string {
  const rows = FIGURES.map(([label, unit, read]) => {
    const [a, b] = [median(theirs.map(read)), median(ours.map(read))];
    return [label, `${Math.round(a)} ${unit}`, `${Math.round(b)} ${unit}`, `${(a / b).toFixed(1)}x`];
  });
  const lost = [...theirs, ...ours].reduce(
    (n, l) => n + l.endpoint.not_received + l.route.not_received + l.service.not_received,
    0,
  );
  const head = ['', 'istiod', 'pilotlight', 'ratio'];
  return `${SERVICES} Services, ${streams} streams of ${workloads} workloads; changes not received: ${lost}\n${table([head, ...rows])}\n`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    changes: { type: 'string', default: '5' },
    rules: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const sizes = (positionals.length ? positionals : ['200x20', '1000x50']).map((text): Size => {
  const [streams = 0, workloads = 0] = text.split('x').map(Number);
  if (!(streams > 0 && workloads > 0)) throw new Error(`${text}: expected STREAMSxWORKLOADS, such as 200x20`);
  return { streams, workloads };
});

await run(join(SCRIPTS, 'build.sh'), ['kubernetes'], { maxBuffer: 64 * 1024 * 1024 });
await run(join(SCRIPTS, 'build.sh'), ['istio'], { maxBuffer: 64 * 1024 * 1024 });
const lab = await Lab.up();
try {
  await run(XDSLOAD, ['-create', '-services', String(SERVICES), '-endpoints', '5', '-kubeconfig', lab.kubeconfig]);
  if (values.rules) {
    const file = join(lab.folder, 'rules.json');
    const items = Array.from({ length: SERVICES }, (_, i) => [virtualService(i, 'none'), destinationRule(i)]).flat();
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    await lab.kubectl('apply', '--server-side', '--force-conflicts', '-f', file);
  }
  for (const size of sizes) {
    const theirs: Load[] = [];
    const ours: Load[] = [];
    for (let i = 0; i < Number(values.runs); i++) {
      for (const [start, into] of [
        [istiod, theirs],
        [pilotlight, ours],
      ] as const) {
        const server = await start(lab);
        try {
          into.push(await load(lab, server, size, Number(values.changes)));
        } finally {
          await server.stop();
        }
      }
    }
    process.stdout.write(`${report(size, theirs, ours)}\n`);
  }
} finally {
  await lab.down();
}
