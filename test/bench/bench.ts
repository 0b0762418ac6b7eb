import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { directorySource } from '../../src/sources/directory.ts';
import { World } from '../../src/world.ts';
import { counters } from '../../src/xds/counters.ts';
import type { Snapshot } from '../../src/xds/resource-set.ts';
import { Fleet } from './fleet.ts';
import { imageProgram } from './image.ts';
import { reviewCosts } from './injection.ts';
import { meshObjects, slice, virtualService } from './mesh.ts';
import { cpuOf, median, ownCpu, residentOf, table } from './process.ts';
import { signingCosts } from './signing.ts';
import { tlsRows } from './tls.ts';
import { proxyOf, WorldServer } from './world-server.ts';

const services = 1_000;
const endpoints = 10;
const changes = 30;
const options = { domain: 'cluster.local', rootNamespace: 'istio-system', clusterId: 'Kubernetes' };

const folder = mkdtempSync(join(tmpdir(), 'pilotlight-bench-'));
const fileOf = ({ kind, metadata }: RawObject): string => join(folder, kind.toLowerCase(), `${metadata.name}.yaml`);

/** JSON is YAML; a file appears whole. */
function write(object: RawObject): void {
  const file = fileOf(object);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(object));
  renameSync(`${file}.new`, file);
}

const namesOf = (snapshot: Snapshot) => ({
  endpoint: snapshot.endpoint.list.map(r => r.name),
  route: snapshot.route.list.map(r => r.name),
});

const rows: string[][] = [['what', 'measured', 'must be']];
const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
const mb = (value: number): string => `${value.toFixed(0)} MB`;
const row = (what: string, measured: string, mustBe = ''): void => void rows.push([what, measured, mustBe]);

/** The folder in a store. */
async function readFolder(): Promise<ConfigStore> {
  const store = new ConfigStore();
  const stop = new AbortController();
  await directorySource({ folder, log: console }).run(change => store.apply(change), stop.signal).synced;
  stop.abort();
  return store;
}

/** A server in this process, whose change is timed from the event to the last byte handed to the streams. */
async function measurePushes(store: ConfigStore): Promise<void> {
  let start = ownCpu();
  const world = new World(store.contents(), options);
  const first = world.of(proxyOf(0, 1));
  row('first snapshot of a sidecar, after parsing', `${ms(ownCpu() - start)} CPU`, '1 s');
  row('its resources', `${counters.resources}`);

  start = ownCpu();
  const before = { ...counters };
  for (let i = 0; i < 1_000; i++) world.of(proxyOf(i, 1));
  row(
    '999 more, of equal proxies',
    `${ms(ownCpu() - start)} CPU, ${counters.resources - before.resources} encoded`,
    '0',
  );

  let last = 0;
  const server = new WorldServer(store, () => {
    last = performance.now();
  });
  const address = await server.listen();
  const fleet = new Fleet();
  await fleet.open(address, 100, 1, namesOf(first.snapshot));

  const change = async (
    kind: string,
    object: (i: number) => RawObject,
    mark: (i: number) => string,
    mustBe: string,
  ) => {
    const handed: number[] = [];
    const arrived: number[] = [];
    const cpu: number[] = [];
    const encoded: string[] = [];
    for (let i = 0; i < changes; i++) {
      let began = 0;
      let used = 0;
      let counted = { ...counters };
      const report = await fleet.receive(mark(i), () => {
        counted = { ...counters };
        used = ownCpu();
        began = performance.now();
        server.change(object(i));
      });
      await sleep(30);
      cpu.push(ownCpu() - used);
      handed.push(last - began);
      arrived.push(report.lastAt - performance.timeOrigin - began);
      encoded.push(
        `${counters.resources - counted.resources} (${counters.fragments - counted.fragments} virtual hosts)`,
      );
    }
    const warm = <T>(values: T[]): T[] => values.slice(changes / 3);
    row(`${kind}: handed to 100 equal proxies after`, ms(median(warm(handed))), mustBe);
    row(`${kind}: arrived at the last after`, ms(median(warm(arrived))));
    row(`${kind}: CPU of the server`, ms(median(warm(cpu))));
    row(`${kind}: resources encoded`, [...new Set(warm(encoded))].join(' or '));
  };
  await change(
    'endpoint',
    i => slice(i, endpoints, i + 1),
    i => `10.250.0.${i + 2}`,
    '5 ms',
  );
  await change(
    'VirtualService',
    i => virtualService(i, `mark-${i}-`),
    i => `mark-${i}-`,
    '',
  );
  fleet.close();
  await server.stop();
}

/** The program as its image starts it: memory with 200 proxies. */
async function measureMemory(names: ReturnType<typeof namesOf>): Promise<void> {
  const { command, args, env } = imageProgram();
  const flags = ['serve', '--config', folder, '--xds-address', '127.0.0.1:0', '--http-address', '127.0.0.1:0'];
  const server = spawn(command, [...args, ...flags, '--log-level', 'warn'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = server.pid ?? 0;
  let address = '';
  for await (const line of createInterface(server.stdout)) {
    address = /proxies connect to\s+(\S+)/.exec(line)?.[1] ?? '';
    if (address) break;
  }
  server.stdout.resume();
  row('serve: CPU until it is ready', ms(cpuOf(pid)));
  row('serve: memory without proxies', mb(residentOf(pid)));
  const fleet = new Fleet();
  const began = cpuOf(pid);
  const bytes = await fleet.open(address.replace('localhost', '127.0.0.1'), 200, 1, names);
  await sleep(500);
  row('serve: 200 proxies synced', `${ms(cpuOf(pid) - began)} CPU, ${mb(bytes / 2 ** 20)} sent`);
  row('serve: memory with 200 proxies', mb(residentOf(pid)), '150 MB');
  const push = async (rounds: number, mark: string): Promise<void> => {
    for (let i = 0; i < rounds; i++)
      await fleet.receive(`${mark}-${i}-`, () => write(virtualService(i, `${mark}-${i}-`)));
  };
  await push(20, 'all');
  row('serve: after 20 VirtualServices changed', mb(residentOf(pid)), '150 MB');
  fleet.close();
  server.kill();
}

try {
  for (const object of meshObjects({ services, endpoints })) write(object);
  const store = await readFolder();
  const [only] = process.argv.slice(2);
  if (only !== 'memory') {
    await measurePushes(store);
    for (const [index, [what, cpu]] of (await signingCosts()).entries())
      row(what, `${ms(cpu)} CPU`, index < 2 ? '2.5 ms' : '');
    for (const [what, usual, most] of reviewCosts()) row(what, `${ms(usual)} CPU, at most ${ms(most)}`, '5 ms');
    for await (const measured of tlsRows()) for (const each of measured) row(...each);
  }
  if (only !== 'pushes') {
    const world = new World(store.contents(), options);
    await measureMemory(namesOf(world.of(proxyOf(0, 1)).snapshot));
  }
  process.stdout.write(`${table(rows)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
process.exit(0);
