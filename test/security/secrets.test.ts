import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { rootBundle } from '../../src/security/authority.ts';
import { caSecretData, readCaSecret } from '../../src/security/ca-secret.ts';
import { readCacerts } from '../../src/security/cacerts.ts';
import { pemOf } from '../../src/security/certificate.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { settled } from '../../src/security/rotation.ts';
import { readRotationSecret, rotationSecretData } from '../../src/security/rotation-secret.ts';
import type { SecretData } from '../../src/security/secret-data.ts';
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

const dataOf = (fields: Readonly<Record<string, string>>): SecretData =>
  Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, Buffer.from(text)]));

const root = newCertificate({ subject: '/O=root' });
const signer = newCertificate({ subject: '/O=signer', signer: root });
const below = newCertificate({ subject: '/O=below', signer });

const cacerts = (fields: Readonly<Record<string, string>> = {}, from: Signer = signer): SecretData =>
  dataOf({
    'ca-cert.pem': from.certificate,
    'ca-key.pem': from.key,
    'cert-chain.pem': `${from.certificate}${root.certificate}`,
    'root-cert.pem': root.certificate,
    ...fields,
  });
const istioSecret = (from: Signer): SecretData => dataOf({ 'ca-cert.pem': from.certificate, 'ca-key.pem': from.key });

const pkcs1 = (key: string) => openssl(['rsa', '-in', 'k', '-traditional'], { k: key });
const sec1 = (key: string) => openssl(['ec', '-in', 'k'], { k: key });
const withParameters = (key: string) => `${openssl(['ecparam', '-name', 'prime256v1'])}${sec1(key)}`;
const rsa = newCertificate({ kind: 'rsa:2048' });

for (const [name, made, write] of [
  ['RSA as PKCS#8', rsa, (key: string) => key],
  ['RSA as PKCS#1, as istiod writes it', rsa, pkcs1],
  ['EC as PKCS#8', root, (key: string) => key],
  ['EC as SEC1', root, sec1],
  ['EC as SEC1 behind its parameters', root, withParameters],
] as const)
  test(`istio-ca-secret is taken over as it is: ${name}`, () => {
    const read = readCaSecret(istioSecret({ certificate: made.certificate, key: write(made.key) }), now);
    assert.ok(read.ok, JSON.stringify(read.faults));
    const authority = read.value;
    assert.equal(textOfCertificate(rootBundle(authority)), textOfCertificate(made.certificate));
    assert.deepEqual(authority.intermediates, []);
    const openssls = openssl(['pkey', '-in', 'k'], { k: made.key });
    assert.equal(openssl(['pkey', '-in', 'k'], { k: authority.key.revealPem() }), openssls);
  });

test('what is stored of a root is read back, and openssl finds the key to be that of the certificate', async () => {
  const made = rootAuthority(await makeRoot('cluster.local', now));
  const data = caSecretData(made);
  assert.deepEqual(Object.keys(data), ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'key.pem', 'root-cert.pem']);
  const text = (field: string) => Buffer.from(data[field] ?? []).toString();
  assert.equal(
    openssl(['pkey', '-in', 'k', '-pubout'], { k: text('ca-key.pem') }),
    openssl(['x509', '-in', 'c', '-noout', '-pubkey'], { c: text('ca-cert.pem') }),
  );
  const read = readCaSecret(data, now);
  assert.ok(read.ok);
  assert.equal(rootBundle(read.value), rootBundle(made));
  assert.throws(() => caSecretData({ ...made, intermediates: made.roots }));
});

test('cacerts in istiod’s form, and below two others', () => {
  const read = readCacerts(cacerts(), now);
  assert.ok(read.ok, JSON.stringify(read.faults));
  assert.equal(read.value.intermediates.length, 1, 'a root behind a leaf helps nobody');
  const deep = readCacerts(cacerts({ 'cert-chain.pem': `${below.certificate}${signer.certificate}` }, below), now);
  assert.ok(deep.ok, JSON.stringify(deep.faults));
  assert.equal(deep.value.intermediates.length, 2);
  const withoutItself = readCacerts(cacerts({ 'cert-chain.pem': signer.certificate }, below), now);
  assert.ok(withoutItself.ok);
  assert.equal(withoutItself.value.intermediates.length, 2, 'the signer is sent where the chain leaves it out, too');
});

test('cacerts of type kubernetes.io/tls, as cert-manager writes it', () => {
  const read = readCacerts(
    dataOf({
      'tls.crt': `${below.certificate}${signer.certificate}`,
      'tls.key': below.key,
      'ca.crt': root.certificate,
    }),
    now,
  );
  assert.ok(read.ok, JSON.stringify(read.faults));
  assert.equal(read.value.intermediates.length, 2);
});

test('a root of X.509 version 1 is trusted, as by Go and OpenSSL, and signs only there', () => {
  const key = newKey('rsa:2048');
  const old = {
    key,
    certificate: openssl(['x509', '-req', '-in', 'csr', '-signkey', 'k'], { csr: newCsr(key, '', '/O=old'), k: key }),
  };
  assert.match(textOfCertificate(old.certificate), /Version: 1 /);
  const below = newCertificate({ subject: '/O=below', signer: old });
  const read = readCacerts(cacerts({ 'root-cert.pem': old.certificate, 'cert-chain.pem': '' }, below), now);
  assert.ok(read.ok, JSON.stringify(read.faults));
  const own = readCaSecret(istioSecret(old), now);
  assert.ok(!own.ok, 'it cannot say that it is a CA, and istiod would not sign with it');
});

test('several roots are given to proxies, but for those that have expired', () => {
  const second = newCertificate({ subject: '/O=second' });
  const expired = newCertificate({ subject: '/O=old', days: -1 });
  const both = readCacerts(cacerts({ 'root-cert.pem': `${second.certificate}${root.certificate}` }), now);
  assert.ok(both.ok);
  assert.equal(both.value.roots.length, 2);
  assert.deepEqual(both.faults, []);
  const read = readCacerts(cacerts({ 'root-cert.pem': `${expired.certificate}${root.certificate}` }), now);
  assert.ok(read.ok);
  assert.equal(read.value.roots.length, 1);
  assert.match(
    read.faults.map(f => `${f.severity} ${f.field} ${f.message}`).join(),
    /^warning root-cert.pem the root O=old .* expired/,
  );
});

const otherKey = newKey('P-256');
const notCa = newCertificate({ subject: '/O=leaf', signer: root, extensions: ['basicConstraints=CA:FALSE'] });
const noSign = newCertificate({
  signer: root,
  extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,digitalSignature'],
});
const short = newCertificate({ kind: 'rsa:1024' });
const noRoom = newCertificate({
  subject: '/O=narrow',
  signer: root,
  extensions: [...caExtensions.slice(1), 'basicConstraints=critical,CA:TRUE,pathlen:0'],
});
const belowNarrow = newCertificate({ subject: '/O=below narrow', signer: noRoom });
const stranger = newCertificate({ subject: '/O=root' });
const edwards = newCertificate({ key: newKey('ed25519') });

for (const [name, data, field, words] of [
  [
    'another key',
    cacerts({ 'ca-key.pem': otherKey }),
    'ca-key.pem',
    /is not the key of the certificate in ca-cert.pem/,
  ],
  ['no CA', cacerts({}, notCa), 'ca-cert.pem', /is no CA/],
  ['may not sign', cacerts({}, noSign), 'ca-cert.pem', /keyCertSign/],
  ['expired', cacerts({}, newCertificate({ signer: root, days: -1 })), 'ca-cert.pem', /expired at \d{4}-/],
  ['missing chain', cacerts({ 'cert-chain.pem': '' }, below), 'cert-chain.pem', /does not lead to a root/],
  [
    'chain of others',
    cacerts({ 'cert-chain.pem': notCa.certificate }, below),
    'root-cert.pem',
    /does not lead to a root/,
  ],
  ['a root of the same name', cacerts({ 'root-cert.pem': stranger.certificate }), 'root-cert.pem', /does not lead/],
  [
    'more CAs than its root allows',
    cacerts({ 'cert-chain.pem': `${belowNarrow.certificate}${noRoom.certificate}` }, belowNarrow),
    'root-cert.pem',
    /does not lead/,
  ],
  [
    'an intermediate that has expired',
    cacerts({ 'cert-chain.pem': newCertificate({ subject: '/O=signer', signer: root, days: -1 }).certificate }, below),
    'root-cert.pem',
    /O=signer \([0-9A-Fa-f]+\) expired at/,
  ],
  [
    'only expired roots',
    cacerts({ 'root-cert.pem': newCertificate({ days: -1 }).certificate }),
    'root-cert.pem',
    /lead/,
  ],
  ['no roots', cacerts({ 'root-cert.pem': '' }), 'root-cert.pem', /is missing or empty/],
  ['garbage for a certificate', cacerts({ 'ca-cert.pem': 'garbage' }), 'ca-cert.pem', /expected certificates in PEM/],
  [
    'a damaged certificate',
    cacerts({ 'ca-cert.pem': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }),
    'ca-cert.pem',
    /certificate 1 of 1 cannot be read/,
  ],
  ['garbage for a key', cacerts({ 'ca-key.pem': 'garbage' }), 'ca-key.pem', /expected a private key in PEM/],
  [
    'a damaged key',
    cacerts({ 'ca-key.pem': '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n' }),
    'ca-key.pem',
    /cannot be read/,
  ],
  [
    'an encrypted key',
    cacerts({ 'ca-key.pem': openssl(['pkcs8', '-topk8', '-in', 'k', '-passout', 'pass:secret'], { k: signer.key }) }),
    'ca-key.pem',
    /is encrypted/,
  ],
  ['a certificate for a key', cacerts({ 'ca-key.pem': signer.certificate }), 'ca-key.pem', /expected a private key/],
  ['a short RSA key', istioSecret(short), 'ca-key.pem', /1024 bits is too short, at least 2048/],
  ['Ed25519', istioSecret(edwards), 'ca-key.pem', /expected an RSA or an EC key, found ed25519/],
  ['an empty Secret', dataOf({}), 'ca-cert.pem', /is missing/],
] as const)
  test(`an authority that cannot be used says why, and no key: ${name}`, () => {
    const read = 'root-cert.pem' in data ? readCacerts(data, now) : readCaSecret(data, now);
    assert.ok(!read.ok, 'it is refused');
    const fault = read.faults.find(f => f.field === field && words.test(f.message));
    assert.ok(fault, JSON.stringify(read.faults));
    assert.equal(fault.severity, 'error');
    for (const shown of [inspect(read, { depth: 9 }), JSON.stringify(read)]) assert.doesNotMatch(shown, /MIG|MII|MHc/);
  });

/** `cacerts` in the form of kubernetes.io/tls. */
const tlsCacerts = (fields: Readonly<Record<string, string>> = {}, from: Signer = signer): SecretData =>
  dataOf({ 'tls.crt': from.certificate, 'tls.key': from.key, 'ca.crt': root.certificate, ...fields });

for (const [name, data, field, words] of [
  ['another key', tlsCacerts({ 'tls.key': otherKey }), 'tls.key', /is not the key of the certificate in tls.crt/],
  ['an empty key', tlsCacerts({ 'tls.key': '' }), 'tls.key', /missing|expected a private key/],
  ['an empty certificate', tlsCacerts({ 'tls.crt': '' }), 'tls.crt', /missing or empty/],
  ['no CA', tlsCacerts({}, notCa), 'tls.crt', /is no CA/],
  ['expired', tlsCacerts({}, newCertificate({ signer: root, days: -1 })), 'tls.crt', /expired at \d{4}-/],
  ['missing chain', tlsCacerts({}, below), 'ca.crt', /does not lead to a root/],
  ['a stranger for a root', tlsCacerts({ 'ca.crt': stranger.certificate }), 'ca.crt', /does not lead to a root/],
  ['garbage', tlsCacerts({ 'ca.crt': 'garbage' }), 'ca.crt', /expected certificates in PEM/],
  ['only its certificate', dataOf({ 'tls.crt': signer.certificate }), 'tls.key', /is missing/],
] as const)
  test(`cacerts of type kubernetes.io/tls that cannot be used says why: ${name}`, () => {
    const read = readCacerts(data, now);
    assert.ok(!read.ok, 'it is refused');
    assert.ok(
      read.faults.some(fault => fault.field === field && words.test(fault.message)),
      JSON.stringify(read.faults),
    );
  });

for (const field of ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'])
  test(`cacerts without ${field} is refused, as by istiod`, () => {
    const { [field]: _, ...rest } = cacerts();
    const read = readCacerts(rest, now);
    assert.ok(!read.ok);
    assert.deepEqual(
      read.faults.map(f => f.field),
      [field],
    );
  });

test('a certificate that is not valid yet says so', () => {
  const read = readCaSecret(istioSecret(root), Date.now() - 86_400_000);
  assert.ok(!read.ok);
  assert.match(read.faults[0]?.message ?? '', /is not valid before \d{4}-\d\d-\d\dT/);
});

const deep = readCacerts(cacerts({ 'cert-chain.pem': `${below.certificate}${signer.certificate}` }, below), now);
assert.ok(deep.ok);
const inForce = { rotation: { ...settled(deep.value, now), generation: 3 }, source: 'cacerts', isMade: false } as const;

test('what is in force is read back as it was written, intermediates and all', () => {
  const read = readRotationSecret(rotationSecretData(inForce), now);
  assert.ok(read.ok, JSON.stringify(read.faults));
  const { signer: back } = read.value.rotation;
  assert.equal(pemOf(back.intermediates), pemOf(deep.value.intermediates));
  assert.equal(rootBundle(back), rootBundle(deep.value));
  assert.deepEqual([read.value.rotation.generation, read.value.source], [3, 'cacerts']);
});

for (const [name, field, text, words] of [
  ['no JSON', 'rotation.json', '{', /expected \{"step"/],
  ['no numbers', 'rotation.json', '{"step":"sign","generation":"1","since":2,"source":"cacerts"}', /expected \{"step"/],
  ['no source', 'rotation.json', '{"step":"settled","generation":1,"since":2}', /expected \{"step"/],
  [
    'another step',
    'rotation.json',
    `{"step":"sign","generation":1,"since":${now},"source":"cacerts"}`,
    /its step is sign, .* settled/,
  ],
  ['another key', 'ca-key.pem', otherKey, /is not the key/],
  ['a next root without its key', 'next-ca-cert.pem', root.certificate, /expected a private key|missing/],
  ['damaged earlier roots', 'earlier-root-cert.pem', 'garbage', /expected certificates/],
] as const)
  test(`a rotation that cannot be read back is never guessed: ${name}`, () => {
    const data = rotationSecretData(inForce);
    const read = readRotationSecret({ ...data, ...dataOf({ [field]: text }) }, now);
    assert.ok(!read.ok);
    assert.match(read.faults.map(fault => fault.message).join(), words);
    for (const shown of [inspect(read, { depth: 9 }), JSON.stringify(read)]) assert.doesNotMatch(shown, /MIG|MHc/);
  });
