import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CertificateAuthority, rootBundle } from '../../src/security/authority.ts';
import { caSecretData, readCaSecret } from '../../src/security/ca-secret.ts';
import { readCacerts } from '../../src/security/cacerts.ts';
import { pemOf } from '../../src/security/certificate.ts';
import { type AuthorityInForce, chooseAuthority } from '../../src/security/choice.ts';
import { type Read, unread } from '../../src/security/fault.ts';
import { ownCertificate } from '../../src/security/own-certificate.ts';
import { makeRoot, rootAuthority, rootLife } from '../../src/security/root.ts';
import { authorityOf, begin, isDue, proceed, type Rotation, settled, stepOf } from '../../src/security/rotation.ts';
import { newCertificate, type Signer, verify } from './openssl.ts';

const now = Date.now() + 60_000;
const pace = { beforeSigning: 10_000, beforeDropping: 20_000 };
const [first, second, third] = await Promise.all(
  [1, 2, 3].map(async () => rootAuthority(await makeRoot('cluster.local', now))),
);
assert.ok(first && second && third);

/** What a new leader makes of it: what it reads from the Secret. */
function asStored(rotation: Rotation): Rotation {
  const read = readCaSecret(caSecretData(rotation), now);
  assert.ok(read.ok, JSON.stringify(read.faults));
  return read.value;
}

/** The whole way, each step read back from the Secret. */
function steps(): readonly Rotation[] {
  const distribute = asStored(
    begin(asStored(settled(first as CertificateAuthority, now)), second as CertificateAuthority, now),
  );
  const sign = asStored(proceed(distribute, [1, 1], now + 10_000, pace));
  const done = asStored(proceed(sign, [2, 2], now + 30_000, pace));
  return [settled(first as CertificateAuthority, now), distribute, sign, done];
}

test('a rotation distributes, signs and drops, and goes on from what is stored', () => {
  const all = steps();
  assert.deepEqual(all.map(stepOf), ['settled', 'distribute', 'sign', 'settled']);
  assert.deepEqual(
    all.map(rotation => rotation.generation),
    [0, 1, 2, 3],
  );
  const old = pemOf(first.roots);
  const fresh = pemOf(second.roots);
  assert.deepEqual(
    all.map(authorityOf).map(rootBundle),
    [old, old + fresh, old + fresh, fresh],
    'what is trusted; the second step tells proxies nothing new',
  );
  assert.deepEqual(
    all.map(rotation => pemOf([authorityOf(rotation).certificate])),
    [old, old, fresh, fresh],
    'who signs',
  );
});

test('a leaf of any step is trusted by who is one step behind or ahead, and openssl agrees', async () => {
  const authorities = steps().map(authorityOf);
  let compared = 0;
  for (const [at, authority] of authorities.entries()) {
    const { chain } = await ownCertificate(authority, ['spiffe://cluster.local/ns/a/sa/b'], 3_600, now);
    for (const other of authorities.slice(Math.max(0, at - 1), at + 2)) {
      verify(chain[0] ?? '', '', rootBundle(other));
      compared++;
    }
  }
  assert.equal(compared, 10);
  const { chain } = await ownCertificate(first, ['spiffe://cluster.local/ns/a/sa/b'], 3_600, now);
  assert.throws(() => verify(chain[0] ?? '', '', rootBundle(authorities[3] as typeof first)), 'the check can fail');
});

for (const [name, acknowledged, after, step] of [
  ['all have acknowledged and the time is over', [1, 1, 1], 10_000, 'sign'],
  ['nobody is connected and the time is over', [], 10_000, 'sign'],
  ['a proxy is ahead of it', [2], 10_000, 'sign'],
  ['one proxy has acknowledged nothing', [1, 0, 1], 999_999, 'distribute'],
  ['the time is not over', [1, 1, 1], 9_999, 'distribute'],
  ['nobody is connected yet', [], 9_999, 'distribute'],
] as const)
  test(`before it signs: ${name}: ${step}`, () => {
    const rotation = begin(settled(first, now), second, now);
    const then = proceed(rotation, acknowledged, now + after, pace);
    assert.equal(stepOf(then), step);
    if (step === 'distribute') assert.equal(then, rotation, 'nothing is written');
  });

test('the old root is dropped only when every proxy has a leaf of the new one, and others’ have ended', () => {
  const sign = proceed(begin(settled(first, now), second, now), [1], now + 10_000, pace);
  assert.equal(proceed(sign, [2, 1], now + 99_999, pace), sign);
  assert.equal(proceed(sign, [2, 2], now + 29_999, pace), sign);
  assert.equal(stepOf(proceed(sign, [2, 2], now + 30_000, pace)), 'settled');
  const done = settled(first, now);
  assert.equal(proceed(done, [0], now + 999_999, pace), done, 'what is settled has no next step');
});

test('another root on the way takes the place of one that does not sign yet, and follows one that does', () => {
  const distribute = begin(begin(settled(first, now), second, now), third, now);
  assert.equal(rootBundle(authorityOf(distribute)), pemOf([...first.roots, ...third.roots]));
  const sign = proceed(begin(settled(first, now), second, now), [1], now + 10_000, pace);
  const again = asStored(begin(sign, third, now));
  assert.equal(stepOf(again), 'distribute');
  assert.equal(rootBundle(authorityOf(again)), pemOf([...first.roots, ...second.roots, ...third.roots]));
  const after = asStored(proceed(again, [3], now + 99_999, pace));
  assert.equal(rootBundle(authorityOf(after)), pemOf([...first.roots, ...second.roots, ...third.roots]));
  assert.equal(rootBundle(authorityOf(proceed(after, [4], now + 999_999, pace))), pemOf(third.roots));
});

test('a root is due for another after four fifths of its life', () => {
  const rotation = settled(first, now);
  assert.equal(isDue(rotation, now + rootLife * 0.79), false);
  assert.equal(isDue(rotation, now + rootLife * 0.81), true);
  assert.equal(isDue(begin(rotation, second, now), now + rootLife * 0.81), false);
});

const plugged = (root: Signer, signer: Signer, roots = root.certificate) => {
  const fields = {
    'ca-cert.pem': signer.certificate,
    'ca-key.pem': signer.key,
    'cert-chain.pem': '',
    'root-cert.pem': roots,
  };
  return readCacerts(Object.fromEntries(Object.entries(fields).map(([k, v]) => [k, Buffer.from(v)])), now);
};
const broken = unread('ca-cert.pem', 'is broken');
const rootA = newCertificate({ subject: '/O=a' });
const rootB = newCertificate({ subject: '/O=b' });
const [a1, a2] = ['a1', 'a2'].map(name => plugged(rootA, newCertificate({ subject: `/O=${name}`, signer: rootA })));
const b1 = plugged(rootB, newCertificate({ subject: '/O=b1', signer: rootB }));
assert.ok(a1?.ok && a2?.ok && b1.ok);

const inForce: AuthorityInForce = { secret: 'cacerts', rotation: settled(a1.value, now) };
const ownInForce: AuthorityInForce = { secret: 'istio-ca-secret', rotation: settled(first, now) };
const stored = (rotation: Rotation) => readCaSecret(caSecretData(rotation), now);
const choose = (cacerts?: Read<CertificateAuthority>, caSecret?: Read<Rotation>, last?: AuthorityInForce) =>
  chooseAuthority({ cacerts, caSecret }, last, now);

test('with no Secret at all a root is made, and only then', () => {
  assert.equal(choose(undefined, undefined).do, 'make');
  for (const choice of [
    choose(broken, undefined),
    choose(undefined, broken),
    choose(broken, stored(settled(first, now))),
  ]) {
    assert.equal(choice.do, 'refuse');
    assert.ok(choice.do === 'refuse' && choice.faults.length > 0);
  }
});

test('what is broken leaves in force what was, and says in which Secret it is', () => {
  for (const [choice, last, secret] of [
    [choose(broken, undefined, inForce), inForce, 'cacerts'],
    [choose(undefined, broken, ownInForce), ownInForce, 'istio-ca-secret'],
  ] as const) {
    assert.ok(choice.do === 'serve');
    assert.equal(choice.inForce, last);
    assert.ok(choice.faults.length && choice.faults.every(fault => fault.secret === secret));
  }
});

test('what was deleted stays in force; our own root is written again', () => {
  assert.equal(choose(undefined, undefined, ownInForce).do, 'restore');
  const choice = choose(undefined, undefined, inForce);
  assert.ok(choice.do === 'serve' && choice.inForce === inForce && choice.faults.length === 1);
});

test('another intermediate below the same root signs at once, another root is rotated to', () => {
  const same = choose(plugged(rootA, newCertificate({ subject: '/O=a3', signer: rootA })), undefined, inForce);
  assert.ok(same.do === 'serve');
  assert.equal(stepOf(same.inForce.rotation), 'settled');
  assert.notEqual(same.inForce.rotation.signer, inForce.rotation.signer);
  const other = choose(b1, undefined, inForce);
  assert.ok(other.do === 'serve');
  assert.equal(stepOf(other.inForce.rotation), 'distribute');
  const again = choose(b1, undefined, other.inForce);
  assert.ok(again.do === 'serve');
  assert.equal(again.inForce.rotation, other.inForce.rotation, 'seen again it is nothing new');
  const unchanged = choose(a1, undefined, inForce);
  assert.ok(unchanged.do === 'serve' && unchanged.inForce.rotation === inForce.rotation);
});

test('the step of another leader is followed; a root that somebody put there is rotated to', () => {
  const step = begin(settled(first, now), second, now);
  const followed = choose(undefined, stored(step), ownInForce);
  assert.ok(followed.do === 'serve');
  assert.equal(followed.inForce.rotation.generation, 1);
  assert.equal(stepOf(followed.inForce.rotation), 'distribute');
  const put = choose(undefined, stored(settled(third, now)), ownInForce);
  assert.ok(put.do === 'serve');
  assert.equal(stepOf(put.inForce.rotation), 'distribute');
  assert.equal(rootBundle(authorityOf(put.inForce.rotation)), pemOf([...first.roots, ...third.roots]));
});
