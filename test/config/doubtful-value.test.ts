import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RBAC_Action } from '../../src/proto/generated/envoy/config/rbac/v3.ts';
import type { Rule } from '../../src/proto/generated/istio/security/v1beta1.ts';
import { rbacPolicy } from '../../src/translate/filters/rbac/rule.ts';
import { type Call, mutualTls } from '../simulation/call.ts';
import { verdict } from '../simulation/filters/rbac.ts';
import { requestOf } from '../simulation/route/route.ts';
import { parsed } from './parsed.ts';

const call: Call = {
  direction: 'inbound',
  address: '10.1.0.10',
  port: 8080,
  method: 'GET',
  host: 'web.shop',
  path: '/service/a/health?x=1',
  headers: { cookie: 'a=1; user=x; b=2', 'x-user': 'a' },
  source: '10.0.1.5',
  tls: mutualTls('spiffe://cluster.local/ns/shop/sa/web', 'web.shop'),
  claims: { iss: 'issuer', sub: 'someone', aud: 'app' },
};

function matches(rule: Rule, subject: Call): boolean {
  const policy = rbacPolicy(rule, { tcp: false, allows: true, namespace: 'shop', trustDomains: ['cluster.local'] });
  assert.ok(policy);
  return verdict({ action: RBAC_Action.ALLOW, policies: { it: policy } }, subject, requestOf(subject)).allowed;
}

/** A field of an operation, of a source, or a key of a condition. */
type Where = readonly ['operation' | 'source' | 'when', string];
const operation = (field: string): Where => ['operation', field];
const source = (field: string): Where => ['source', field];
const when = (key: string): Where => ['when', key];

const ruleOf = ([where, name]: Where, value: string): Rule => {
  if (where === 'operation') return { to: [{ operation: { [name]: [value] } }] };
  return where === 'source' ? { from: [{ source: { [name]: [value] } }] } : { when: [{ key: name, values: [value] }] };
};

/** A value that does not match the call which its author means, and one that does. */
const doubtful: readonly (readonly [Where, string, string])[] = [
  [operation('paths'), '/service/*/health', '/service/{*}/health'],
  [operation('paths'), '*service*', '/service*'],
  [operation('paths'), 'service/*', '/service/*'],
  [operation('paths'), '/service/a/health?x=1', '/service/a/health'],
  [operation('paths'), '/service/./a/*', '/service/a/*'],
  [operation('paths'), '/service/../service/*', '/service/*'],
  [operation('paths'), '/sérvice*', '/s*'],
  [operation('methods'), 'get', 'GET'],
  [operation('methods'), 'G*T', 'G*'],
  [operation('methods'), 'GET POST', 'GET'],
  [operation('hosts'), 'http://web.shop', 'web.shop'],
  [operation('hosts'), 'web.shop/', 'web.shop'],
  [operation('hosts'), '*.shop*', '*.shop'],
  [operation('hosts'), 'web.shop:80', 'web.shop'],
  [operation('hosts'), 'web.shop:99999', 'web.shop'],
  [operation('hosts'), 'web. shop', 'WEB.Shop'],
  [operation('ports'), '0', '8080'],
  [source('principals'), 'spiffe://cluster.local/ns/shop/sa/web', 'cluster.local/ns/shop/sa/web'],
  [source('principals'), 'cluster.local/ns/*/sa/web', '*/sa/web'],
  [source('principals'), '*/ns/shop/*', 'cluster.local/ns/shop/*'],
  [source('principals'), 'web', '*/web'],
  [source('principals'), 'shop/web', '*/ns/shop/sa/web'],
  [source('namespaces'), 'Shop', 'shop'],
  [source('namespaces'), 'ns/shop', 'sho*'],
  [source('serviceAccounts'), 'Web', 'web'],
  [source('serviceAccounts'), 'system:serviceaccount:shop:web', 'shop/web'],
  [source('requestPrincipals'), '*/*', '*'],
  [source('requestPrincipals'), 'issuer', 'issuer/someone'],
  [source('requestPrincipals'), 'iss*/someone', '*/someone'],
  [source('ipBlocks'), '::ffff:10.0.1.5', '10.0.1.5'],
  [when('request.headers[cookie]'), '*user=*', 'a=1*'],
  [when('request.headers[x user]'), 'a', ''],
  [when('request.auth.claims[[iss]]'), 'issuer', ''],
  [when('request.auth.claims[iss]'), 'i*r', 'issuer'],
  [when('request.auth.audiences'), '*p*', '*p'],
  [when('request.auth.principal'), 'someone', '*/someone'],
  [when('source.principal'), 'spiffe://cluster.local/ns/shop/sa/*', 'cluster.local/ns/shop/sa/*'],
  [when('source.namespace'), 'ns/shop', 'shop'],
  [when('connection.sni'), '10.0.0.1', 'Web.Shop'],
  [when('connection.sni'), '*eb.sh*', '*.shop'],
  [when('destination.port'), '0', '8080'],
];

const problemsOf = (rule: Rule) =>
  parsed('AuthorizationPolicy', JSON.stringify({ rules: [rule] })).problems.map(({ path, severity }) => [
    path,
    severity,
  ]);

describe('a value that cannot match what it seems to is a warning', () => {
  for (const [where, value, better] of doubtful)
    test(`${where[1]}: ${value}`, () => {
      const found = problemsOf(ruleOf(where, value));
      assert.equal(found.length, 1, JSON.stringify(found));
      assert.equal(found[0]?.[1], 'warning');
      assert.match(found[0]?.[0] ?? '', /^spec\.rules\[0\]\.(?:to|from|when)\[0\]/);
      assert.equal(matches(ruleOf(where, value), call), false);
      if (!better) return;
      assert.deepEqual(problemsOf(ruleOf(where, better)), []);
      assert.equal(matches(ruleOf(where, better), call), true);
    });
});

test('a block with bits of an address in it is more than the address', () => {
  const rule = ruleOf(source('ipBlocks'), '10.0.1.77/24');
  const { problems } = parsed('AuthorizationPolicy', JSON.stringify({ rules: [rule] }));
  assert.match(problems[0]?.message ?? '', /10\.0\.1\.0\/24.*10\.0\.1\.77/);
  assert.equal(matches(rule, call), true);
  for (const block of ['10.0.0.0/8', '0.0.0.0/0', '10.0.1.77/32', '10.0.1.77', '2001:db8::1/64', '128.0.0.0/1'])
    assert.deepEqual(problemsOf(ruleOf(source('ipBlocks'), block)), [], block);
});

test('values that are excepted again match nothing', () => {
  const rule: Rule = { to: [{ operation: { paths: ['/a'], notPaths: ['/a', '/b'] } }] };
  assert.deepEqual(problemsOf(rule), [['spec.rules[0].to[0].operation.paths', 'warning']]);
});

test('what is usual is no cause for a word', () => {
  const rules: readonly Rule[] = [
    {
      to: [
        {
          operation: {
            paths: ['/a', '/a/*', '*/a', '*', '/{*}/a/{**}', '/a%20b', '/a..b'],
            methods: ['GET', 'P*', '*', 'PURGE'],
            hosts: ['a', 'A.example.com', '*.example.com', 'example.*', 'a:8080', '*:8080', 'a:*', '[::1]:8080', '*'],
            ports: ['80', '080'],
          },
        },
      ],
      from: [
        {
          source: {
            principals: ['cluster.local/ns/a/sa/b', 'a/ns/b/*', '*/sa/b', '*'],
            requestPrincipals: ['*', 'https://a/b', 'https://a/*', '*/b', 'https://*'],
            namespaces: ['a', 'a*', '*b', 'a*c', '*'],
            ipBlocks: ['10.0.0.0/8', '::1', '2001:db8::/32'],
          },
        },
        { source: { serviceAccounts: ['a', 'b/c.d'], trustDomains: ['a.b', '*'] } },
      ],
      when: [
        { key: 'request.headers[:authority]', values: ['a*'] },
        { key: 'request.headers[X-User]', values: ['*', 'a', '*b'], notValues: ['c'] },
        { key: 'request.auth.claims[a][b]', values: ['c'] },
        { key: 'request.auth.claims[https://a.b/c]', values: ['c'] },
        { key: 'connection.sni', values: ['a.b', '*.b'] },
        { key: 'experimental.envoy.filters.network.mysql_proxy[db.table]', values: ['[*]', '*x'] },
      ],
    },
  ];
  for (const rule of rules) assert.deepEqual(problemsOf(rule), []);
});

test('a condition on what Istio knows elsewhere says where', () => {
  const said = (key: string) =>
    parsed('AuthorizationPolicy', JSON.stringify({ rules: [{ when: [{ key, values: ['a'] }] }] })).problems[0]
      ?.message ?? '';
  assert.match(said('destination.namespace'), /the selector and the namespace/);
  assert.match(said('destination.labels[app]'), /the selector and the namespace/);
  assert.match(said('request.path'), /"to"/);
  assert.match(said('request.header[x]'), /request\.headers\[NAME\]/);
});

test('attachments and rules for tokens that do nothing, or less than they seem to, are warnings', () => {
  const key = '{"keys": [{"kty": "oct", "k": "AA"}]}';
  const cases: readonly (readonly ['AuthorizationPolicy' | 'RequestAuthentication', object, string])[] = [
    ['AuthorizationPolicy', { selector: { matchLabels: { app: 'a b' } } }, 'spec.selector.matchLabels.app'],
    ['AuthorizationPolicy', { selector: { matchLabels: { 'a/b/c': 'd' } } }, 'spec.selector.matchLabels["a/b/c"]'],
    ['AuthorizationPolicy', { targetRefs: [{ kind: 'Service', name: 'web' }] }, 'spec.targetRefs[0]'],
    [
      'RequestAuthentication',
      { jwtRules: [{ issuer: 'a', jwks: key, jwksUri: 'https://a/keys' }] },
      'spec.jwtRules[0].jwksUri',
    ],
    [
      'RequestAuthentication',
      {
        jwtRules: [
          { issuer: 'a', jwksUri: 'https://a' },
          { issuer: 'a', jwksUri: 'https://b' },
        ],
      },
      'spec.jwtRules[1].issuer',
    ],
  ];
  for (const [kind, spec, path] of cases) {
    const { ok, problems } = parsed(kind, JSON.stringify(spec));
    assert.ok(ok);
    const warned = problems.filter(p => p.severity === 'warning' && !p.message.includes('is private'));
    assert.deepEqual(
      warned.map(p => p.path),
      [path],
      JSON.stringify(problems),
    );
  }
});
