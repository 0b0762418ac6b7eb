import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createLocalJWKSet, decodeJwt } from 'jose';
import { bounds } from '../../src/bounds.ts';
import { systemClock } from '../../src/clock.ts';
import { status } from '../../src/grpc/status.ts';
import { parseSpiffeId } from '../../src/istio/spiffe.ts';
import { type Authenticator, authenticate, type Caller, type Peer } from '../../src/security/authenticate.ts';
import { clientCertificates, verifyClientCertificate } from '../../src/security/client-certificate.ts';
import { type ClaimedNode, checkNode } from '../../src/security/node-check.ts';
import { issuedTokens } from '../../src/security/oidc.ts';
import { PrivateKey } from '../../src/security/private-key.ts';
import { ProofCache } from '../../src/security/proof-cache.ts';
import { rootAuthority } from '../../src/security/root.ts';
import { signRequest } from '../../src/security/sign-request.ts';
import { tokenReviews } from '../../src/security/token-review.ts';
import { Issuer, type TokenWish } from './issuer.ts';
import {
  caExtensions,
  newCertificate,
  newCsr,
  newKey,
  now,
  openssl,
  type Signer,
  textOfCertificate,
} from './openssl.ts';

const DAY = 24 * 3_600;
const identity = 'spiffe://cluster.local/ns/default/sa/bookinfo';

/** A root that openssl made, so that it can sign what no control plane would. */
const root = newCertificate();
const rootCertificate = new X509Certificate(root.certificate);
const key = PrivateKey.read(root.key);
assert.ok(key instanceof PrivateKey);
const authority = rootAuthority({ certificate: rootCertificate, key });
const roots = new Map([['cluster.local', [rootCertificate]]]);

const both = 'extendedKeyUsage=serverAuth,clientAuth';
const leaf = (names: string, signer: Signer | 'itself' = root, more: readonly string[] = [both], days = 1): Signer =>
  newCertificate({
    subject: '/',
    extensions: ['basicConstraints=critical,CA:FALSE', ...(names ? [`subjectAltName=${names}`] : []), ...more],
    days,
    ...(signer !== 'itself' && { signer }),
  });
const p256 = newKey('P-256');
const good = leaf(`URI:${identity}`);
const otherRoot = newCertificate();

const issuer = await Issuer.make();
const rule = {
  issuer: 'https://issuer.example.com',
  audiences: ['istio-ca'],
  keys: createLocalJWKSet({ keys: [await issuer.jwk] }),
};

const review: Authenticator = tokenReviews({
  review: (token, audiences) => issuer.review(token, audiences),
  audiences: ['istio-ca'],
  trustDomain: () => 'cluster.local',
  clusterIds: new Set(['Kubernetes']),
  cache: new ProofCache(systemClock),
  clock: systemClock,
});
const byCertificate = clientCertificates(() => roots, { ...systemClock, now: () => now });
const byIssuer = issuedTokens(rule, () => 'cluster.local', systemClock);

const peer = (parts: Partial<Peer>): Peer => ({ certificates: [], authorization: [], clusterId: '', ...parts });
const withToken = (token: string, clusterId = ''): Peer => peer({ authorization: [`Bearer ${token}`], clusterId });
const known = async (authenticators: readonly Authenticator[], from: Peer): Promise<Caller> => {
  const answer = await authenticate(authenticators, from, 'authentication failure');
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer.caller;
};

test('what is right is let in: the attacks below are refused for what is wrong with them', async () => {
  const chain = [new X509Certificate(good.certificate)];
  const certain = await known([byCertificate], peer({ certificates: chain }));
  assert.deepEqual([certain.proof, certain.identity.uri], ['certificate', identity]);
  const middle = newCertificate({ subject: '/O=middle', signer: root });
  const deep = [leaf(`URI:${identity}`, middle), middle].map(({ certificate }) => new X509Certificate(certificate));
  assert.equal((await known([byCertificate], peer({ certificates: deep }))).identity.uri, identity);
  for (const authenticator of [review, byIssuer]) {
    const token = await issuer.token();
    const caller = await known([byCertificate, authenticator], withToken(token, 'Kubernetes'));
    assert.equal(caller.identity.uri, identity);
    assert.deepEqual(caller.pod, { name: 'bookinfo-1', uid: 'uid-of-bookinfo-1' });
    assert.equal(caller.expiresAt, 1_000 * (decodeJwt(token).exp ?? 0));
    assert.ok(checkNode(caller, { namespace: 'default', serviceAccount: 'bookinfo', pod: 'bookinfo-1' }).ok);
    assert.ok(checkNode(caller, { namespace: '', serviceAccount: '', pod: 'bookinfo-1' }).ok);
  }
});

/** A certificate below a leaf that poses as a CA. */
const belowLeaf = leaf(`URI:${identity}`, good);
const otherTd = 'spiffe://other.example/ns/default/sa/bookinfo';

for (const [name, certificates, reason] of [
  ['self-made with the right SPIFFE id', [leaf(`URI:${identity}`, otherRoot), otherRoot], /does not lead to a root/],
  ['its own root', [leaf(`URI:${identity}`, 'itself')], /does not lead to a root/],
  ['of another trust domain', [leaf(`URI:${otherTd}`)], /no cert pool found for trust domain other.example/],
  ['two URI SANs', [leaf(`URI:${identity},URI:spiffe://cluster.local/ns/x/sa/y`)], /1 URI type SAN, detected 2/],
  ['the same URI SAN twice', [leaf(`URI:${identity},URI:${identity}`)], /1 URI type SAN, detected 2/],
  ['only a DNS name', [leaf('DNS:istiod.istio-system.svc')], /1 URI type SAN, detected 0/],
  ['no name', [leaf('')], /1 URI type SAN, detected 0/],
  ['a URI that is no service account', [leaf('URI:spiffe://cluster.local/admin')], /is no SPIFFE id/],
  ['a path too long', [leaf(`URI:${identity}/more`)], /is no SPIFFE id/],
  ['expired', [leaf(`URI:${identity}`, root, [both], -1)], /expired at/],
  ['for servers alone', [leaf(`URI:${identity}`, root, ['extendedKeyUsage=serverAuth'])], /extendedKeyUsage/],
  ['signed by a workload', [belowLeaf, good], /does not lead to a root/],
  ['below a certificate that is too old to say whether it is a CA', underOldVersion(), /does not lead to a root/],
  ['below an expired CA', underExpired(), /does not lead to a root/],
  ['without its intermediate', [leaf(`URI:${identity}`, newCertificate({ subject: '/O=m', signer: root }))], /lead/],
  ['hundreds of certificates', [good, ...Array.from({ length: 200 }, () => otherRoot)], /201 certificates were sent/],
] as const)
  test(`client certificate: ${name}: it is no proof, and Unauthenticated`, async () => {
    const chain = certificates.map(({ certificate }) => new X509Certificate(certificate));
    const proof = verifyClientCertificate(chain, roots, now);
    assert.ok(!proof.ok);
    assert.match(proof.reason, reason);
    const answer = await authenticate([byCertificate], peer({ certificates: chain }), 'authentication failure');
    assert.ok(!answer.ok);
    assert.deepEqual([answer.code, answer.message], [status.UNAUTHENTICATED, 'authentication failure']);
    assert.match(answer.reason, reason);
  });

function underOldVersion(): readonly Signer[] {
  const files = { csr: newCsr(p256, '', '/O=middle'), ca: root.certificate, key: root.key };
  const args = ['x509', '-req', '-in', 'csr', '-CA', 'ca', '-CAkey', 'key', '-CAcreateserial'];
  const middle = { certificate: openssl(args, files), key: p256 };
  assert.match(textOfCertificate(middle.certificate), /Version: 1 /);
  return [leaf(`URI:${identity}`, middle), middle];
}

function underExpired(): readonly Signer[] {
  const middle = newCertificate({ subject: '/O=middle', signer: root, days: -1 });
  return [leaf(`URI:${identity}`, middle), middle];
}

const wrong = await Issuer.make();
const unsigned = (claims: object): string => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part(claims)}.`;
};
const claims = { sub: 'system:serviceaccount:default:bookinfo', aud: ['istio-ca'], exp: now / 1_000 + 3_600 };

for (const [name, from, reason, reviews] of [
  ['none', peer({}), /no bearer token/, 0],
  ['another scheme', peer({ authorization: ['Basic Og=='] }), /no bearer token/, 0],
  ['empty', withToken(''), /no JWT/, 0],
  ['garbage', withToken('garbage'), /no JWT/, 0],
  ['garbage with dots', withToken('a.b.c'), /no JWT/, 0],
  ['expired', withToken(await issuer.token({ expires: -300 })), /has expired/, 0],
  ['expired just now', withToken(await issuer.token({ expires: -30 })), /invalid bearer token/, 1],
  ['of another audience', withToken(await issuer.token({ audience: 'vault' })), /is for vault, not for istio-ca/, 0],
  ['of no audience', withToken(await issuer.token({ audience: [] })), /nobody in particular/, 0],
  ["a deleted pod's", withToken(await issuer.token({ pod: 'gone' })), /has been invalidated/, 1],
  ['signed by another key', withToken(await wrong.token()), /signature verification failed/, 1],
  ['not signed', withToken(unsigned(claims)), /invalid bearer token/, 1],
  ["a user's", withToken(await issuer.token({ claims: { sub: 'admin' } })), /not a service account/, 0],
  ['of another cluster', withToken(await issuer.token(), 'elsewhere'), /cluster "elsewhere"/, 0],
] as const)
  test(`token: ${name}: Unauthenticated after ${reviews} reviews, also the second time`, async () => {
    issuer.reviews = 0;
    for (const unknown of ['authentication failure', 'request authenticate failure'] as const) {
      const answer = await authenticate([byCertificate, review], from, unknown);
      assert.ok(!answer.ok);
      assert.deepEqual([answer.code, answer.message], [status.UNAUTHENTICATED, unknown]);
      assert.match(answer.reason, reason);
      assert.ok(answer.reason.startsWith('client certificate: no client certificate is presented; token review: '));
    }
    assert.equal(issuer.reviews, reviews);
  });

const ofIssuer: readonly (readonly [string, TokenWish, RegExp])[] = [
  ['of another issuer', { issuer: 'https://evil.example.com' }, /unexpected "iss"/],
  ['of another audience', { audience: 'vault' }, /unexpected "aud"/],
  ['expired', { expires: -1 }, /"exp" claim timestamp check failed/],
  ['that never ends', { expires: undefined }, /missing required "exp"/],
  ['of a user', { claims: { sub: 'admin' } }, /invalid sub admin/],
  ['of a name with more parts', { claims: { sub: 'system:serviceaccount:a:b:c' } }, /invalid sub/],
  ['signed by another key', { key: wrong.keys.privateKey }, /signature verification failed/],
  ['signed with HMAC', { key: Buffer.from(JSON.stringify(await issuer.jwk)), alg: 'HS256' }, /"alg"/],
];
for (const [name, wish, reason] of ofIssuer)
  test(`token of an issuer: ${name}: Unauthenticated`, async () => {
    const answer = await authenticate([byIssuer], withToken(await issuer.token(wish)), 'authentication failure');
    assert.ok(!answer.ok);
    assert.equal(answer.code, status.UNAUTHENTICATED);
    assert.match(answer.reason, reason);
  });

test('token of an issuer: a rule without audiences lets nobody in', async () => {
  const open = issuedTokens({ ...rule, audiences: [] }, () => 'cluster.local', systemClock);
  assert.equal((await authenticate([open], withToken(await issuer.token()), 'authentication failure')).ok, false);
});

const caller: Caller = {
  proof: 'token',
  identity: parseSpiffeId(identity) ?? assert.fail(),
  pod: { name: 'bookinfo-1', uid: 'u' },
  expiresAt: now,
};
const own: ClaimedNode = { namespace: 'default', serviceAccount: 'bookinfo', pod: 'bookinfo-1' };
for (const [name, node, message] of [
  ['another namespace', { ...own, namespace: 'istio-system' }, /matched istio-system\/bookinfo$/],
  ['another service account', { ...own, serviceAccount: 'reviews' }, /matched default\/reviews$/],
  ['another pod', { ...own, pod: 'reviews-1' }, /bound to pod bookinfo-1, the node says that it is reviews-1/],
  ['no pod', { ...own, pod: '' }, /no pod/],
] as const)
  test(`a node that claims ${name}: PermissionDenied`, () => {
    const answer = checkNode(caller, node);
    assert.ok(!answer.ok);
    assert.equal(answer.code, status.PERMISSION_DENIED);
    assert.match(answer.message, /^authorization failed: /);
    assert.match(answer.message, message);
  });

const csr = newCsr(p256);

/** A PEM text whose bytes are changed. */
function changed(pem: string, change: (der: Buffer) => void): string {
  const [first = '', ...lines] = pem.trim().split('\n');
  const last = lines.pop() ?? '';
  const der = Buffer.from(lines.join(''), 'base64');
  change(der);
  return `${first}\n${der.toString('base64')}\n${last}\n`;
}
/** The public key of one request beneath the signature of another. */
const withOtherKey = changed(csr, der => {
  const point = (pem: string) =>
    Buffer.from(
      openssl(['pkey', '-in', 'k', '-pubout', '-outform', 'PEM'], { k: pem }).split('\n').slice(1, -2).join(''),
      'base64',
    ).subarray(-65);
  point(newKey('P-256')).copy(der, der.indexOf(point(p256)));
});

for (const [name, text, code, message] of [
  [
    'broken signature',
    changed(csr, der => der.writeUInt8((der.at(-1) ?? 0) ^ 1, der.length - 1)),
    3,
    /its signature is not that of its key/,
  ],
  ['another key in its place', withOtherKey, 3, /its signature is not that of its key/],
  ['RSA-512', newCsr(newKey('rsa:512')), 3, /an RSA key of 512 bits is too short/],
  ['RSA-1024', newCsr(newKey('rsa:1024')), 3, /an RSA key of 1024 bits is too short/],
  ['secp256k1', newCsr(newKey('secp256k1')), 3, /found secp256k1/],
  ['Ed25519', newCsr(newKey('ed25519')), 3, /found ed25519/],
  ['RSA-PSS', newCsr(newKey('rsa:2048'), '', '/', '-sigopt', 'rsa_padding_mode:pss'), 3, /cannot verify signature/],
  ['garbage', 'garbage', 3, /is not properly encoded/],
  ['empty', '', 3, /is not properly encoded/],
  [
    'garbage in PEM',
    '-----BEGIN CERTIFICATE REQUEST-----\ngarbage\n-----END CERTIFICATE REQUEST-----\n',
    3,
    /failed to parse/,
  ],
  ['a certificate', good.certificate, 3, /failed to parse|signature/],
  ['cut off', `${csr.slice(0, 200)}\n-----END CERTIFICATE REQUEST-----\n`, 3, /failed to parse/],
  ['huge', `${csr}${'x'.repeat(1 << 20)}`, 8, /at most 16384 bytes in a certificate signing request \(csr-bytes\)/],
  ['deep', `-----BEGIN C-----\n${Buffer.alloc(9_000, 0x30).toString('base64')}\n-----END C-----`, 3, /failed to parse/],
] as const)
  test(`CSR: ${name}: code ${code}`, async () => {
    const answer = await signRequest(authority, { csr: text, identity, validityDuration: DAY }, now);
    assert.ok(!answer.ok);
    assert.equal(answer.code, code);
    assert.match(answer.message, message);
    if (code === status.INVALID_ARGUMENT) assert.match(answer.message, /^CSR signing error \(/);
  });

for (const [years, message] of [
  [10, 'requested TTL 87600h0m0s is greater than the max allowed TTL 2160h0m0s'],
  [1e9, ''],
] as const)
  test(`CSR: for ${years} years: InvalidArgument`, async () => {
    const answer = await signRequest(authority, { csr, identity, validityDuration: years * 365 * DAY }, now);
    assert.ok(!answer.ok);
    assert.equal(answer.code, status.INVALID_ARGUMENT);
    assert.ok(!message || answer.message === `CSR signing error (${message})`, answer.message);
  });

test('CSR: foreign names, usages and subjects are ignored: the certificate has the identity of its caller alone', async () => {
  const names = 'URI:spiffe://cluster.local/ns/istio-system/sa/istiod,DNS:istiod.istio-system.svc,IP:127.0.0.1';
  const wishes = ['basicConstraints=critical,CA:TRUE', 'keyUsage=keyCertSign', 'extendedKeyUsage=codeSigning'];
  const greedy = newCsr(p256, names, '/O=system:masters/CN=admin', ...wishes.flatMap(wish => ['-addext', wish]));
  const answer = await signRequest(authority, { csr: greedy, identity, validityDuration: DAY }, now);
  assert.ok(answer.ok);
  const text = textOfCertificate(answer.chain[0] ?? '');
  for (const line of [
    /Subject: CN=spiffe:\/\/cluster.local\/ns\/default\/sa\/bookinfo\n/,
    /Subject Alternative Name: critical\s+URI:spiffe:\/\/cluster.local\/ns\/default\/sa\/bookinfo\n/,
    /CA:FALSE/,
    /Key Usage: critical\s+Digital Signature, Key Encipherment\n/,
    /Extended Key Usage: \s+TLS Web Server Authentication, TLS Web Client Authentication\n/,
  ])
    assert.match(text, line);
  assert.doesNotMatch(text, /istiod|masters|admin|127\.0/);
  assert.ok(caExtensions.length && bounds['csr-bytes'].most > greedy.length);
});
