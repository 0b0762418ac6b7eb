import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AccessQuestion, SecretAccess } from '../../src/security/secret-access.ts';
import { HeldClock } from '../support/clock.ts';

const gateway = { namespace: 'istio-ingress', name: 'gateway' };

function rig(answer: () => Promise<{ readonly allowed: boolean; readonly reason?: string }>) {
  const clock = new HeldClock();
  const asked: AccessQuestion[] = [];
  const access = new SecretAccess(async question => {
    asked.push(question);
    return answer();
  }, clock);
  return { clock, asked, access };
}

test("it is asked what istiod asks, once for all of an account's proxies", async () => {
  const { asked, access } = rig(async () => ({ allowed: true }));
  const answers = await Promise.all(Array.from({ length: 100 }, () => access.mayListSecrets(gateway)));
  assert.ok(answers.every(({ allowed }) => allowed));
  assert.deepEqual(asked, [
    {
      user: 'system:serviceaccount:istio-ingress:gateway',
      resourceAttributes: { verb: 'list', resource: 'secrets', namespace: 'istio-ingress' },
    },
  ]);
  await access.mayListSecrets({ ...gateway, namespace: 'other' });
  assert.equal(asked.length, 2);
});

for (const [allowed, minutes] of [
  [true, 5],
  [false, 1],
] as const)
  test(`an answer of ${allowed} is good for ${minutes} minutes`, async () => {
    const { clock, asked, access } = rig(async () => ({ allowed, reason: 'because' }));
    const answer = { allowed, reason: 'because', until: clock.now() + minutes * 60_000 };
    assert.deepEqual(await access.mayListSecrets(gateway), answer);
    clock.pass(minutes * 60_000 - 1);
    assert.deepEqual(await access.mayListSecrets(gateway), answer);
    assert.equal(asked.length, 1);
    clock.pass(1);
    await access.mayListSecrets(gateway);
    assert.equal(asked.length, 2);
  });

test('what cannot be found out is not allowed, and asked again within seconds', async () => {
  let isUp = false;
  const { asked, access, clock } = rig(async () => {
    if (!isUp) throw new Error('503');
    return { allowed: true };
  });
  const reason = 'the API server could not be asked: 503';
  assert.deepEqual(await access.mayListSecrets(gateway), { allowed: false, reason, until: clock.now() + 5_000 });
  isUp = true;
  assert.equal((await access.mayListSecrets(gateway)).allowed, true);
  assert.equal(asked.length, 2);
});
