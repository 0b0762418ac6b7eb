import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AccessQuestion, SecretAccess } from '../../src/security/secret-access.ts';
import { HeldClock } from '../support/clock.ts';

const gateway = { namespace: 'istio-ingress', name: 'gateway' };

function rig(answer: () => Promise<boolean>) {
  const clock = new HeldClock();
  const asked: AccessQuestion[] = [];
  const access = new SecretAccess(async question => {
    asked.push(question);
    return answer();
  }, clock);
  return { clock, asked, access };
}

test("it is asked what istiod asks, once for all of an account's proxies", async () => {
  const { asked, access } = rig(async () => true);
  const answers = await Promise.all(Array.from({ length: 100 }, () => access.mayListSecrets(gateway)));
  assert.ok(answers.every(Boolean));
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
    const { clock, asked, access } = rig(async () => allowed);
    assert.equal(await access.mayListSecrets(gateway), allowed);
    clock.pass(minutes * 60_000 - 1);
    assert.equal(await access.mayListSecrets(gateway), allowed);
    assert.equal(asked.length, 1);
    clock.pass(1);
    await access.mayListSecrets(gateway);
    assert.equal(asked.length, 2);
  });

test('what cannot be found out is not allowed, and asked again', async () => {
  let isUp = false;
  const { asked, access } = rig(async () => {
    if (!isUp) throw new Error('503');
    return true;
  });
  assert.equal(await access.mayListSecrets(gateway), false);
  isUp = true;
  assert.equal(await access.mayListSecrets(gateway), true);
  assert.equal(asked.length, 2);
});
