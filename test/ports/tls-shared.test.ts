// What proxies at the TLS port share: a review of a token, a frame, the line in which certificates are signed. By counts.
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { after, before, mock, test } from 'node:test';
import { ChannelCredentials } from '@grpc/grpc-js';
import { SigningLine } from '../../src/certificates/signing-line.ts';
import { ProxyHandler, type ProxyHandlerContext } from '../../src/proxy-handler.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { AdsServer } from '../../src/xds/ads-server.ts';
import { counters } from '../../src/xds/counters.ts';
import { slice } from '../bench/mesh.ts';
import { proxyNode, tokenOf } from '../bench/proxy-node.ts';
import { servername, TlsPlane } from '../bench/tls-plane.ts';
import { newCsr, newKey } from '../security/openssl.ts';
import { AdsClient } from '../support/ads-client.ts';
import { CertificateClient } from '../support/certificate-client.ts';
import { HeldClock } from '../support/clock.ts';
import { servePort } from '../support/grpc-port.ts';
import { until } from '../support/until.ts';

const endpoints = 200;
let plane: TlsPlane;

before(async () => {
  plane = await TlsPlane.start({ services: 4, endpoints });
});
after(() => plane?.stop());

const secured = () => ({
  credentials: ChannelCredentials.createSsl(Buffer.from(plane.root)),
  channel: { 'grpc.ssl_target_name_override': servername, 'grpc.use_local_subchannel_pool': 1 },
});

/** A proxy over TLS, with the token of its pod; `jti` tells tokens of one pod apart. */
function overTls(index: number, { jti = 'a', agent = true } = {}): AdsClient {
  const node = proxyNode(index, 1, 0, agent);
  const headers = { authorization: `Bearer ${tokenOf(node, jti)}` };
  const client = new AdsClient(plane.plane.tls, 'delta', node, { ...secured(), headers });
  after(() => client.close());
  return client;
}

/** Asks for so many certificates at once, on connections of a hundred each; counts the answers. */
function asking(count: number, csr: string) {
  const token = tokenOf(proxyNode(0, 1), 'a');
  const leaves = new Set<string>();
  for (let n = 0; n < count; n += 100) {
    const { credentials, channel } = secured();
    const client = new CertificateClient(plane.plane.tls, credentials, channel);
    after(() => client.close());
    for (let i = n; i < Math.min(count, n + 100); i++)
      void client.sign({ csr, validity_duration: 3_600 }, token).then(
        ([leaf = '']) => leaves.add(leaf),
        () => leaves.add(''),
      );
  }
  return leaves;
}

const csrOf = () => newCsr(newKey('P-256'), 'critical,URI:spiffe://cluster.local/ns/load/sa/default', '/O=');

test('however many streams and certificates at once show a token, it is reviewed once', async () => {
  const tokens = ['one', 'two', 'three'];
  const before = plane.reviews.counts.all;
  const streams = tokens.flatMap(jti => Array.from({ length: 20 }, () => overTls(1, { jti })));
  for (const stream of streams) stream.subscribe('cluster');
  for (const stream of streams) assert.ok((await stream.next('cluster')).resources.length > 0);
  const again = overTls(1, { jti: 'two' });
  again.subscribe('cluster');
  await again.next('cluster');
  const leaves = asking(5, csrOf());
  await until('all certificates', () => leaves.size === 5);
  assert.ok(!leaves.has(''));
  // Three for the streams, and one for the other token of who asks for certificates.
  assert.deepEqual(
    { all: plane.reviews.counts.all - before, ofOne: plane.reviews.counts.ofOne },
    { all: tokens.length + 1, ofOne: 1 },
  );
});

test('streams over TLS and in plaintext are handed the same buffer', async () => {
  const plain = Array.from({ length: 3 }, (_, i) => new AdsClient(plane.plane.xds, 'delta', proxyNode(i, 1)));
  for (const stream of plain) after(() => stream.close());
  const streams = [...plain, ...Array.from({ length: 3 }, (_, i) => overTls(i))];
  for (const stream of streams) {
    stream.autoAck = true;
    stream.subscribe('cluster');
    stream.subscribe('endpoint', plane.names.endpoint);
    await stream.next('endpoint');
  }
  const handed: unknown[] = [];
  const isLong = (chunk: unknown): boolean => Buffer.isBuffer(chunk) && chunk.length > 10_000;
  const inner = Duplex.prototype.write;
  const spy = mock.method(Duplex.prototype, 'write', function (this: Duplex, ...args: Parameters<Duplex['write']>) {
    if ('pushStream' in this && isLong(args[0])) handed.push(args[0]);
    return inner.apply(this, args);
  });
  const before = counters.frames;
  plane.change(slice(0, endpoints, 7));
  for (const stream of streams) await stream.next('endpoint');
  spy.mock.restore();
  assert.equal(handed.length, streams.length);
  assert.equal(new Set(handed).size, 1);
  assert.equal(counters.frames - before, 1);
});

test('certificates that are due at once are signed one after the other, and a push goes between', async () => {
  const canary = overTls(0);
  canary.autoAck = true;
  canary.subscribe('endpoint', plane.names.endpoint);
  await canary.next('endpoint');
  const pushed = async (n: number): Promise<void> => {
    plane.change(slice(1, endpoints, n));
    await canary.next('endpoint');
  };

  const proxies = Array.from({ length: 30 }, (_, i) => overTls(i, { agent: false }));
  for (const proxy of proxies) {
    proxy.autoAck = true;
    proxy.subscribe('secret', ['default']);
  }
  for (const proxy of proxies) await proxy.next('secret');
  const renewed = (): number => proxies.filter(({ received }) => received.length > 1).length;
  plane.replace(rootAuthority(await makeRoot('cluster.local', Date.now())));
  await until('the first renewal', () => renewed() > 0);
  await pushed(1);
  assert.ok(renewed() < proxies.length, `all ${renewed()} were renewed before a push`);

  // Who asks for a certificate is in the same line.
  const line = mock.method(SigningLine.prototype, 'first');
  const leaves = asking(60, csrOf());
  await until('the first certificate', () => leaves.size > 0);
  await pushed(2);
  assert.ok(leaves.size < 60, `all ${leaves.size} were signed before a push`);
  await until('all of them', () => renewed() === proxies.length && leaves.size === 60);
  assert.ok(!leaves.has(''));
  assert.equal(line.mock.callCount(), 60);
  line.mock.restore();
});

test('who is known, and waits for a certificate alone, is not cut off as one that says nothing', async () => {
  const clock = new HeldClock();
  const waiting = Promise.withResolvers<never>();
  let asked = 0;
  const ads = new AdsServer({
    connect(node, _, call) {
      asked++;
      if (node.id === 'known') call.admit();
      return waiting.promise;
    },
    snapshot: () => assert.fail(),
  });
  const port = await servePort(ads.methods, { clock });
  after(() => port.stop());
  const ended: string[] = [];
  for (const id of ['known', 'unknown']) {
    const client = new AdsClient(port.address, 'delta', { id });
    after(() => client.close());
    client.ended.then(() => ended.push(id));
    client.subscribe('cluster');
  }
  await until('both to be asked about', () => asked === 2);
  await until('one to end', () => {
    clock.pass(1_000);
    return ended.length > 0;
  });
  assert.deepEqual(ended, ['unknown']);
});

test('a proxy is known before its certificate is made', async () => {
  const order: string[] = [];
  const caller = {
    proof: 'token',
    identity: { uri: '', trustDomain: '', namespace: 'load', serviceAccount: 'default' },
    expiresAt: Number.POSITIVE_INFINITY,
  } as const;
  const context: Partial<ProxyHandlerContext> = {
    clock: new HeldClock(),
    world: () => plane.plane.world(),
    identify: () => ({ ok: true, caller: { kind: 'workload', proven: caller } }),
  };
  const certificates = {
    async admit() {
      order.push('certificate');
      throw new Error('that is far enough');
    },
  };
  const handler = new ProxyHandler({ ...context, certificates: () => certificates } as unknown as ProxyHandlerContext);
  const peer = { address: '127.0.0.1:1', port: 'tls', header: () => [], certificates: [] };
  const call = { over: false, admit: () => void order.push('known') };
  await assert.rejects(async () => handler.connect(proxyNode(0, 1, 0, false), peer, call), /far enough/);
  assert.deepEqual(order, ['known', 'certificate']);
});

test('what became of requests for certificates is counted by the names of istiod', async () => {
  const { credentials, channel } = secured();
  const client = new CertificateClient(plane.plane.tls, credentials, channel);
  after(() => client.close());
  const ask = (token: string | undefined, request: Parameters<CertificateClient['sign']>[0]): Promise<number> =>
    client.sign(request, token).then(
      () => 0,
      (error: { code: number }) => error.code,
    );
  const counts = async () => {
    const text = await (await fetch(`http://${plane.plane.http}/metrics`)).text();
    const of = (series: string) => Number(new RegExp(`^citadel_server_${series} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
    return [
      of('csr_count'),
      of('success_cert_issuance_count'),
      of('authentication_failure_count'),
      of('csr_sign_err_count\\{error="CSR_ERROR"\\}'),
      of('csr_sign_err_count\\{error="TTL_ERROR"\\}'),
    ];
  };
  const before = await counts();
  const token = tokenOf(proxyNode(0, 1), 'a');
  const csr = csrOf();
  const answers = [
    await ask(token, { csr }),
    await ask(undefined, { csr }),
    await ask('of.no.one', { csr }),
    await ask(token, { csr: 'none' }),
    await ask(token, { csr, validity_duration: 10 * 365 * 86_400 }),
  ];
  assert.deepEqual(answers, [0, 16, 16, 3, 3]);
  const now = await counts();
  assert.deepEqual(
    now.map((count, i) => count - (before[i] ?? 0)),
    [5, 1, 2, 1, 1],
  );
});
