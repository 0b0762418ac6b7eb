import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { readAuthority } from '../../src/security/authority.ts';
import { verifyClientCertificate } from '../../src/security/client-certificate.ts';
import { readCsr } from '../../src/security/csr.ts';
import { pemBlocks } from '../../src/security/pem.ts';
import { Pkcs10CertificateRequest } from '../../src/security/x509.ts';
import { newCertificate, newCsr, newKey, now } from './openssl.ts';

const identity = 'spiffe://cluster.local/ns/default/sa/bookinfo';
const pem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`;

/** Texts that differ from this one in one bit, of which every byte has at least one, and texts that are cut off. */
function* damaged(text: string): Generator<string> {
  const [block] = pemBlocks(text);
  assert.ok(block && block.der.length > 200);
  const { label, der } = block;
  for (let bit = 0; bit < der.length * 8; bit += 5) {
    const other = Buffer.from(der);
    other.writeUInt8(der.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    yield pem(label, other);
  }
  for (let length = 0; length < der.length; length += 3) yield pem(label, der.subarray(0, length));
}

test('a CSR with any one bit changed, or cut off anywhere, is refused, but for what says nothing', () => {
  const csr = newCsr(newKey('P-256'), `critical,URI:${identity}`, '/O=');
  const whole = readCsr(csr);
  assert.ok(whole.ok);
  const [{ der } = assert.fail()] = pemBlocks(csr);
  const signed = Buffer.from(new Pkcs10CertificateRequest(new Uint8Array(der))['tbs']);
  let refused = 0;
  let taken = 0;
  for (const text of damaged(csr)) {
    const read = readCsr(text);
    if (!read.ok) refused++;
    else {
      // The library takes some lengths that DER would not have. They are outside of what is signed.
      assert.ok(read.publicKey.equals(whole.publicKey));
      assert.ok(pemBlocks(text)[0]?.der.includes(signed), text);
      taken++;
    }
  }
  assert.ok(refused > 400 && taken < 20, `${refused}, ${taken}`);
});

test('a client certificate with any one bit changed is no proof', () => {
  const root = newCertificate();
  const leaf = newCertificate({
    subject: '/',
    extensions: ['basicConstraints=critical,CA:FALSE', `subjectAltName=critical,URI:${identity}`],
    signer: root,
  });
  const roots = new Map([['cluster.local', [new X509Certificate(root.certificate)]]]);
  assert.ok(verifyClientCertificate([new X509Certificate(leaf.certificate)], roots, now).ok);
  let count = 0;
  for (const text of damaged(leaf.certificate)) {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(text);
    } catch {
      continue; // No handshake comes as far as us.
    }
    assert.equal(verifyClientCertificate([certificate], roots, now).ok, false, text);
    count++;
  }
  assert.ok(count > 300, `${count}`);
});

test('an authority with any one bit of its certificate changed is read or has faults, and nothing throws', () => {
  const { certificate, key } = newCertificate({ subject: '/O=a', signer: newCertificate({ subject: '/O=b' }) });
  const read = (text: string) =>
    readAuthority({ certificate: { field: 'ca-cert.pem', pem: text }, key: { field: 'ca-key.pem', pem: key } }, now);
  assert.ok(read(certificate).ok);
  let refused = 0;
  for (const text of damaged(certificate)) {
    const authority = read(text);
    if (!authority.ok) refused++;
    if (!authority.ok) assert.ok(authority.faults.some(({ severity }) => severity === 'error'));
  }
  assert.ok(refused > 300, `${refused}`);
});

test('PEM is read in linear time, whatever is missing in it', () => {
  const times = (text: string, count: number) => text.repeat(count);
  const cost = (text: string) => {
    const begun = process.cpuUsage();
    pemBlocks(text);
    const { user, system } = process.cpuUsage(begun);
    return user + system;
  };
  for (const part of ['-----BEGIN ', '-----BEGIN A-----', '-----BEGIN A-----\n-----END B-----\n', '-----END A-----']) {
    const [small, large] = [5_000, 80_000].map(count =>
      Math.min(...Array.from({ length: 5 }, () => cost(times(part, count)))),
    );
    assert.ok((large ?? 0) < 64 * Math.max(small ?? 0, 500), `${part}: ${small} and ${large} us`);
  }
});
