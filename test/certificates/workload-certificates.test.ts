import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, before, test } from 'node:test';
import { ChannelCredentials, status } from '@grpc/grpc-js';
import pino from 'pino';
import { WorkloadCertificates } from '../../src/certificates/workload-certificates.ts';
import { serve } from '../../src/cli/commands.ts';
import { readArguments } from '../../src/command.ts';
import { type ControlPlane, startControlPlane } from '../../src/control-plane.ts';
import { decode } from '../../src/proto/message.ts';
import type { Caller } from '../../src/security/authenticate.ts';
import { type CertificateAuthority, rootBundle } from '../../src/security/authority.ts';
import { validityOf } from '../../src/security/certificate.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { serveSettings } from '../../src/settings/settings.ts';
import { directorySource } from '../../src/sources/directory.ts';
import type { Protocol } from '../../src/xds/frame.ts';
import type { Stream } from '../../src/xds/handler.ts';
import { ALL } from '../../src/xds/name-set.ts';
import { type Part, ResourceSet } from '../../src/xds/resource-set.ts';
import { resourceTypes } from '../../src/xds/resource-types.ts';
import { type View, view } from '../../src/xds/view.ts';
import { Issuer, type TokenWish } from '../security/issuer.ts';
import { AdsClient, type AdsResponse, messageOf } from '../support/ads-client.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

const bookinfo = join(import.meta.dirname, '../../deploy/samples/bookinfo');
const ID = 'spiffe://cluster.local/ns/default/sa/bookinfo';
const SECRETS = ['default', 'ROOTCA'];

let plane: ControlPlane;
let issuer: Issuer;
let first: CertificateAuthority;
let tell: (authority: CertificateAuthority) => void;
let logged = '';
/** Every private key that was sent, as text that is found wherever it is shown. */
const keys = new Set<string>();

const anAuthority = async () => rootAuthority(await makeRoot('cluster.local', Date.now()));

before(async () => {
  issuer = await Issuer.make();
  first = await anAuthority();
  const args = ['--config', bookinfo, '--http-address', '127.0.0.1:0', '--xds-address', '127.0.0.1:0'];
  const settings = serveSettings(readArguments(serve, args));
  const log = pino(
    { level: 'trace' },
    new Writable({
      write(chunk, _, done) {
        logged += chunk;
        done();
      },
    }),
  );
  const security = {
    async followAuthority(_: unknown, heard: { readonly inForce: typeof tell }) {
      tell = heard.inForce;
      tell(first);
    },
    review: issuer.review.bind(issuer),
    access: async () => ({ allowed: false }),
  };
  const tls = { host: '127.0.0.1', port: await freePorts() };
  const sources = [directorySource({ folder: bookinfo, log })];
  plane = await startControlPlane({ ...settings, tls }, { sources, log, security });
  await plane.ready;
  await until('the TLS port', () => logged.includes('proxies connect over TLS'));
});
after(() => plane?.stop());

/** A stream of a proxy without an agent, unless its metadata says otherwise. */
async function stream(protocol: Protocol, wish: TokenWish = {}, node = 'bookinfo-1.default', metadata = {}) {
  const credentials = ChannelCredentials.createSsl(Buffer.from(rootBundle(first)));
  const fields = Object.entries(metadata).map(([name, text]) => [name, { string_value: String(text) }]);
  const ads = new AdsClient(
    plane.tls,
    protocol,
    {
      id: `sidecar~10.0.0.1~${node}~default.svc.cluster.local`,
      metadata: { fields: Object.fromEntries(fields) },
    },
    {
      credentials,
      channel: { 'grpc.ssl_target_name_override': 'istiod.istio-system.svc' },
      headers: { authorization: `Bearer ${await issuer.token(wish)}` },
    },
  );
  after(() => ads.close());
  return ads;
}

interface Received {
  readonly leaf: X509Certificate;
  readonly root: X509Certificate;
}

/** What a response has, checked: the leaf is of its key, and leads to the root. */
function secretsIn({ resources }: AdsResponse): Received {
  const secrets = new Map(resources.map(({ name, any }) => [name, messageOf('secret', any)]));
  const { tls_certificate: pair } = secrets.get('default') ?? {};
  const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
  const leaf = new X509Certificate(text(pair?.certificate_chain?.inline_bytes));
  const root = new X509Certificate(
    text(secrets.get('ROOTCA')?.validation_context?.trusted_ca?.inline_bytes) || rootBundle(first),
  );
  const key = text(pair?.private_key?.inline_bytes);
  assert.ok(leaf.checkPrivateKey(createPrivateKey(key)));
  keys.add(key.split('\n')[1] ?? assert.fail('no key'));
  return { leaf, root };
}

for (const protocol of ['sotw', 'delta'] as const)
  test(`a proxy without an agent gets its certificate over its stream: ${protocol}`, async () => {
    const ads = await stream(protocol, {}, 'bookinfo-1.default', { SERVICE_ACCOUNT: 'bookinfo' });
    ads.subscribe('secret', SECRETS);
    const answer = await ads.next('secret');
    const { leaf, root } = secretsIn(answer);
    assert.equal(leaf.subjectAltName, `URI:${ID}`);
    assert.ok(leaf.verify(root.publicKey));
    const { notBefore, notAfter } = validityOf(leaf);
    assert.equal(notAfter - notBefore, 86_400_000 + 120_000);

    const again = await stream(protocol);
    again.subscribe('secret', SECRETS);
    const other = secretsIn(await again.next('secret'));
    assert.notEqual(other.leaf.serialNumber, leaf.serialNumber);
    assert.ok(!other.leaf.publicKey.equals(leaf.publicKey), 'streams share no key');

    // Clusters and listeners ask for it by the same names, over the same stream.
    ads.subscribe('listener');
    const sent = JSON.stringify(await ads.next('listener'), (_, value) =>
      value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
    );
    assert.match(sent, /ROOTCA/);
    assert.doesNotMatch(sent, /sds-grpc/);
  });

test('secrets are sent for the names that are asked for, and no more once they are given up', async () => {
  const ads = await stream('delta');
  ads.subscribe('secret', ['default']);
  const answer = await ads.next('secret');
  assert.deepEqual(
    answer.resources.map(({ name }) => name),
    ['default'],
  );
  ads.ack(answer);
  ads.subscribe('secret', ['ROOTCA', 'kubernetes://of-somebody']);
  const roots = await ads.next('secret');
  assert.deepEqual(
    [roots.resources.map(({ name }) => name), roots.removed],
    [['ROOTCA'], ['kubernetes://of-somebody']],
  );
  ads.ack(roots);
  ads.unsubscribe('secret', ['default']);
  tell(await anAuthority());
  assert.deepEqual(
    (await ads.next('secret')).resources.map(({ name }) => name),
    ['ROOTCA'],
  );
  tell(first);
});

test('another authority is in force at once: every stream gets a leaf of it, and its roots', async () => {
  const streams = await Promise.all([stream('sotw'), stream('delta')]);
  const before = [];
  for (const ads of streams) {
    ads.subscribe('secret', SECRETS);
    const answer = await ads.next('secret');
    before.push(secretsIn(answer));
    ads.ack(answer);
  }
  const next = await anAuthority();
  tell(next);
  for (const [at, ads] of streams.entries()) {
    const { leaf, root } = secretsIn(await ads.next('secret'));
    assert.ok(root.raw.equals(next.certificate.raw));
    assert.ok(leaf.verify(next.certificate.publicKey));
    assert.notEqual(leaf.serialNumber, before[at]?.leaf.serialNumber);
  }
  tell(first);
});

test('a proxy with an agent gets none, and neither does anybody over plaintext', async () => {
  const agent = await stream('delta', {}, 'bookinfo-1.default', { ISTIO_VERSION: '1.31.0' });
  const plain = ['delta', 'sotw'].map(protocol => {
    const id = 'sidecar~10.0.0.1~bookinfo-1.default~default.svc.cluster.local';
    const ads = new AdsClient(plane.xds, protocol as Protocol, { id });
    after(() => ads.close());
    return ads;
  });
  for (const ads of [agent, ...plain]) {
    ads.subscribe('secret', SECRETS);
    assert.deepEqual((await ads.next('secret')).resources, []);
    ads.subscribe('cluster');
    assert.ok((await ads.next('cluster')).resources.length > 0);
  }
});

const refused: readonly (readonly [string, TokenWish, node: string, metadata: object, code: number])[] = [
  ['the Node of another pod', {}, 'reviews-1.default', {}, status.PERMISSION_DENIED],
  ['the Node of another namespace', {}, 'bookinfo-1.other', {}, status.PERMISSION_DENIED],
  ["another namespace's name", {}, 'bookinfo-1.default', { NAMESPACE: 'other' }, status.PERMISSION_DENIED],
  ["another's service account", {}, 'bookinfo-1.default', { SERVICE_ACCOUNT: 'root' }, status.PERMISSION_DENIED],
  ["another namespace's token", { namespace: 'other' }, 'bookinfo-1.default', {}, status.PERMISSION_DENIED],
  ['a token that has expired', { expires: -300 }, 'bookinfo-1.default', {}, status.UNAUTHENTICATED],
  ["a deleted pod's token", { pod: 'gone-1' }, 'gone-1.default', {}, status.UNAUTHENTICATED],
  ['a token for somebody else', { audience: 'vault' }, 'bookinfo-1.default', {}, status.UNAUTHENTICATED],
];
for (const [what, wish, node, metadata, code] of refused)
  test(`refused, and sent nothing: ${what}`, async () => {
    const ads = await stream('delta', wish, node, metadata);
    ads.subscribe('secret', SECRETS);
    assert.equal((await ads.ended).code, code);
    assert.deepEqual(ads.received, []);
  });

test('no key is in a log line or on a page', async () => {
  const ads = await stream('delta');
  ads.autoAck = true;
  ads.subscribe('secret', SECRETS);
  secretsIn(await ads.next('secret'));
  ads.subscribe('listener');
  await ads.next('listener');
  const shown: string[] = [logged];
  const index = await (await fetch(`http://${plane.http}/debug`)).text();
  for (const [, path] of index.matchAll(/^(\/\S+)/gm))
    shown.push(await (await fetch(`http://${plane.http}${path}?proxyID=bookinfo-1.default`)).text());
  assert.ok(shown.length > 5 && keys.size > 5);
  assert.match(shown.join(), /bookinfo-1/);
  for (const text of shown) {
    assert.doesNotMatch(text, /PRIVATE KEY/);
    for (const key of keys) assert.ok(!text.includes(key));
  }
});

const caller = (expiresAt: number): Caller => ({
  proof: 'token',
  identity: { uri: ID, trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'bookinfo' },
  expiresAt,
});

test('a step is acknowledged by who has its certificate and its roots; all is forgotten with the stream', async () => {
  const log = pino({ level: 'silent' });
  const context = { clock: clockOf(), log, otherRoots: () => '' };
  const certificates = new WorkloadCertificates<{ readonly id: string }>(context);
  const client = { id: 'one' };
  await assert.rejects(certificates.admit(client, caller(Number.POSITIVE_INFINITY), here), /no authority/);
  const steps = await Promise.all(['1', '2'].map(async step => ({ ...(await anAuthority()), step })));
  const [one, two] = steps;
  assert.ok(one && two);
  certificates.use(one);
  await certificates.admit(client, caller(Number.POSITIVE_INFINITY), here);
  let touched = 0;
  const stream = streamOf(client, () => touched++);
  certificates.opened(stream);
  const holding = (...secrets: readonly (Part | undefined)[]): View =>
    view(
      new ResourceSet(
        'secret',
        secrets.filter(part => part !== undefined),
      ),
      ALL,
      undefined,
    );
  const first = certificates.of(client);
  assert.equal(certificates.acknowledge(client, holding(first?.own)), undefined);
  assert.equal(certificates.acknowledge(client, holding(first?.own, first?.roots)), '1');
  certificates.use(two);
  await until('the new certificate', () => touched === 1);
  const second = certificates.of(client);
  assert.equal(certificates.acknowledge(client, holding(first?.own, second?.roots)), undefined);
  assert.equal(certificates.acknowledge(client, holding(second?.own, second?.roots)), '2');
  certificates.closed(stream);
  assert.equal(certificates.of(client), undefined);
  assert.equal(certificates.acknowledge(client, holding(second?.own, second?.roots)), undefined);
});

const here = { connection: '127.0.0.1:1', isOver: () => false };

/** A clock whose timers run when it is moved. */
function clockOf() {
  const timers = new Set<{ at: number; run: () => void }>();
  let time = Date.now();
  return {
    now: () => time,
    after(ms: number, run: () => void) {
      const timer = { at: time + ms, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    move(ms: number) {
      time += ms;
      for (const timer of [...timers]) if (timer.at <= time && timers.delete(timer)) timer.run();
    },
    next: () => Math.min(...[...timers].map(({ at }) => at)) - time,
  };
}

const streamOf = (
  client: { readonly id: string },
  touch: () => void,
  fail: (error: Error) => void = error => assert.fail(error),
): Stream<{ readonly id: string }> => ({
  ...{ id: 1, protocol: 'delta', client, touch, fail },
  peer: { address: '127.0.0.1:1', port: 'tls' },
});

test('a certificate is renewed at half its life, and sooner by a random part of it', async () => {
  const log = pino({ level: 'silent' });
  const clock = clockOf();
  const certificates = new WorkloadCertificates<{ readonly id: string }>({ clock, log, otherRoots: () => '' });
  certificates.use(first);
  const hour = 3_600_000;
  let touched = 0;
  const client = { id: 'one' };
  await certificates.admit(client, caller(clock.now() + 19 * hour), here);
  certificates.opened(
    streamOf(
      client,
      () => touched++,
      error => assert.fail(error),
    ),
  );
  const made = certificates.of(client)?.own;
  const due = clock.next() / hour;
  assert.ok(due >= 9.6 && due <= 12, `${due}`);
  clock.move(due * hour - 1);
  assert.equal(certificates.of(client)?.own, made);
  clock.move(1);
  await until('the renewal', () => touched === 1);
  assert.notEqual(certificates.of(client)?.own, made);
});

test('who proves itself by a certificate gets none that outlives it', async () => {
  const log = pino({ level: 'silent' });
  const clock = clockOf();
  const certificates = new WorkloadCertificates<{ readonly id: string }>({ clock, log, otherRoots: () => '' });
  certificates.use(first);
  const hour = 3_600_000;
  for (const [proof, most] of [
    ['certificate', hour],
    ['token', 24 * hour],
  ] as const) {
    const client = { id: proof };
    await certificates.admit(client, { ...caller(clock.now() + hour), proof }, here);
    const [secret] = certificates.of(client)?.own.list ?? [];
    const { tls_certificate: pair } = decode(resourceTypes.secret.message, secret?.bytes ?? Buffer.alloc(0));
    const { notAfter } = validityOf(new X509Certificate(pair?.certificate_chain?.inline_bytes ?? ''));
    const left = notAfter - clock.now();
    assert.ok(left <= most && left > most - 2_000, `${proof}: ${left}`);
  }
});
