import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { connect as connectNet } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { noApiServer } from '../kubernetes/api-server.ts';
import { TcpProxy } from '../kubernetes/tcp-proxy.ts';
import { newCertificate, newCsr, newKey, openssl, type Signer } from '../security/openssl.ts';
import { serviceAccountToken } from '../support/service-account-token.ts';
import { until } from '../support/until.ts';
import { Cluster, Secured, type Shown } from './secured.ts';

const DAY = 86_400;
const uri = 'spiffe://cluster.local/ns/default/sa/app';
const idOf = (pod: string, namespace = 'default') =>
  `sidecar~10.0.0.1~${pod}.${namespace}~${namespace}.svc.cluster.local`;
const both = ['basicConstraints=critical,CA:FALSE', 'extendedKeyUsage=serverAuth,clientAuth'];

/** istiod's answers. The lab's was asked the same: it differs where this one is said to, in bounds, Ed25519 and a token of another pod. */
const unknown = [status.UNAUTHENTICATED, /^authentication failure$/] as const;
const denied = [status.PERMISSION_DENIED, /^authorization failed/] as const;
const cut = [status.UNAVAILABLE, /./] as const;
const reset = [status.INTERNAL, /RST_STREAM/] as const;
const served = [status.OK, /^$/] as const;

type Answer = readonly [code: number, details: RegExp];

describe('who is not let in, with a real API server', { skip: noApiServer, timeout: 3_600_000 }, () => {
  let cluster: Cluster;
  let network: TcpProxy;
  let secured: Secured;
  let token: string;
  let elsewhere: string;
  let ca: Signer;
  const key = newKey('P-256');

  /** How many TokenReviews the API server has been asked for. */
  async function reviews(): Promise<number> {
    const response = await cluster.client.open('/metrics');
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return [...text.matchAll(/^apiserver_request_total\{[^}]*resource="tokenreviews"[^}]*\} (\d+)/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  }

  /** What comes of a stream that asks for clusters. */
  async function answerTo(shown: Shown, id = idOf('app-1'), metadata = {}): Promise<{ code: number; details: string }> {
    const ads = secured.stream(shown, id, metadata);
    ads.subscribe('cluster');
    const ok = ads.next('cluster').then(() => ({ code: status.OK, details: '' }));
    const answer = await Promise.race([ok, ads.ended]);
    ok.catch(() => {});
    ads.close();
    return answer;
  }

  const leaf = (
    names: string,
    { signer = ca, days = 1 }: { signer?: Signer | undefined; days?: number } = {},
  ): Shown => {
    const extensions = names ? [...both, `subjectAltName=critical,${names}`] : both;
    const { certificate } = newCertificate({ subject: '/', extensions, days, key, signer });
    return { pair: [key, certificate] };
  };
  const selfSigned = (names: string): Shown => {
    const made = newCertificate({ subject: '/', extensions: [...both, `subjectAltName=${names}`], days: 1, key });
    return { pair: [key, made.certificate] };
  };

  before(async () => {
    cluster = await Cluster.start();
    network = await TcpProxy.start(cluster.api.port);
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } });
    for (const namespace of ['default', 'other']) {
      await cluster.account('app', namespace);
      for (const pod of ['app-1', 'app-2']) await cluster.pod(pod, 'app', namespace);
    }
    secured = await Secured.start(cluster, await cluster.kubeconfig(network.port));
    token = await cluster.token({ account: 'app', pod: 'app-1' });
    elsewhere = await cluster.token({ namespace: 'other', account: 'app', pod: 'app-1' });
    const names = { namespace: 'istio-system', name: 'istio-ca-secret' };
    const secret = await cluster.admin.get({ apiVersion: 'v1', plural: 'secrets' }, names);
    const data = secret?.['data'] as Record<string, string>;
    const text = (field: string) => Buffer.from(data[field] ?? '', 'base64').toString();
    const privateKey = createPrivateKey(text('ca-key.pem')).export({ type: 'pkcs8', format: 'pem' });
    ca = { certificate: text('ca-cert.pem'), key: `${privateKey}` };
  });
  after(async () => {
    await secured?.stop();
    network?.close();
    await cluster?.close();
  });

  /** The token with a byte of its signature changed. */
  const forged = (of: string, n = 0): string => {
    const [head, claims, signature = ''] = of.split('.');
    const bytes = Buffer.from(signature, 'base64url');
    bytes.writeUInt32BE(n, 8);
    return `${head}.${claims}.${bytes.toString('base64url')}`;
  };
  const unsigned = (of: string): string => {
    const [, claims] = of.split('.');
    return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${claims}.`;
  };
  const expired = (): string => {
    const account = { namespace: 'default', name: 'app', uid: 'x' };
    return serviceAccountToken(cluster.api.serviceAccountKey, account, -2 * DAY, -DAY, 'istio-ca');
  };

  const streams: readonly (readonly [string, () => Shown | Promise<Shown>, Answer, id?: string, metadata?: object])[] =
    [
      ['its token', () => ({ token }), served],
      ['the same token from another place at the same time', () => ({ token }), served],
      ['a certificate of the mesh', () => leaf(`URI:${uri}`), served],
      ['nothing', () => ({}), unknown],
      ['an expired token', () => ({ token: expired() }), unknown],
      [
        "a token for the API server's audience",
        async () => ({ token: await cluster.token({ account: 'app', audience: 'https://kubernetes.default.svc' }) }),
        unknown,
      ],
      [
        'a token for another audience',
        async () => ({ token: await cluster.token({ account: 'app', audience: 'vault' }) }),
        unknown,
      ],
      ['a forged signature', () => ({ token: forged(token) }), unknown],
      ['no signature', () => ({ token: unsigned(token) }), unknown],
      ['a token that is none', () => ({ token: 'x' }), unknown],
      ["a user's token", () => ({ token: 'admintoken' }), unknown],
      ['a token of 10 kB', () => ({ token: `${token}${'x'.repeat(10_000)}` }), unknown],
      ['a token of 40 kB', () => ({ token: `${token}${'x'.repeat(40_000)}` }), unknown],
      // istiod reads it, and does not know it; here it is more than a call may have of headers.
      ['a token of 1 MB', () => ({ token: 'x'.repeat(1 << 20) }), reset],
      ["another namespace's token", () => ({ token: elsewhere }), denied],
      ["another pod's token of the same account", () => ({ token }), denied, idOf('app-2')],
      ['a forged node id', () => ({ token }), denied, idOf('app-1', 'other')],
      ['a forged NAMESPACE', () => ({ token }), denied, idOf('app-1'), { NAMESPACE: 'other' }],
      ['a forged SERVICE_ACCOUNT', () => ({ token }), denied, idOf('app-1'), { SERVICE_ACCOUNT: 'admin' }],
      ['a forged node id, by certificate', () => leaf(`URI:${uri}`), denied, idOf('app-1', 'other')],
      ['a self-made certificate of the right name', () => selfSigned(`URI:${uri}`), cut],
      ['the same beside a token', () => ({ ...selfSigned(`URI:${uri}`), token }), cut],
      ['a certificate of another trust domain', () => leaf('URI:spiffe://evil.com/ns/default/sa/app'), cut],
      ['a certificate with two URIs', () => leaf(`URI:${uri},URI:spiffe://cluster.local/ns/a/sa/b`), cut],
      ['a certificate without a URI', () => leaf('DNS:app.default.svc'), cut],
      ['a certificate without a name', () => leaf(''), cut],
      ['a URI that is no SPIFFE id', () => leaf('URI:https://cluster.local/ns/default/sa/app'), cut],
      ['an expired certificate', () => leaf(`URI:${uri}`, { days: -1 }), cut],
    ];
  for (const [name, shown, [code, details], id, metadata] of streams)
    test(`a stream with ${name}: code ${code}`, async () => {
      const answer = await answerTo(await shown(), id, metadata);
      assert.equal(answer.code, code, answer.details);
      assert.match(answer.details, details);
    });

  test("a deleted pod's token", async () => {
    await cluster.pod('gone', 'app');
    const gone = await cluster.token({ account: 'app', pod: 'gone' });
    await cluster.client.json('/api/v1/namespaces/default/pods/gone', {
      method: 'DELETE',
      query: { gracePeriodSeconds: '0' },
    });
    assert.equal((await answerTo({ token: gone }, idOf('gone'))).code, status.UNAUTHENTICATED);
    await until('the log to say why', () => secured.pilotlight.said(/token review: .*a proxy was refused/).length > 0);
  });

  const ok = /^$/;
  const refusal = /^CSR signing error \(/;
  const csr = (): string =>
    newCsr(key, 'URI:spiffe://cluster.local/ns/istio-system/sa/istiod,DNS:istiod.istio-system.svc');
  const der = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
  const pemOf = (bytes: Buffer): string =>
    `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  const broken = (): string => {
    const bytes = der(csr());
    bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
    return pemOf(bytes);
  };
  const impersonating = { fields: { ImpersonatedIdentity: { string_value: 'spiffe://cluster.local/ns/a/sa/b' } } };
  const requests: readonly (readonly [
    string,
    () => string,
    code: number,
    details: RegExp,
    more?: object,
    shown?: 'nobody' | 'expired',
  ])[] = [
    ['foreign names', csr, status.OK, ok],
    ['a broken signature', broken, status.INVALID_ARGUMENT, refusal],
    ['an RSA-512 key', () => newCsr(newKey('rsa:512')), status.INVALID_ARGUMENT, refusal],
    ['an Ed25519 key', () => newCsr(newKey('ed25519')), status.INVALID_ARGUMENT, refusal],
    ['no PEM', () => 'x', status.INVALID_ARGUMENT, refusal],
    ['trailing data', () => pemOf(Buffer.concat([der(csr()), Buffer.from('x')])), status.INVALID_ARGUMENT, refusal],
    ['100 kB', () => csr() + 'x'.repeat(100_000), status.RESOURCE_EXHAUSTED, /csr-bytes/],
    ['1 MB', () => csr() + 'x'.repeat(1 << 20), status.RESOURCE_EXHAUSTED, /first-request-bytes/],
    [
      'a life of ten years',
      csr,
      status.INVALID_ARGUMENT,
      /greater than the max allowed TTL/,
      { validity_duration: `${3_650 * DAY}` },
    ],
    ['a life of 0', csr, status.OK, ok, { validity_duration: '0' }],
    ['a negative life', csr, status.OK, ok, { validity_duration: '-1' }],
    // Go's multiplication makes it less than nothing.
    ['a life beyond all numbers', csr, status.OK, ok, { validity_duration: '9223372036854775807' }],
    [
      "another's identity",
      csr,
      status.UNAUTHENTICATED,
      /^request impersonation authentication failure$/,
      { metadata: impersonating },
    ],
    ['no token', csr, status.UNAUTHENTICATED, /^request authenticate failure$/, {}, 'nobody'],
    ['an expired token', csr, status.UNAUTHENTICATED, /^request authenticate failure$/, {}, 'expired'],
  ];
  for (const [name, text, code, details, more = {}, shown] of requests)
    test(`a request to sign with ${name}: code ${code}`, async () => {
      const by = shown === 'nobody' ? undefined : shown === 'expired' ? expired() : token;
      const [chain, error] = await secured.sign(by, { csr: text(), ...more }).then(
        signed => [signed, { code: status.OK, details: '' }] as const,
        (failure: { code: number; details: string }) => [[], failure] as const,
      );
      assert.equal(error.code, code, error.details);
      assert.match(error.details, details);
      if (code !== status.OK) return;
      const shownText = openssl(['x509', '-in', 'leaf.pem', '-noout', '-text'], { 'leaf.pem': chain[0] ?? '' });
      assert.match(shownText, new RegExp(`URI:${uri}\\n`), 'the identity of the caller, not of the CSR');
      assert.doesNotMatch(shownText, /istiod/);
      openssl(['x509', '-in', 'leaf.pem', '-noout', '-checkend', `${DAY - 600}`], { 'leaf.pem': chain[0] ?? '' });
      assert.throws(() =>
        openssl(['x509', '-in', 'leaf.pem', '-noout', '-checkend', `${DAY + 600}`], { 'leaf.pem': chain[0] ?? '' }),
      );
    });

  /** A TLS client by hand; how far it comes: `cut`, or what it did. */
  function handshake(options: ConnectionOptions, then?: (socket: TLSSocket, done: (what: string) => void) => void) {
    const [host = '', port] = secured.address.split(':');
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect({
      host,
      port: Number(port),
      rejectUnauthorized: false,
      servername: 'istiod.istio-system.svc',
      ALPNProtocols: ['h2'],
      ...options,
    });
    socket.once('error', error => resolve(`cut: ${'code' in error ? error.code : error.message}`));
    socket.once('close', () => resolve('cut'));
    socket.once('secureConnect', () => then?.(socket, resolve));
    // Whoever is let in is sent HTTP/2's settings.
    if (!then) socket.once('data', () => resolve('served'));
    return promise.finally(() => socket.destroy());
  }
  const legacy = 'DEFAULT@SECLEVEL=0';
  for (const [name, options, expected] of [
    ['TLS 1.3', { minVersion: 'TLSv1.3' }, /^served/],
    ['TLS 1.2', { maxVersion: 'TLSv1.2' }, /^served/],
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: legacy }, /^cut/],
    ['TLS 1.0', { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: legacy }, /^cut/],
    ['another protocol', { ALPNProtocols: ['http/1.1'] }, /^cut/],
    ['no protocol', { ALPNProtocols: [] }, /^cut/],
  ] as const)
    test(`a handshake with ${name}: ${expected.source}`, async () =>
      assert.match(
        await handshake({
          ...options,
          ...('ALPNProtocols' in options && { ALPNProtocols: [...options.ALPNProtocols] }),
        }),
        expected,
      ));

  test('nothing is negotiated anew, and no session resumed', async () => {
    const anew = await handshake({ maxVersion: 'TLSv1.2' }, (socket, done) =>
      socket.once('data', () => socket.renegotiate({}, error => done(error ? 'refused' : 'negotiated'))),
    );
    assert.match(anew, /refused|cut/);
    let session: Buffer | undefined;
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { minVersion: version, maxVersion: version };
      await handshake(options, (socket, done) => {
        session = socket.getSession();
        socket.on('session', made => {
          session = made;
        });
        socket.once('data', () => done('served'));
      });
      const resumed = await handshake({ ...options, ...(session && { session }) }, (socket, done) =>
        done(`resumed: ${socket.isSessionReused()}`),
      );
      assert.equal(resumed, 'resumed: false');
    }
  });

  test('a token is reviewed once, however many come with it, and forged ones keep nobody out', async () => {
    const fresh = await Promise.all(
      ['app-1', 'app-2'].map(pod => cluster.token({ account: 'app', pod, namespace: 'other' })),
    );
    const before = await reviews();
    const began = performance.now();
    const good = Array.from({ length: 60 }, (_, n) =>
      answerTo({ token: fresh[n % 2] }, idOf(`app-${1 + (n % 2)}`, 'other')),
    );
    const bad = Array.from({ length: 40 }, (_, n) => answerTo({ token: forged(token, n % 20) }));
    for (const { code, details } of await Promise.all(good)) assert.equal(code, status.OK, details);
    for (const { code } of await Promise.all(bad)) assert.equal(code, status.UNAUTHENTICATED);
    const made = (await reviews()) - before;
    // Who is known is so for a minute, and who is not for 5 s: a slow machine takes longer to ask for them all.
    const times = (life: number): number => 1 + Math.floor((performance.now() - began) / life);
    assert.ok(made >= 2 && made <= 2 * times(60_000) + 20 * times(5_000), `${made} reviews`);
  });

  test('an API server that does not answer lets nobody in, and keeps nobody else waiting', async () => {
    const certificate = leaf(`URI:${uri}`);
    const fresh = await cluster.token({ account: 'app', pod: 'app-2' });
    const known = await cluster.token({ account: 'app', pod: 'app-1' });
    const open = secured.stream({ token: known }, idOf('app-1'));
    open.subscribe('cluster');
    await open.next('cluster');
    network.hang();
    const waits = answerTo({ token: fresh }, idOf('app-2'));
    assert.equal((await answerTo({ token: known })).code, status.OK, 'what is known of a token is known');
    assert.equal((await answerTo(certificate)).code, status.OK);
    open.subscribe('listener');
    await open.next('listener');
    const answer = await waits;
    assert.equal(answer.code, status.UNAUTHENTICATED);
    assert.match(answer.details, /^authentication failure$/);
    network.mend();
    network.cut();
    network.mend();
    await until(
      'the API server again',
      async () => (await answerTo({ token: fresh }, idOf('app-2'))).code === status.OK,
    );
  });

  test('what is no TLS, and what never ends its handshake, is cut off alone', async () => {
    const [host = '', port] = secured.address.split(':');
    const socket = connectNet({ host, port: Number(port) });
    const gone = new Promise(resolve => socket.once('close', resolve));
    socket.on('error', () => {}).resume();
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await gone;
    assert.equal((await answerTo({ token })).code, status.OK);
    assert.equal(secured.pilotlight.said(new RegExp(token.split('.')[2] ?? 'x')).length, 0, 'no token is in the log');
  });
});
