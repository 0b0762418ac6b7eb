// What the TLS port costs: `node test/bench/tls.ts`, and rows of npm run bench. CPU is this process's, which is the server's; the clients have
// processes of their own. What is compared is measured in turns, and the least of several rounds counts: what else the machine does only adds to it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownCertificate } from '../../src/security/own-certificate.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { ServerTls } from '../../src/tls.ts';
import { newCsr, newKey } from '../security/openssl.ts';
import { Fleet } from './fleet.ts';
import { meshObjects, slice } from './mesh.ts';
import { median, ownCpu, table } from './process.ts';
import type { Visit, Visited } from './tls-clients.ts';
import { callFloor, handshakeFloor, type Shown, streamFloor } from './tls-floors.ts';
import { servername, TlsPlane } from './tls-plane.ts';
import { proxyOf, storeOf, WorldServer } from './world-server.ts';

/** What was measured, and what it must be. */
export type Row = readonly [what: string, measured: string, mustBe?: string];

const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;

/** Clients in a process of their own, each with a connection of its own. */
class Clients {
  readonly #process = fork(new URL('./tls-clients.ts', import.meta.url));
  readonly #gone = new AbortController();

  constructor() {
    this.#process.once('exit', () => this.#gone.abort());
  }

  /** What they got, and the CPU that it took here; they leave afterwards. */
  async visit(order: Visit): Promise<Visited & { readonly cpu: number }> {
    const began = ownCpu();
    const visited = await this.stay(order);
    const cpu = ownCpu() - began;
    await this.#ask('leave');
    return { ...visited, cpu };
  }

  stay(order: Visit): Promise<Visited> {
    return this.#ask(order) as Promise<Visited>;
  }

  close(): void {
    this.#process.disconnect();
  }

  async #ask(order: Visit | 'leave'): Promise<unknown> {
    const answer = once(this.#process, 'message', { signal: this.#gone.signal });
    this.#process.send(order);
    return (await answer)[0];
  }
}

/** New connections with tokens, beside those to bare servers that show the same certificate. */
async function newStreams(plane: TlsPlane, shown: Shown): Promise<readonly Row[]> {
  const rounds = 6;
  const clients = 150;
  const common = { root: plane.root, servername, clients, round: 0, atOnce: 8, pause: 0 };
  const visitors = new Clients();
  const { bytes } = await visitors.visit({ ...common, port: plane.port, wants: 'answer', clients: 1 });
  const floors = {
    handshake: await handshakeFloor(shown),
    stream: await streamFloor(shown, bytes),
    call: await callFloor(shown, plane.root, bytes),
  };
  const none = Number.POSITIVE_INFINITY;
  const least = { handshake: none, stream: none, call: none };
  const ours = { reviewed: none, known: none };
  const cost = async (order: Partial<Visit> & Pick<Visit, 'port' | 'wants'>): Promise<number> => {
    await sleep(50);
    return (await visitors.visit({ ...common, ...order })).cpu / clients;
  };
  for (let round = 1; round <= rounds; round++) {
    least.handshake = Math.min(least.handshake, await cost({ port: floors.handshake, wants: 'handshake' }));
    ours.reviewed = Math.min(ours.reviewed, await cost({ port: plane.port, wants: 'answer', round }));
    least.stream = Math.min(least.stream, await cost({ port: floors.stream, wants: 'answer' }));
    least.call = Math.min(least.call, await cost({ port: floors.call, wants: 'answer' }));
    ours.known = Math.min(ours.known, await cost({ port: plane.port, wants: 'answer', round }));
  }
  visitors.close();
  const times = (value: number): string =>
    `${ms(value)} CPU: ${(value / least.handshake).toFixed(1)} and ${(value / least.stream).toFixed(1)} times the floors`;
  return [
    ["floor: a handshake of Node's TLS, the same certificate", `${ms(least.handshake)} CPU`],
    [`floor: that, Node's HTTP/2 and ${bytes} bytes of answer`, `${ms(least.stream)} CPU`],
    ['between: a gRPC call with the bounds of this project, which answers likewise', `${ms(least.call)} CPU`],
    ['a new TLS stream: handshake, token reviewed, first request answered', times(ours.reviewed)],
    ['the same with a token that is known', times(ours.known)],
  ];
}

/** A thousand proxies that were here before connect at once, and are given all that they ask for. */
async function reconnects(plane: TlsPlane): Promise<readonly Row[]> {
  const proxies = 1_000;
  const before = plane.reviews.counts;
  const fleet = new Fleet();
  const began = performance.now();
  const used = ownCpu();
  await fleet.open(plane.plane.tls, proxies, 1, plane.names, 0, { secure: plane });
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  const cpu = ownCpu() - used;
  const reviews = plane.reviews.counts;
  fleet.close();
  return [
    [`${proxies} proxies connect at once: all served after`, `${seconds} s, ${ms(cpu)} CPU`, '10 s'],
    ['TokenReviews for them', `${reviews.all - before.all}, ${reviews.ofOne} a token`, '1 a token'],
  ];
}

/** From a change to its acknowledgement by a canary, while certificates of a thousand proxies are renewed and before. */
async function renewals(plane: TlsPlane): Promise<readonly Row[]> {
  // So many that some are due until all is measured: they are signed one after the other, in a minute more than a thousand.
  const proxies = 300;
  const changes = 60;
  const canary = new Fleet();
  await canary.open(plane.plane.tls, 1, 1, plane.names, 0, { secure: plane });
  const fleet = new Fleet();
  await fleet.open(plane.plane.tls, proxies, 1, { secret: ['default', 'ROOTCA'] }, 0, {
    secure: plane,
    agentless: true,
  });
  let moved = 0;
  const push = async () => {
    const all: { readonly handed: number; readonly acknowledged: number }[] = [];
    for (let n = 0; n < changes; n++) {
      await sleep(100);
      all.push(await plane.push(slice(0, plane.endpoints, ++moved)));
    }
    return all;
  };
  const visitors = new Clients();
  const csr = newCsr(newKey('rsa:2048'), 'critical,URI:spiffe://cluster.local/ns/load/sa/default', '/O=');
  const alone = await push();
  const before = await plane.secretsSent();
  const began = performance.now();
  // The port may show the certificate of before for a moment.
  const rootBefore = plane.root;
  plane.replace(rootAuthority(await makeRoot('cluster.local', Date.now())));
  // Agents: a thousand a minute, each over a connection of its own.
  const order = {
    ...{ port: plane.port, root: rootBefore + plane.root, servername, round: 0, wants: { csr } },
    pause: 60,
    atOnce: 1,
  };
  const asking = visitors.stay({ ...order, clients: 100 });
  const meanwhile = await push();
  const minutes = (performance.now() - began) / 60_000;
  const renewed = (await plane.secretsSent()) - before;
  const asked = 100 / ((await asking).ms / 60_000);
  visitors.close();
  fleet.close();
  canary.close();
  const shown = (all: Awaited<ReturnType<typeof push>>): string => {
    const [handed, acknowledged] = [all.map(each => each.handed), all.map(each => each.acknowledged)];
    return `${ms(median(handed))} and ${ms(median(acknowledged))}`;
  };
  return [
    ['a change, until it is handed to the socket and until it is acknowledged', shown(alone)],
    [
      `while ${(renewed / minutes).toFixed(0)} certificates a minute are renewed over ADS, ${asked.toFixed(0)} by CreateCertificate`,
      shown(meanwhile),
      '10 ms more',
    ],
  ];
}

/** What a push of two kilobytes costs for each stream, from the change to all answers, in plaintext and over TLS. */
async function pushes(shown: Shown, root: string): Promise<readonly Row[]> {
  const streams = 200;
  const changes = 30;
  const size = { services: 20, endpoints: 28 };
  const tls = new ServerTls('h2', { certificate: shown.cert, key: shown.key });
  const side = async (secured: boolean) => {
    const server = new WorldServer(storeOf(meshObjects(size)));
    const { snapshot } = server.world.of(proxyOf(0));
    const names = { endpoint: snapshot.endpoint.list.map(r => r.name), route: snapshot.route.list.map(r => r.name) };
    const fleet = new Fleet();
    const secure = secured ? { secure: { root, servername } } : {};
    await fleet.open(await server.listen(secured ? tls : undefined), streams, 1, names, 0, secure);
    const cpu: number[] = [];
    let bytes = 0;
    return {
      cpu,
      bytes: () => bytes,
      async push(n: number): Promise<void> {
        let began = 0;
        const moved = `10.250.${Math.floor(n / 250)}.${1 + (n % 250)}`;
        const report = await fleet.receive(moved, () => {
          began = ownCpu();
          server.change(slice(0, size.endpoints, n));
        });
        while (![...server.ads.connections].every(connection => connection.settled)) await sleep(10);
        cpu.push(((ownCpu() - began) * 1_000) / streams);
        bytes = report.bytes / report.messages;
      },
      async close(): Promise<void> {
        fleet.close();
        await server.stop();
      },
    };
  };
  const [plain, secured] = [await side(false), await side(true)];
  for (let n = 1; n <= changes; n++) {
    await plain.push(n);
    await secured.push(n);
  }
  await Promise.all([plain.close(), secured.close()]);
  const [less, more] = [plain, secured].map(({ cpu }) => Math.min(...cpu));
  const us = (value = 0): string => `${value.toFixed(0)} µs CPU`;
  return [
    [`a push of ${plain.bytes().toFixed(0)} bytes and its answer, a stream: in plaintext`, us(less)],
    ['the same over TLS', `${us(more)}: ${((more ?? 0) / (less ?? 1)).toFixed(2)} times`, '1.5 times'],
  ];
}

/** All rows, as they are measured. */
export async function* tlsRows(): AsyncGenerator<readonly Row[]> {
  const plane = await TlsPlane.start({ services: 20, endpoints: 2 });
  const { chain, key } = await ownCertificate(plane.authority, [servername], 86_400, Date.now());
  const shown = { cert: chain.join(''), key: key.revealPem() };
  yield await newStreams(plane, shown);
  yield await pushes(shown, plane.root);
  yield await reconnects(plane);
  yield await renewals(plane);
  yield [["the machine's load meanwhile", `${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} cores`]];
  await plane.stop();
}

if (import.meta.main) {
  for await (const rows of tlsRows())
    console.log(table(rows.map(([what, measured, mustBe = '']) => [what, measured, mustBe])));
  process.exit(0);
}
