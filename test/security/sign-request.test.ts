import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { status } from '../../src/grpc/status.ts';
import { type CertificateAuthority, readAuthority } from '../../src/security/authority.ts';
import { structureOf } from '../../src/security/certificate.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { certificateChain, goDuration, signRequest } from '../../src/security/sign-request.ts';
import { type KeyKind, newCertificate, newCsr, newKey, type Signer, textOfCertificate, verify } from './openssl.ts';

const DAY = 24 * 3_600;
const now = Date.now();
const identity = 'spiffe://cluster.local/ns/default/sa/bookinfo';
const fixture = (name: string): string => readFileSync(join(import.meta.dirname, 'istiod', name), 'utf8');

/** An authority as a Secret would hold it. */
function authorityOf(certificate: string, key: string, chain = '', roots = certificate): CertificateAuthority {
  const read = readAuthority(
    {
      certificate: { field: 'ca-cert.pem', pem: certificate },
      key: { field: 'ca-key.pem', pem: key },
      chain: { field: 'cert-chain.pem', pem: chain },
      roots: { field: 'root-cert.pem', pem: roots },
    },
    Date.now() + 1_000,
  );
  assert.ok(read.ok, JSON.stringify(read.faults));
  return read.value;
}

async function signed(authority: CertificateAuthority, csr: string, validityDuration = 0, at = now) {
  const answer = await signRequest(authority, { csr, identity, validityDuration }, at);
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer;
}

const ownRoot = rootAuthority(await makeRoot('cluster.local', now));

for (const kind of ['rsa:2048', 'P-256', 'P-384', 'P-521'] as const)
  test(`openssl verifies what is signed for a ${kind} key`, async () => {
    const key = newKey(kind);
    const { chain, roots } = await signed(ownRoot, newCsr(key, `critical,URI:${identity}`));
    assert.equal(chain.length, 1);
    verify(chain[0] ?? '', '', roots);
    assert.ok(new X509Certificate(chain[0] ?? '').toString(), 'node reads it');
  });

for (const kind of ['rsa:2048', 'rsa:3072', 'P-256', 'P-384', 'P-521'] satisfies KeyKind[])
  test(`openssl verifies what a ${kind} authority below another one signs`, async () => {
    const root = newCertificate({ kind, subject: '/O=root' });
    const middle = newCertificate({ kind, subject: '/O=middle', signer: root });
    const signer = newCertificate({ kind, subject: '/O=Ünïted/CN=signer', signer: middle });
    const authority = authorityOf(signer.certificate, signer.key, middle.certificate, root.certificate);
    const issued = await signed(authority, newCsr(newKey('P-256')));
    const all = certificateChain(issued);
    assert.equal(all.length, 4, 'leaf, signer, middle, root');
    verify(all[0] ?? '', `${all[1]}${all[2]}`, all[3] ?? '');
    const [leaf, first] = [new X509Certificate(all[0] ?? ''), new X509Certificate(all[1] ?? '')];
    assert.ok(leaf.verify(first.publicKey));
    // Go compares names byte for byte.
    const name = Buffer.from(structureOf(first).subjectName.toArrayBuffer());
    assert.ok(first.raw.includes(name) && leaf.raw.includes(name), 'the issuer is written as the signer writes itself');
    for (const pem of all) assert.match(pem, /^-----BEGIN CERTIFICATE-----\n[\s\S]*\n-----END CERTIFICATE-----\n$/);
  });

/** What differs from one certificate to the next, and from one signer to the next. */
const ownParts = (text: string): string =>
  text
    .replace(/Serial Number:[\s\S]*?Signature Algorithm: .*\n/, 'Serial Number\n')
    .replace(/Not (Before|After ?): .*/g, 'Not $1')
    .replace(/(Authority Key Identifier: \n) +.*/, '$1');

for (const name of ['rsa', 'ec', 'dual-use'])
  test(`a certificate is istiod's, field by field: ${name}`, async () => {
    const { chain } = await signed(ownRoot, fixture(`${name}.csr.pem`), DAY);
    const [ours, theirs] = [textOfCertificate(chain[0] ?? ''), textOfCertificate(fixture(`${name}.pem`))];
    assert.equal(ownParts(ours), ownParts(theirs));
    assert.match(ours, new RegExp(`Subject Alternative Name: critical\\s+URI:${identity}\n`));
  });

test("a root is istiod's, field by field, but for its key", async () => {
  const withoutKey = (text: string) => text.replace(/(Public Key Algorithm)[\s\S]*(X509v3 extensions)/, '$1 $2');
  const keyId = (text: string) => text.replace(/(Subject Key Identifier: \n) +.*/, '$1');
  const [ours, theirs] = [String(ownRoot.certificate), fixture('root.pem')].map(textOfCertificate);
  assert.equal(keyId(withoutKey(ownParts(ours ?? ''))), keyId(withoutKey(ownParts(theirs ?? ''))));
  assert.match(ours ?? '', /NIST CURVE: P-256/);
});

test('a leaf is valid from two minutes ago, for as long as asked, and no longer than its signer', async () => {
  const csr = newCsr(newKey('P-256'));
  const from = (date: Date) => (date.getTime() - Math.floor(now / 1_000) * 1_000) / 1_000;
  const validity = async (authority: CertificateAuthority, seconds: number) => {
    const leaf = new X509Certificate((await signed(authority, csr, seconds)).chain[0] ?? '');
    return [from(leaf.validFromDate), from(leaf.validToDate)];
  };
  const endOf = ({ certificate }: Signer) => from(new X509Certificate(certificate).validToDate);
  assert.deepEqual(await validity(ownRoot, 0), [-120, DAY]);
  assert.deepEqual(await validity(ownRoot, -5), [-120, DAY]);
  assert.deepEqual(await validity(ownRoot, 60), [-120, 60]);
  assert.deepEqual(await validity(ownRoot, 90 * DAY), [-120, 90 * DAY]);
  const short = newCertificate({ days: 1 });
  assert.deepEqual(await validity(authorityOf(short.certificate, short.key), 90 * DAY), [-120, endOf(short)]);
  const root = newCertificate({ subject: '/O=root', days: 1 });
  const longer = newCertificate({ signer: root, days: 30 });
  const belowRoot = authorityOf(longer.certificate, longer.key, '', root.certificate);
  assert.deepEqual(await validity(belowRoot, 90 * DAY), [-120, endOf(root)], 'nothing vouches for it after its root');
});

test('serial numbers are positive, random and of 16 bytes at most', async () => {
  const csr = newCsr(newKey('P-256'));
  const serials = await Promise.all(
    Array.from(
      { length: 50 },
      async () => new X509Certificate((await signed(ownRoot, csr)).chain[0] ?? '').serialNumber,
    ),
  );
  assert.equal(new Set(serials).size, serials.length);
  for (const serial of serials) assert.match(serial, /^[0-9A-F]{20,32}$/);
});

test('an expired signer signs nothing, with the code of istiod', async () => {
  const answer = await signRequest(
    ownRoot,
    { csr: newCsr(newKey('P-256')), identity, validityDuration: 0 },
    ownRoot.notAfter,
  );
  assert.ok(!answer.ok);
  assert.equal(answer.code, status.INTERNAL);
  assert.match(answer.message, /^CSR signing error \(signing certificate has expired at 2036-/);
});

test('a CN is put only where it is asked for and fits', async () => {
  const csr = newCsr(newKey('P-256'), '', '/CN=anything');
  const long = `spiffe://cluster.local/ns/${'n'.repeat(40)}/sa/account`;
  const answer = await signRequest(ownRoot, { csr, identity: long, validityDuration: 0 }, now);
  assert.ok(answer.ok);
  assert.match(textOfCertificate(answer.chain[0] ?? ''), /Subject: \n/);
});

test('durations are printed as Go prints them', () =>
  assert.deepEqual([5, 65, 3_600, 90 * DAY + 1].map(goDuration), ['5s', '1m5s', '1h0m0s', '2160h0m1s']));
