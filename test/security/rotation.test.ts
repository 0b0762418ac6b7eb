import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CertificateAuthority, rootBundle } from '../../src/security/authority.ts';
import { readCacerts } from '../../src/security/cacerts.ts';
import { pemOf } from '../../src/security/certificate.ts';
import { chooseAuthority, storedRoot, towards } from '../../src/security/choice.ts';
import { type Read, unread } from '../../src/security/fault.ts';
import { ownCertificate } from '../../src/security/own-certificate.ts';
import { makeRoot, rootAuthority, rootLife } from '../../src/security/root.ts';
import { authorityOf, begin, isDue, proceed, type Rotation, settled, stepOf } from '../../src/security/rotation.ts';
import { type AuthorityInForce, readRotationSecret, rotationSecretData } from '../../src/security/rotation-secret.ts';
import { newCertificate, type Signer, verify } from './openssl.ts';

// Whatever time openssl takes.
const [rootA, rootB] = [newCertificate({ subject: '/O=a' }), newCertificate({ subject: '/O=b' })];
const below = (signer: Signer, name: string): Signer => newCertificate({ subject: `/O=${name}`, signer });
const signers = { a1: below(rootA, 'a1'), a2: below(rootA, 'a2'), a3: below(rootA, 'a3'), b1: below(rootB, 'b1') };
const now = Date.now() + 1_000;
const pace = { beforeSigning: 10_000, beforeDropping: 20_000 };
const [first, second, third] = await Promise.all(
  [1, 2, 3].map(async () => rootAuthority(await makeRoot('cluster.local', now))),
);
assert.ok(first && second && third);
const fresher = await makeRoot('cluster.local', now + rootLife);

/** What a new leader makes of it: what it reads from the Secret. */
function asStored(rotation: Rotation): Rotation {
  const read = readRotationSecret(rotationSecretData({ rotation, source: 'istio-ca-secret', isMade: true }), now);
  assert.ok(read.ok, JSON.stringify(read.faults));
  assert.ok(read.value.isMade);
  return read.value.rotation;
}

/** The whole way, each step read back from the Secret. */
function steps(): readonly Rotation[] {
  const distribute = asStored(
    begin(asStored(settled(first as CertificateAuthority, now)), second as CertificateAuthority, now),
  );
  const sign = asStored(proceed(distribute, 0, now + 10_000, pace));
  const done = asStored(proceed(sign, 0, now + 30_000, pace));
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

for (const [name, waitedFor, after, step] of [
  ['nobody is waited for and the time is over', 0, 10_000, 'sign'],
  ['one proxy has acknowledged nothing', 1, 999_999, 'distribute'],
  ['the time is not over', 0, 9_999, 'distribute'],
] as const)
  test(`before it signs: ${name}: ${step}`, () => {
    const rotation = begin(settled(first, now), second, now);
    const then = proceed(rotation, waitedFor, now + after, pace);
    assert.equal(stepOf(then), step);
    if (step === 'distribute') assert.equal(then, rotation, 'nothing is written');
  });

test('the old root is dropped only when every proxy has a leaf of the new one, and others’ have ended', () => {
  const sign = proceed(begin(settled(first, now), second, now), 0, now + 10_000, pace);
  assert.equal(proceed(sign, 1, now + 99_999, pace), sign);
  assert.equal(proceed(sign, 0, now + 29_999, pace), sign);
  assert.equal(stepOf(proceed(sign, 0, now + 30_000, pace)), 'settled');
  const done = settled(first, now);
  assert.equal(proceed(done, 0, now + 999_999, pace), done, 'what is settled has no next step');
});

test('another root on the way takes the place of one that does not sign yet, and follows one that does', () => {
  const distribute = begin(begin(settled(first, now), second, now), third, now);
  assert.equal(rootBundle(authorityOf(distribute)), pemOf([...first.roots, ...third.roots]));
  const sign = proceed(begin(settled(first, now), second, now), 0, now + 10_000, pace);
  const again = asStored(begin(sign, third, now));
  assert.equal(stepOf(again), 'distribute');
  assert.equal(rootBundle(authorityOf(again)), pemOf([...first.roots, ...second.roots, ...third.roots]));
  const after = asStored(proceed(again, 0, now + 99_999, pace));
  assert.equal(rootBundle(authorityOf(after)), pemOf([...first.roots, ...second.roots, ...third.roots]));
  assert.equal(rootBundle(authorityOf(proceed(after, 0, now + 999_999, pace))), pemOf(third.roots));
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
const [a1, a2] = [plugged(rootA, signers.a1), plugged(rootA, signers.a2)];
const b1 = plugged(rootB, signers.b1);
assert.ok(a1.ok && a2.ok && b1.ok);

const inForce: AuthorityInForce = { source: 'cacerts', rotation: settled(a1.value, now), isMade: false };
const ownInForce: AuthorityInForce = { source: 'istio-ca-secret', rotation: settled(first, now), isMade: false };
const own = (value: CertificateAuthority): Read<CertificateAuthority> => ({ ok: true, value, faults: [] });
const stored = (value: AuthorityInForce) => readRotationSecret(rotationSecretData(value), now);
const choose = (
  cacerts?: Read<CertificateAuthority>,
  caSecret?: Read<CertificateAuthority>,
  rotation?: Read<AuthorityInForce>,
  last?: AuthorityInForce,
  at = now,
  mounted = '',
) => chooseAuthority({ cacerts, caSecret, rotation, mounted }, last, at);

/** What is served, with what a leader makes of it. */
function served(choice: ReturnType<typeof choose>, at = now) {
  assert.ok(choice.do === 'serve', JSON.stringify(choice));
  return { ...choice, next: towards(choice.inForce, choice.wanted, at) };
}

test('with no Secret at all a root is made, and only then', () => {
  assert.equal(choose().do, 'make');
  for (const choice of [
    choose(broken),
    choose(undefined, broken),
    choose(broken, own(first)),
    choose(broken, own(first), stored(ownInForce)),
    choose(undefined, own(first), broken),
    choose(undefined, undefined, broken),
  ]) {
    assert.equal(choice.do, 'refuse');
    assert.ok(choice.do === 'refuse' && choice.faults.length > 0);
  }
});

test('what is broken leaves in force what was, and says in which Secret it is', () => {
  for (const [choice, last, secret] of [
    [choose(broken, undefined, undefined, inForce), inForce, 'cacerts'],
    [choose(undefined, broken, undefined, ownInForce), ownInForce, 'istio-ca-secret'],
    [choose(undefined, own(first), broken, ownInForce), ownInForce, 'pilotlight-ca-rotation'],
  ] as const) {
    const { inForce, next, faults } = served(choice);
    assert.equal(inForce, last);
    assert.equal(next, last, 'and a leader goes nowhere');
    assert.ok(faults.length && faults.every(fault => fault.secret === secret));
  }
});

test('what was deleted stays in force, after a restart, too; our own root is written again', () => {
  const kept = served(choose(undefined, undefined, undefined, ownInForce));
  assert.equal(kept.next, ownInForce);
  assert.equal(storedRoot(kept.next), first);
  const deleted = served(choose(undefined, undefined, undefined, inForce));
  assert.ok(deleted.next === inForce && deleted.faults.length === 1);
  assert.equal(storedRoot(deleted.next), undefined);
  const restarted = served(choose(undefined, undefined, stored(inForce)));
  assert.equal(rootBundle(authorityOf(restarted.inForce.rotation)), rootBundle(a1.value));
});

test('another intermediate below the same root signs at once, another root is rotated to: when the leader has written it', () => {
  const a3 = plugged(rootA, signers.a3);
  const same = served(choose(a3, undefined, stored(inForce), inForce));
  assert.equal(pemOf([same.inForce.rotation.signer.certificate]), pemOf([a1.value.certificate]), 'not before');
  assert.equal(stepOf(same.next.rotation), 'settled');
  assert.notEqual(same.next.rotation.signer, inForce.rotation.signer);
  const other = served(choose(b1, undefined, stored(inForce), inForce));
  assert.equal(stepOf(other.inForce.rotation), 'settled');
  assert.equal(stepOf(other.next.rotation), 'distribute');
  const followed = served(choose(b1, undefined, stored(other.next), other.inForce));
  assert.equal(stepOf(followed.inForce.rotation), 'distribute');
  assert.equal(followed.next, followed.inForce, 'what is on its way is nothing new');
  const back = served(choose(plugged(rootA, rootA), undefined, stored(other.next), other.next));
  assert.equal(stepOf(back.next.rotation), 'settled', 'taken back before it signs, it is forgotten');
});

test('a replica that starts where cacerts holds another root already goes on with the one before', () => {
  const { inForce: begun, next } = served(choose(b1, undefined, stored(inForce)));
  assert.equal(rootBundle(authorityOf(begun.rotation)), rootBundle(a1.value));
  assert.equal(stepOf(next.rotation), 'distribute');
});

test('a root of our own gives way to cacerts, and what a leader has made to what somebody puts there', () => {
  const plug = served(choose(a1, own(first), stored(ownInForce)));
  assert.deepEqual([stepOf(plug.next.rotation), plug.next.source, plug.next.isMade], ['distribute', 'cacerts', false]);
  const made = { ...ownInForce, rotation: begin(ownInForce.rotation, second, now), isMade: true };
  assert.equal(storedRoot(made), first, 'an istiod that takes over signs with what signs now');
  assert.equal(served(choose(undefined, own(first), undefined, made)).next, made);
  assert.equal(served(choose(undefined, own(second), undefined, made)).next, made, 'stored just before it signs');
  const put = served(choose(undefined, own(third), undefined, made));
  assert.equal(rootBundle(authorityOf(put.next.rotation)), pemOf([...first.roots, ...third.roots]));
});

test('a step that was brought back from before is not taken again', () => {
  const later = { ...ownInForce, rotation: begin(ownInForce.rotation, second, now), isMade: true };
  assert.equal(served(choose(undefined, own(first), stored(ownInForce), later)).inForce, later);
});

test('where nothing is valid any more of what signed, nobody is waited for', () => {
  const at = now + rootLife + 1;
  const fresh = rootAuthority(fresher);
  const { inForce: after, next } = served(choose(undefined, own(fresh), stored(ownInForce), undefined, at), at);
  assert.equal(after.rotation.signer, fresh);
  assert.equal(after.rotation.generation, 1);
  assert.equal(next, after);
});

test('what an istiod made meanwhile is taken over as it is, since pods trust that', () => {
  const start = (mounted: string) =>
    served(choose(undefined, own(second), stored(ownInForce), undefined, now, mounted));
  const over = start(rootBundle(second));
  assert.equal(rootBundle(authorityOf(over.inForce.rotation)), rootBundle(second));
  assert.equal(over.next, over.inForce);
  for (const mounted of ['', 'garbage', rootBundle(first), rootBundle(first) + rootBundle(second), rootBundle(third)]) {
    const rotated = start(mounted);
    assert.equal(rotated.inForce.rotation.signer.certificate.toString(), first.certificate.toString(), 'put by hand');
    assert.equal(stepOf(rotated.next.rotation), 'distribute');
  }
  const running = served(choose(undefined, own(second), stored(ownInForce), ownInForce, now, rootBundle(second)));
  assert.equal(stepOf(running.next.rotation), 'distribute', 'who runs knows what is in force');
});
