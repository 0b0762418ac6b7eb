// What a change costs the server as a thousand streams are of more and more different workloads, each with a Service of its own as far as there
// are Services. An endpoint's change looks at no workload.
//
//     node workloads.ts [WORKLOADS[xNAMESPACES] ...]
//
// With NAMESPACES the workloads are in so many, each with a Sidecar of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import type { RawObject } from '../../src/config/raw.ts';
import { Fleet } from './fleet.ts';
import { clientNamespaces, meshObjects, service, slice, virtualService } from './mesh.ts';
import { ownCpu, table } from './process.ts';
import { proxyOf, storeOf, WorldServer } from './world-server.ts';

const services = 500;
const endpoints = 5;
const streams = 1_000;
const changes = 20;

const given = process.argv.slice(2);
const sizes = given.length > 0 ? given : ['1', '10', '100', '1000'];

const kinds: readonly (readonly [
  kind: string,
  object: (i: number, n: number) => RawObject,
  mark: (i: number, n: number) => string,
])[] = [
  ['endpoint', (i, n) => slice(i, endpoints, n), (_, n) => `10.250.${Math.floor(n / 250)}.${1 + (n % 250)}`],
  ['VirtualService', (i, n) => virtualService(i, `mark-${n}-`), (_, n) => `mark-${n}-`],
  ['Service', (_, n) => service(services + n), (_, n) => `svc-${services + n}.`],
];

const middle = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 2] ?? Number.NaN;
};

/** CPU milliseconds: the sync of all streams, then the lower quartile of each kind of change; and resident megabytes after all. */
async function measure(workloads: number, namespaces: number): Promise<readonly number[]> {
  const server = new WorldServer(
    storeOf([
      ...meshObjects({ services, endpoints, workloads: namespaces ? 0 : Math.min(workloads, services) }),
      ...clientNamespaces(namespaces),
    ]),
  );
  const { snapshot } = server.world.of(proxyOf(0, workloads, namespaces));
  const names = { endpoint: snapshot.endpoint.list.map(r => r.name), route: snapshot.route.list.map(r => r.name) };
  const settled = async (): Promise<void> => {
    while (![...server.ads.connections].every(connection => connection.settled)) await sleep(20);
  };
  const fleet = new Fleet();
  const address = await server.listen();
  let before = ownCpu();
  await fleet.open(address, streams, workloads, names, namespaces);
  await settled();
  const figures = [ownCpu() - before];
  for (const [, object, mark] of kinds) {
    const cpu: number[] = [];
    for (let i = 0; i < changes; i++) {
      await sleep(50);
      await fleet.receive(mark(i, i + 1), () => {
        before = ownCpu();
        server.change(object(i, i + 1));
      });
      await settled();
      cpu.push(ownCpu() - before);
    }
    figures.push(middle(cpu));
  }
  figures.push(process.memoryUsage.rss() / 2 ** 20);
  fleet.close();
  await server.stop();
  return figures;
}

const rows = [['workloads', 'sync', ...kinds.map(([kind]) => kind), 'memory']];
for (const size of sizes) {
  const [workloads = 1, namespaces = 0] = size.split('x').map(Number);
  const figures = await measure(workloads, namespaces);
  rows.push([size, ...figures.map((value, i) => `${value.toFixed(0)} ${i === figures.length - 1 ? 'MB' : 'ms'}`)]);
}
process.stdout.write(
  `${streams} streams, ${services} Services of ${endpoints} endpoints; CPU of the server\n${table(rows)}\n`,
);
process.exit(0);
