import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { certificateLife, lifeUsed, milestoneOf, watchedCertificates } from '../../src/security/certificate-life.ts';
import { ownCertificate, renewalTime, servingLife, servingNames } from '../../src/security/own-certificate.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { openssl, textOfCertificate, verify } from './openssl.ts';

const validity = { notBefore: 1_000, notAfter: 2_000 };

for (const [now, used, milestone] of [
  [0, 0, undefined],
  [1_000, 0, undefined],
  [1_499, 0.499, undefined],
  [1_500, 0.5, 50],
  [1_749, 0.749, 50],
  [1_750, 0.75, 75],
  [1_900, 0.9, 90],
  [2_000, 1, 90],
  [3_000, 2, 90],
] as const)
  test(`at ${now} of a life from 1000 to 2000 ${used} are used, milestone ${milestone}`, () => {
    assert.equal(lifeUsed(validity, now), used);
    assert.equal(milestoneOf(validity, now), milestone);
  });

test('a life that is none is over', () => assert.equal(milestoneOf({ notBefore: 5, notAfter: 5 }, 0), 90));

test('roots, who signs below them and the certificate of the ports are watched', async () => {
  const now = Date.now();
  const authority = rootAuthority(await makeRoot('cluster.local', now));
  const serving = new X509Certificate((await ownCertificate(authority, ['a'], servingLife, now)).chain[0] ?? '');
  const lives = watchedCertificates(authority, serving).map(watched =>
    certificateLife(watched, now + servingLife * 760),
  );
  assert.deepEqual(
    lives.map(({ role, milestone }) => [role, milestone]),
    [
      ['root', undefined],
      ['serving', 75],
    ],
  );
  const end = Date.parse(
    openssl(['x509', '-in', 'c', '-noout', '-enddate'], { c: serving.toString() }).split('=')[1] ?? '',
  );
  assert.equal(lives[1]?.expiry, end / 1_000);
  const below = { ...authority, certificate: serving };
  assert.deepEqual(
    watchedCertificates(below).map(({ role }) => role),
    ['root', 'intermediate'],
  );
});

test("the certificate of the ports has istiod's names", async () => {
  const place = { namespace: 'istio-system', revision: '', customHosts: [] };
  const names = ['istio-pilot.istio-system.svc', 'istiod-remote.istio-system.svc', 'istiod.istio-system.svc'];
  assert.deepEqual(servingNames(place), names);
  assert.deepEqual(servingNames({ ...place, revision: 'default' }), names);
  assert.deepEqual(servingNames({ ...place, revision: 'canary', customHosts: ['mesh.example.com'] }), [
    ...['istio-pilot.istio-system.svc', 'istiod-canary.istio-system.svc', 'istiod-remote.istio-system.svc'],
    ...['istiod.istio-system.svc', 'mesh.example.com'],
  ]);
  const now = Date.now();
  const { chain, key, roots } = await ownCertificate(rootAuthority(await makeRoot('td', now)), names, servingLife, now);
  verify(chain[0] ?? '', '', roots);
  const istiods = /X509v3 Subject Alternative Name: critical\s+DNS:.*/;
  assert.match(textOfCertificate(chain[0] ?? ''), istiods);
  assert.match(
    textOfCertificate(chain[0] ?? ''),
    /DNS:istio-pilot.istio-system.svc, DNS:istiod-remote.istio-system.svc/,
  );
  assert.equal(
    openssl(['pkey', '-in', 'k', '-pubout'], { k: key.revealPem() }),
    openssl(['x509', '-in', 'c', '-noout', '-pubkey'], { c: chain[0] ?? '' }),
  );
});

test('certificates that were made together are renewed one after another, from two fifths to half of their life', () => {
  assert.equal(renewalTime(0, 1_000, 0), 500);
  assert.equal(renewalTime(0, 1_000, 1), 400);
});
