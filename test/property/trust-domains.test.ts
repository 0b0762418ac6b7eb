import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RBAC_Action } from '../../src/proto/generated/envoy/config/rbac/v3.ts';
import type { Rule } from '../../src/proto/generated/istio/security/v1beta1.ts';
import { rbacPolicy } from '../../src/translate/filters/rbac/rule.ts';
import { type Call, mutualTls } from '../simulation/call.ts';
import { verdict } from '../simulation/filters/rbac.ts';

/** Whether a rule is for a caller with an identity, in a mesh of these trust domains. */
function isFor(rule: Rule, identity: string, trustDomains: readonly string[]): boolean {
  const policy = rbacPolicy(rule, { tcp: true, allows: true, namespace: 'shop', trustDomains });
  assert.ok(policy);
  const call: Call = { direction: 'inbound', address: '10.1.0.10', port: 80, tls: mutualTls(`spiffe://${identity}`) };
  return verdict({ action: RBAC_Action.ALLOW, policies: { it: policy } }, call).allowed;
}

/** Patterns of principals, with `TD` for a trust domain's name. */
const patterns = [
  'TD/ns/shop/sa/a',
  'TD/ns/shop/sa/*',
  'TD/ns/shop/*',
  'TD/ns/sh*',
  'TD/ns/*',
  'TD/*',
  'TD*',
  '*',
  '*/ns/shop/sa/a',
  '*/sa/a',
  '*a',
];
const rules: Readonly<Record<string, (value: string) => Rule>> = {
  principals: value => ({ from: [{ source: { principals: [value] } }] }),
  notPrincipals: value => ({ from: [{ source: { notPrincipals: [value] } }] }),
  'source.principal': value => ({ when: [{ key: 'source.principal', values: [value] }] }),
  'not source.principal': value => ({ when: [{ key: 'source.principal', notValues: [value] }] }),
};
const domainRules: Readonly<Record<string, (value: string) => Rule>> = {
  trustDomains: value => ({ from: [{ source: { trustDomains: [value] } }] }),
  notTrustDomains: value => ({ from: [{ source: { notTrustDomains: [value] } }] }),
  'source.trustDomain': value => ({ when: [{ key: 'source.trustDomain', values: [value] }] }),
  'not source.trustDomain': value => ({ when: [{ key: 'source.trustDomain', notValues: [value] }] }),
};
const accounts = ['ns/shop/sa/a', 'ns/shop/sa/b', 'ns/other/sa/a', 'ns/other/sa/b'];
const own = ['mesh.example', 'old-td'];

test('a policy means the same by every name of the trust domain, whatever the caller’s certificate has', () => {
  let both = 0;
  const all = [
    ...Object.entries(rules).flatMap(([field, rule]) => patterns.map(pattern => ({ field, rule, pattern }))),
    ...Object.entries(domainRules).flatMap(([field, rule]) =>
      ['TD', 'TD*', '*'].map(pattern => ({ field, rule, pattern })),
    ),
  ];
  for (const { field, rule, pattern } of all)
    for (const account of accounts) {
      const meant = isFor(rule(pattern.replace('TD', 'here')), `here/${account}`, ['here']);
      for (const written of [...own, 'cluster.local'])
        for (const caller of own) {
          const value = pattern.replace('TD', written);
          const told = `${field} ${value} for ${caller}/${account}`;
          assert.equal(isFor(rule(value), `${caller}/${account}`, own), meant, told);
          both++;
        }
    }
  assert.equal(both, (4 * patterns.length + 4 * 3) * accounts.length * 3 * own.length);
});

test('a foreign trust domain is none of the mesh’s, unless the pattern is for any', () => {
  for (const pattern of patterns)
    for (const written of [...own, 'cluster.local']) {
      const value = pattern.replace('TD', written);
      assert.equal(
        isFor({ from: [{ source: { principals: [value] } }] }, 'foreign/ns/shop/sa/a', own),
        /^\*/.test(value),
        value,
      );
    }
  // A name that is none of the mesh's stands for itself.
  assert.ok(isFor({ from: [{ source: { principals: ['foreign/ns/shop/*'] } }] }, 'foreign/ns/shop/sa/a', own));
  assert.ok(!isFor({ from: [{ source: { principals: ['foreign/ns/shop/*'] } }] }, 'old-td/ns/shop/sa/a', own));
});

test('namespaces and service accounts are those of every name of the trust domain', () => {
  const sources = [{ namespaces: ['shop'] }, { serviceAccounts: ['a'] }, { serviceAccounts: ['shop/a'] }];
  for (const source of sources)
    for (const caller of own) {
      assert.ok(isFor({ from: [{ source }] }, `${caller}/ns/shop/sa/a`, own), JSON.stringify(source));
      assert.ok(!isFor({ from: [{ source }] }, `${caller}/ns/other/sa/b`, own), JSON.stringify(source));
    }
});
