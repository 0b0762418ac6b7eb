import { fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Proxy } from '../../src/model/proxy/proxy.ts';
import { Connection } from '../../src/xds/connection.ts';
import type { ReceivedRequest } from '../../src/xds/request.ts';
import { LocalPlane } from '../support/local-plane.ts';
import { Fleet } from './fleet.ts';
import { meshObjects, slice } from './mesh.ts';
import type { Polled, Polling } from './page-poller.ts';
import { median, ownCpu, table } from './process.ts';
import { proxyOf } from './world-server.ts';

const usage = `usage: node test/bench/pages.ts [OPTIONS]

With many proxies connected, a canary's endpoint changes again and again: milliseconds from the change until its ACK has been read, with nobody
at the pages and with every page polled once a second over HTTP and over xDS, in turns. The control plane is this process; proxies and
pollers have processes of their own. To be run on a machine that does nothing else.

  --proxies N    proxies that are connected (1000), of 20 workloads
  --services N   Services of the mesh (500), of 5 endpoints
  --rounds N     turns of each (3)
  --changes N    changes in a turn (150), 50 ms apart
`;
const { values } = parseArgs({
  options: {
    proxies: { type: 'string', default: '1000' },
    services: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '3' },
    changes: { type: 'string', default: '150' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit();
}
const endpoints = 5;
const [proxies, services, rounds, changes] = [values.proxies, values.services, values.rounds, values.changes].map(
  Number,
);
const CANARY = 'canary';

const plane = await LocalPlane.start(meshObjects({ services: services ?? 0, endpoints }));
const { snapshot } = plane.plane.world()?.of(proxyOf(0)) ?? {};
const namesOf = (type: 'endpoint' | 'route'): readonly string[] => (snapshot?.[type].list ?? []).map(r => r.name);
const fleet = new Fleet();
await fleet.open(plane.xds, proxies ?? 0, 20, { endpoint: namesOf('endpoint'), route: namesOf('route') });
await plane.connect('sidecar', CANARY);

/** When each ACK of the canary's endpoints has been read. */
let acknowledged: (at: number) => void = () => {};
const { receive } = Connection.prototype;
Connection.prototype.receive = function (this: Connection<Proxy>, request: ReceivedRequest) {
  receive.call(this, request);
  if (this.client.name === CANARY && request.typeUrl.endsWith('ClusterLoadAssignment')) acknowledged(performance.now());
};

let moved = 0;
async function change(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  acknowledged = resolve;
  const began = performance.now();
  plane.change(slice(0, endpoints, ++moved));
  return (await promise) - began;
}

interface Turn {
  readonly times: readonly number[];
  readonly cpu: number;
  readonly loop: number;
}

async function turn(): Promise<Turn> {
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const [cpu, began] = [ownCpu(), performance.now()];
  loop.enable();
  const times: number[] = [];
  for (let i = 0; i < (changes ?? 0); i++) {
    times.push(await change());
    await sleep(50);
  }
  loop.disable();
  return { times, cpu: (ownCpu() - cpu) / (performance.now() - began), loop: loop.max / 1e6 };
}

const list = (await (await fetch(`http://${plane.http}/debug/list`)).json()) as readonly string[];
const ofProxy = new Set(['config_dump', 'ecdsz', 'edsz', 'ndsz', 'sidecarz', 'telemetryz']);
const pages = list
  .filter(page => page !== 'adsz?push=true')
  .map(page => (ofProxy.has(page) ? `${page}?proxyID=${CANARY}.load` : page));
const polling: Polling = {
  http: plane.http,
  xds: plane.xds,
  paths: ['/metrics', '/ready?verbose', '/version', '/debug', ...pages.map(page => `/debug/${page}`)],
  questions: [
    ['istio.io/debug/syncz', ''],
    ['istio.io/debug/config_dump', `${CANARY}.load`],
    ...pages.map(page => ['istio.io/debug', page] as const),
  ],
};

const alone: Turn[] = [];
const polled: Turn[] = [];
const answered: Polled[] = [];
for (let round = 0; round < (rounds ?? 0); round++) {
  alone.push(await turn());
  const poller = fork(new URL('./page-poller.ts', import.meta.url));
  poller.send(polling);
  await sleep(2_000);
  polled.push(await turn());
  poller.send('how much');
  const [said] = (await once(poller, 'message')) as [Polled];
  answered.push(said);
  poller.disconnect();
  await once(poller, 'exit');
  await sleep(500);
}

const ms = (value: number): string => value.toFixed(2);
function row(what: string, turns: readonly Turn[]): readonly string[] {
  const times = turns.flatMap(t => t.times).sort((a, b) => a - b);
  const p99 = times[Math.floor(times.length * 0.99)] ?? Number.NaN;
  const share = turns.reduce((sum, { cpu }) => sum + cpu, 0) / turns.length;
  const loop = median(turns.map(t => t.loop));
  return [what, `${times.length}`, ms(median(times)), ms(p99), `${(share * 100).toFixed(0)} %`, ms(loop)];
}
const sum = (of: (p: Polled) => number): number => answered.reduce((all, each) => all + of(each), 0);
process.stdout.write(`${proxies} proxies, ${services} Services, ${polling.paths.length} pages over HTTP and ${polling.questions.length} over xDS
${table([
  ['', 'changes', 'median ms', 'p99 ms', 'CPU', 'longest turn ms'],
  row('nobody at the pages', alone),
  row('every page, once a second', polled),
])}
${sum(p => p.answers)} answers of ${(sum(p => p.bytes) / 1e6).toFixed(0)} MB were read, ${sum(p => p.late)} took longer than a second, ${sum(p => p.failed)} failed
`);
fleet.close();
await plane.stop();
process.exit();
