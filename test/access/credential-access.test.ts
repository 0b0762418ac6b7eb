import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CredentialRight } from '../../src/access/caller.ts';
import { CredentialAccess } from '../../src/access/credential-access.ts';
import { parseCredential } from '../../src/istio/credentials.ts';
import { parseNode } from '../../src/model/proxy/node.ts';
import type { Proxy } from '../../src/model/proxy/proxy.ts';
import { objectKey } from '../../src/object-key.ts';
import { SecretAccess } from '../../src/security/secret-access.ts';
import type { WantedCredential } from '../../src/translate/secrets/secrets.ts';
import { HeldClock } from '../support/clock.ts';

const MINUTE = 60_000;

function proxy(name: string, namespace = 'ingress'): Proxy {
  const parsed = parseNode({ id: `router~10.0.0.1~${name}.${namespace}~${namespace}.svc.cluster.local` });
  return parsed.ok ? parsed.proxy : assert.fail(parsed.message);
}

const wants = (...resources: readonly string[]): readonly WantedCredential[] =>
  resources.map(resource => {
    const credential = parseCredential(resource, 'ingress') ?? assert.fail(resource);
    return {
      resource,
      credential,
      audience: credential.roots ? 'namespace' : 'readers',
      uses: [{ resource, object: objectKey('Gateway', 'ingress', 'g'), path: 'spec.servers[0].tls.credentialName' }],
    };
  });

const account = (namespace: string, name: string): CredentialRight => ({
  kind: 'account',
  account: { namespace, name },
});
const gateway = account('ingress', 'gateway');

/** An API server that answers when it is told to. */
function rig() {
  const clock = new HeldClock();
  const asked: { user: string; answer: (allowed: boolean) => void; fail: () => void }[] = [];
  const followed: string[] = [];
  const changed: string[] = [];
  const rights = new CredentialAccess({
    clock,
    access: new SecretAccess(
      ({ user }) =>
        new Promise((resolve, reject) => {
          asked.push({ user, answer: allowed => resolve({ allowed }), fail: () => reject(new Error('503')) });
        }),
      clock,
    ),
    follow: objects => followed.push(objects.map(({ kind, name }) => `${kind} ${name}`).join()),
  });
  const streamOf = (client: Proxy) => ({ client, touch: () => void changed.push(client.name) });
  const access = {
    admit(proxy: Proxy, right: CredentialRight) {
      rights.admit(proxy, right);
      rights.opened(streamOf(proxy));
    },
    leave: (proxy: Proxy) => rights.closed(streamOf(proxy)),
    level: rights.level.bind(rights),
    refusals: rights.refusals.bind(rights),
  };
  const said = async (what: (asked: { answer: (allowed: boolean) => void; fail: () => void }) => void) => {
    what(asked.at(-1) ?? assert.fail('nothing was asked'));
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  };
  return { clock, asked, followed, changed, access, said };
}

const both = wants('kubernetes://a', 'kubernetes://b-cacert');

test('what an account may is asked once for all its proxies, beside their pushes, and they are looked at again', async () => {
  const { access, asked, changed, followed, said } = rig();
  const proxies = [proxy('one'), proxy('two')];
  for (const one of proxies) {
    access.admit(one, gateway);
    assert.equal(access.level(one, both), 'namespace', 'roots at once');
    assert.deepEqual(access.refusals(one, both), []);
  }
  assert.deepEqual(
    asked.map(({ user }) => user),
    ['system:serviceaccount:ingress:gateway'],
  );
  assert.deepEqual(followed, ['Secret b-cacert,Secret b']);
  await said(({ answer }) => answer(true));
  assert.deepEqual(changed, ['one', 'two']);
  for (const one of proxies) assert.equal(access.level(one, both), 'readers');
  assert.deepEqual(followed.slice(1), ['Secret b-cacert,Secret b,Secret a']);
});

test('a right that is taken is gone within five minutes, one that is given is there within one', async () => {
  const { access, asked, changed, clock, said } = rig();
  const one = proxy('one');
  access.admit(one, gateway);
  access.level(one, both);
  await said(({ answer }) => answer(true));
  clock.pass(5 * MINUTE - 1);
  assert.equal(asked.length, 1);
  clock.pass(1);
  assert.equal(asked.length, 2, 'without a push');
  assert.equal(access.level(one, both), 'readers', 'as long as nothing else is known');
  await said(({ answer }) => answer(false));
  assert.equal(access.level(one, both), 'namespace');
  const [problem, ...others] = access.refusals(one, both);
  assert.match(problem?.message ?? '', /ingress\/gateway may not list Secrets in ingress/);
  assert.equal(others.length, 0, 'the roots are not refused');
  assert.equal(access.refusals(one, both), access.refusals(one, both), 'one list, so that it is said once');
  clock.pass(MINUTE);
  await said(({ answer }) => answer(true));
  assert.equal(access.level(one, both), 'readers');
  assert.deepEqual(changed, ['one', 'one', 'one']);
});

test('an API server that does not answer gives nobody a key, and is asked again within seconds', async () => {
  const { access, asked, clock, said } = rig();
  const one = proxy('one');
  access.admit(one, gateway);
  access.level(one, both);
  await said(({ fail }) => fail());
  assert.equal(access.level(one, both), 'namespace');
  assert.match(access.refusals(one, both)[0]?.message ?? '', /could not be asked: 503/);
  clock.pass(5_000);
  assert.equal(asked.length, 2);
  await said(({ answer }) => answer(true));
  assert.equal(access.level(one, both), 'readers');
  clock.pass(5 * MINUTE);
  assert.equal(asked.length, 3);
  await said(() => clock.pass(10_000));
  assert.equal(access.level(one, both), 'namespace', 'an answer that never comes is none');
});

test('nobody is asked for proxies that want no private key, and what is asked for those that are gone is dropped', async () => {
  const { access, asked, clock, said } = rig();
  const [sidecar, gone] = [proxy('sidecar'), proxy('gone')];
  access.admit(sidecar, gateway);
  assert.equal(access.level(sidecar, []), 'namespace');
  assert.equal(access.level(sidecar, wants('kubernetes://b-cacert')), 'namespace');
  assert.equal(asked.length, 0);
  access.admit(gone, gateway);
  access.level(gone, both);
  await said(({ answer }) => answer(true));
  access.leave(gone);
  clock.pass(60 * MINUTE);
  assert.equal(asked.length, 1);
  assert.equal(access.level(gone, both), 'none', 'a stream that is over');
});

test('objects are followed for a minute beyond the last stream that had them', async () => {
  const { access, clock, followed } = rig();
  const [one, two] = [proxy('one'), proxy('two')];
  const [a, b] = [wants('kubernetes://a'), wants('kubernetes://b')];
  for (const each of [one, two]) access.admit(each, { kind: 'all' });
  access.level(one, a);
  access.level(two, a);
  assert.deepEqual(followed.splice(0), ['Secret a']);
  access.leave(one);
  access.level(two, b);
  assert.deepEqual(followed.splice(0), ['Secret a,Secret b']);
  clock.pass(MINUTE - 1);
  const three = proxy('three');
  access.admit(three, { kind: 'all' });
  access.level(three, a);
  access.leave(two);
  clock.pass(1);
  assert.deepEqual(followed.splice(0), ['Secret a'], 'b was left at that moment, and goes with what goes');
  access.leave(three);
  clock.pass(MINUTE);
  assert.deepEqual(followed, ['']);
});

test('who is not known, or proved to be of another namespace, is given nothing, and told why', () => {
  const { access, asked, followed } = rig();
  const one = proxy('one');
  assert.equal(access.level(one, both), 'none');
  access.admit(one, { kind: 'none', reason: 'over plaintext' });
  assert.equal(access.level(one, both), 'none');
  assert.deepEqual(
    access.refusals(one, both).map(({ message }) => message),
    ['over plaintext', 'over plaintext'],
  );
  access.admit(one, account('other', 'gateway'));
  assert.equal(access.level(one, both), 'none');
  assert.match(access.refusals(one, both)[0]?.message ?? '', /another namespace/);
  assert.deepEqual([asked.length, followed.length], [0, 0]);
});
