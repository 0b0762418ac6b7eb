import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { status } from '../../src/grpc/status.ts';
import { parseSpiffeId } from '../../src/istio/spiffe.ts';
import { decode, encode } from '../../src/proto/message.ts';
import type { Caller } from '../../src/security/authenticate.ts';
import { createCertificate } from '../../src/security/create-certificate.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { newCsr, newKey, verify } from './openssl.ts';

const now = Date.now();
const authority = rootAuthority(await makeRoot('cluster.local', now));
const uri = 'spiffe://cluster.local/ns/default/sa/bookinfo';
const caller: Caller = { proof: 'token', identity: parseSpiffeId(uri) ?? assert.fail(), expiresAt: now };
const csr = newCsr(newKey('rsa:2048'), `critical,URI:${uri}`, '/O=');

/** A request as it comes over the wire. */
const create = (request: object) =>
  createCertificate(
    authority,
    decode('istio.v1.auth.IstioCertificateRequest', encode('istio.v1.auth.IstioCertificateRequest', request)),
    caller,
    now,
  );
const metadata = (fields: Readonly<Record<string, string>>) => ({
  fields: Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, { string_value: text }])),
});

test('what pilot-agent asks for: a leaf and, last of at least two, the roots', async () => {
  for (const signer of ['', 'clusterissuers.example.com/mesh']) {
    const request = { csr, validity_duration: 86_400, metadata: metadata({ CertSigner: signer }) };
    const created = await create(request);
    assert.ok(created.ok, JSON.stringify(created));
    const chain = created.response.cert_chain ?? [];
    assert.equal(chain.length, 2);
    verify(chain[0] ?? '', '', chain[1] ?? '');
    assert.equal(new X509Certificate(chain[0] ?? '').subjectAltName, `URI:${uri}`);
    assert.equal(
      new X509Certificate(chain[0] ?? '').validToDate.getTime(),
      Math.floor(created.notAfter / 1_000) * 1_000,
    );
  }
});

test('a caller may not ask in the name of another', async () => {
  const impersonated = 'spiffe://cluster.local/ns/istio-system/sa/istiod';
  const created = await create({ csr, metadata: metadata({ ImpersonatedIdentity: impersonated }) });
  assert.ok(!created.ok);
  assert.equal(created.code, status.UNAUTHENTICATED);
  assert.equal(created.message, 'request impersonation authentication failure');
  assert.match(created.reason, /asked in the name of spiffe:\/\/cluster.local\/ns\/istio-system/);
});

test('an empty request, and one for longer than istiod allows', async () => {
  for (const request of [{}, { csr, validity_duration: 10 * 365 * 86_400 }]) {
    const created = await create(request);
    assert.ok(!created.ok);
    assert.equal(created.code, status.INVALID_ARGUMENT);
  }
});
