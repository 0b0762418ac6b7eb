import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unpackAs } from '../../src/proto/any.ts';
import { fromJson, toJson } from '../../src/proto/json.ts';
import { orderedHttpFilters } from '../../src/translate/filters/order.ts';
import { rbacPolicy } from '../../src/translate/filters/rbac/rule.ts';
import { expandDomains, withAliases } from '../../src/translate/filters/rbac/trust-domain.ts';
import { securityFilters } from '../../src/translate/filters/security.ts';
import { ROUTER } from '../../src/translate/filters/well-known.ts';
import { providerHosts } from '../../src/translate/provider-cluster.ts';
import { World } from '../model/support.ts';

test('filters stand in one order, whatever the order they are given in', () => {
  const filter = (name: string) => ({ name });
  const ordered = orderedHttpFilters({
    router: ROUTER,
    cors: [filter('cors')],
    authorization: [filter('rbac')],
    authentication: [filter('jwt')],
    customAuthorization: [filter('ext')],
    metadataExchange: [filter('mx')],
    fault: [filter('fault')],
  });
  assert.deepEqual(
    ordered.map(f => f.name),
    ['mx', 'ext', 'jwt', 'rbac', 'fault', 'cors', 'envoy.filters.http.router'],
  );
});

const rule = (spec: object) => {
  const { value, problems } = fromJson('istio.security.v1beta1.Rule', spec);
  assert.deepEqual(problems, []);
  return value;
};
const policy = (spec: object, tcp = false, allows = true) => {
  const made = rbacPolicy(rule(spec), { tcp, allows, namespace: 'shop', trustDomains: ['td'] });
  return made && JSON.parse(JSON.stringify(toJson('envoy.config.rbac.v3.Policy', made)));
};
const principal = (spec: object) => policy({ from: [{ source: spec }] })?.principals[0].and_ids.ids;
const permission = (spec: object) => policy({ to: [{ operation: spec }] })?.permissions[0].and_rules.rules;
const named = (principal_name: object) => ({ authenticated: { principal_name } });
const any = (...ids: object[]) => ({ or_ids: { ids } });

test('what a rule says of callers and calls is what Envoy is told', () => {
  assert.deepEqual(policy({}), {
    permissions: [{ and_rules: { rules: [{ any: true }] } }],
    principals: [{ and_ids: { ids: [{ any: true }] } }],
  });
  const principals: readonly [object, object[]][] = [
    [{ principals: ['a/ns/b/sa/c'] }, [any(named({ exact: 'spiffe://a/ns/b/sa/c' }))]],
    [{ principals: ['*/sa/c'] }, [any(named({ safe_regex: { regex: 'spiffe://.*/sa/c' } }))]],
    [{ principals: ['*'] }, [any(named({ safe_regex: { regex: '.+' } }))]],
    [{ namespaces: ['a.b'] }, [any(named({ safe_regex: { regex: '.*/ns/a\\.b/.*' } }))]],
    [{ serviceAccounts: ['web'] }, [any(named({ safe_regex: { regex: 'spiffe://.+/ns/shop/(.+/|)sa/web(/.+)?' } }))]],
    [{ notNamespaces: ['a'] }, [{ not_id: any(named({ safe_regex: { regex: '.*/ns/a/.*' } })) }]],
    [{ ipBlocks: ['10.0.0.0/8'] }, [any({ direct_remote_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } })]],
    [{ remoteIpBlocks: ['::1'] }, [any({ remote_ip: { address_prefix: '::1', prefix_len: 128 } })]],
    [{ trustDomains: ['a*'] }, [any(named({ safe_regex: { regex: 'spiffe://a[^/]*/.*' } }))]],
  ];
  for (const [spec, expected] of principals) assert.deepEqual(principal(spec), expected, JSON.stringify(spec));
  const rules = (...list: object[]) => ({ or_rules: { rules: list } });
  const header = (name: string, string_match: object) => ({ header: { name, string_match } });
  const permissions: readonly [object, object[]][] = [
    [
      { paths: ['/a', '/b*', '*/c'] },
      [rules(...[{ exact: '/a' }, { prefix: '/b' }, { suffix: '/c' }].map(path => ({ url_path: { path } })))],
    ],
    [
      { methods: ['GET'], notMethods: ['P*'] },
      [rules(header(':method', { exact: 'GET' })), { not_rule: rules(header(':method', { prefix: 'P' })) }],
    ],
    [{ hosts: ['A.com'] }, [rules(header(':authority', { exact: 'A.com', ignore_case: true }))]],
    [{ hosts: ['*'] }, [rules({ header: { name: ':authority', present_match: true } })]],
    [{ ports: ['80'] }, [rules({ destination_port: 80 })]],
  ];
  for (const [spec, expected] of permissions) assert.deepEqual(permission(spec), expected, JSON.stringify(spec));
});

test('what refuses fits every spelling: values of a DENY, exceptions of an ALLOW; the other two stay as narrow as they are written', () => {
  const regexOf = (value: string, allows: boolean): string | undefined => {
    const [values] = policy({ to: [{ operation: { [allows ? 'notHosts' : 'hosts']: [value] } }] }, false, allows)
      .permissions[0].and_rules.rules;
    const [matcher] = (allows ? values.not_rule : values).or_rules.rules;
    return matcher.header.string_match?.safe_regex?.regex;
  };
  for (const allows of [true, false]) {
    for (const [value, fits, others] of [
      [
        'a.com',
        ['a.com', 'A.com', 'a.com.', 'a.com:80', 'x@a.com', 'b,a.com', 'a.com, b'],
        ['a.co', 'xa.com', 'a.com.b', 'aXcom'],
      ],
      ['*.a.com', ['x.a.com', 'x.a.com:1', 'x.y.a.com.'], ['a.com', 'x.a.com.b']],
      ['a.*', ['a.com', 'a.b:80', 'x@a.b'], ['xa.com', 'b.com']],
      ['a.com:8080', ['a.com:8080', 'A.COM:8080'], ['a.com', 'a.com:80']],
    ] as const) {
      const regex = new RegExp(`^(?:${regexOf(value, allows)?.replace('(?i)', '')})$`, 'i');
      for (const host of fits) assert.match(host, regex, value);
      for (const host of others) assert.doesNotMatch(host, regex, value);
    }
    assert.equal(regexOf('*', allows), undefined);
  }
  const deny = (operation: object) => policy({ to: [{ operation }] }, false, false).permissions[0].and_rules.rules;
  assert.deepEqual(deny({ paths: ['*'] }), [{ or_rules: { rules: [{ any: true }] } }]);
  assert.match(JSON.stringify(deny({ paths: ['/a.b/{*}/{**}'] })), /"\/a\\\\.b\/\[\^\/\]\+\/\.\*"/);
  assert.match(JSON.stringify(deny({ notPaths: ['/a/{*}'] })), /uri_template/);
  assert.match(JSON.stringify(deny({ notHosts: ['a.com'] })), /"exact":"a.com"/);
  assert.match(JSON.stringify(permission({ paths: ['/a/{*}'] })), /uri_template/);
});

test('on TCP a rule that allows by HTTP is dropped, one that denies is widened', () => {
  const spec = { to: [{ operation: { paths: ['/a'], ports: ['80'] } }] };
  assert.equal(policy(spec, true, true), undefined);
  assert.deepEqual(policy(spec, true, false)?.permissions, [
    { and_rules: { rules: [{ or_rules: { rules: [{ destination_port: 80 }] } }] } },
  ]);
  assert.equal(policy({ when: [{ key: 'request.headers[a]', values: ['b'] }] }, true), undefined);
  assert.equal(policy({ when: [{ key: 'no.such.key', values: ['b'] }] }), undefined);
});

test('a trust domain’s aliases are names for the same caller', () => {
  const domains = ['new', 'old'];
  const cases: readonly [string, readonly string[]][] = [
    ['old/ns/a/sa/b', ['new/ns/a/sa/b', 'old/ns/a/sa/b']],
    ['cluster.local/ns/a/sa/b', ['new/ns/a/sa/b', 'old/ns/a/sa/b']],
    ['other/ns/a/sa/b', ['other/ns/a/sa/b']],
    ['*/ns/a/sa/b', ['*/ns/a/sa/b']],
    ['*d/ns/a/sa/b', ['new/ns/a/sa/b', '*d/ns/a/sa/b']],
    ['not-spiffe', ['not-spiffe']],
  ];
  for (const [given, expected] of cases) assert.deepEqual(withAliases([given], domains), expected, given);
  assert.deepEqual(expandDomains(['old', 'x', 'new'], domains), ['new', 'old', 'x']);
});

const authorization = (name: string, spec: string, annotations = '') => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: shop${annotations}}
spec: ${spec}
`;

function filters(...objects: string[]) {
  const world = new World(objects.join('---'));
  const { scope, workload } = world.identify('sidecar~10.1.0.1~web-1.shop', {
    NAMESPACE: 'shop',
    LABELS: { app: 'web' },
  });
  return securityFilters(scope.mesh, workload, providerHosts(scope), false);
}

const rbacOf = (found: ReturnType<typeof filters>, index: number) => {
  const config = found.http[index]?.typed_config;
  assert.ok(config);
  return unpackAs('envoy.extensions.filters.http.rbac.v3.RBAC', config);
};

test('AUDIT, DENY and ALLOW are asked in that order; what is only tried goes beside what holds', () => {
  const found = filters(
    authorization('allow', '{rules: [{}]}'),
    authorization('deny', '{action: DENY, rules: [{}]}'),
    authorization('audit', '{action: AUDIT, rules: [{}]}'),
    authorization('try', '{action: DENY, rules: [{}]}', ", annotations: {istio.io/dry-run: 'true'}"),
  );
  assert.deepEqual(
    [0, 1, 2].map(i => Object.keys(rbacOf(found, i).rules?.policies ?? {})),
    [['ns[shop]-policy[audit]-rule[0]'], ['ns[shop]-policy[deny]-rule[0]'], ['ns[shop]-policy[allow]-rule[0]']],
  );
  assert.deepEqual(Object.keys(rbacOf(found, 1).shadow_rules?.policies ?? {}), ['ns[shop]-policy[try]-rule[0]']);
  assert.equal(rbacOf(found, 1).shadow_rules_stat_prefix, 'istio_dry_run_deny_');
  assert.equal(found.tcp.length, 3);
});

test('an ALLOW policy without rules denies all', () => {
  const found = filters(authorization('nothing', '{}'));
  const [only] = Object.values(rbacOf(found, 0).rules?.policies ?? {});
  assert.deepEqual(only?.permissions, [{ not_rule: { any: true } }]);
});

test('where the external authorizer is not to be had, requests are denied and the policy says why', () => {
  const found = filters(authorization('ext', '{action: CUSTOM, provider: {name: gone}, rules: [{}]}'));
  const config = found.customHttp[0]?.typed_config;
  assert.ok(config);
  const { rules } = unpackAs('envoy.extensions.filters.http.rbac.v3.RBAC', config);
  assert.deepEqual(Object.keys(rules?.policies ?? {}), [
    'istio-ext-authz-gone-ns[shop]-policy[ext]-rule[0]-deny-due-to-bad-CUSTOM-action',
  ]);
  assert.deepEqual(
    found.problems.map(p => [p.object, p.path]),
    [['AuthorizationPolicy/shop/ext', 'spec.provider.name']],
  );
});

test('a token that is there must be valid, one that is missing is for the policies to judge', () => {
  const authentication = (name: string, issuer: string) => `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: ${name}, namespace: shop}
spec: {jwtRules: [{issuer: ${issuer}, jwks: '{"keys":[]}'}]}
`;
  const jwt = (...objects: string[]) => {
    const config = filters(...objects).authentication[0]?.typed_config;
    assert.ok(config);
    return unpackAs('envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication', config);
  };
  const one = jwt(authentication('a', 'a'));
  assert.deepEqual(one.rules?.[0]?.requires, {
    requires_any: { requirements: [{ provider_name: 'origins-0' }, { allow_missing: {} }] },
  });
  const two = jwt(authentication('x', 'z'), authentication('y', 'b'));
  assert.deepEqual(
    Object.entries(two.providers ?? {}).map(([name, p]) => [name, p.issuer]),
    [
      ['origins-0', 'b'],
      ['origins-1', 'z'],
    ],
  );
  assert.equal(two.rules?.[0]?.requires?.requires_any?.requirements?.length, 3);
  // Keys that verify nothing would make Envoy reject the listener; in their place stands one that nobody can sign with.
  assert.match(one.providers?.['origins-0']?.local_jwks?.inline_string ?? '', /"kty": "RSA"/);
});
