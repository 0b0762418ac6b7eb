import { table } from './parsed.ts';

table('PeerAuthentication', [
  [
    'a whole one',
    '{selector: {matchLabels: {a: b}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}',
    [],
  ],
  ['ports without selector', '{portLevelMtls: {8080: {mode: DISABLE}}}', ['spec.portLevelMtls']],
  ['mode', '{mtls: {mode: LOOSE}}', ['spec.mtls.mode']],
  ['port', '{selector: {matchLabels: {a: b}}, portLevelMtls: {0: {mode: STRICT}}}', ['spec.portLevelMtls["0"]']],
  ['wildcard', '{selector: {matchLabels: {a: "*"}}}', ['spec.selector.matchLabels.a']],
]);

const rule = (fields: string, rest = '') => `{${rest} rules: [{${fields}}]}`;
const at = 'spec.rules[0]';

table('AuthorizationPolicy', [
  ['allow nothing', '{}', []],
  [
    'a whole one',
    rule(
      'from: [{source: {principals: ["*/sa/a"], namespaces: [ns], ipBlocks: [10.0.0.0/8]}}], to: [{operation: {methods: [GET], paths: ["/a/*", "/b/{*}/c/{**}"], ports: ["80"]}}], when: [{key: "request.headers[a]", values: [b]}]',
    ),
    [],
  ],
  ['every request', rule(''), []],
  ['DENY without rules', '{action: DENY}', ['spec.rules']],
  ['CUSTOM without provider', rule('', 'action: CUSTOM,'), ['spec.provider.name']],
  [
    'CUSTOM by principal',
    rule(
      'from: [{source: {principals: [a]}}], when: [{key: source.principal, values: [a]}]',
      'action: CUSTOM, provider: {name: p},',
    ),
    [`${at}.from[0].source.principals`, `${at}.when[0].key`],
  ],
  ['provider', rule('', 'provider: {name: p},'), ['spec.provider']],
  ['empty parts', rule('from: [], to: [{}], when: [{}]'), [`${at}.to[0].operation`, `${at}.when[0].key`]],
  ['empty source', rule('from: [{source: {}}]'), [`${at}.from[0].source`]],
  [
    'addresses',
    rule('from: [{source: {ipBlocks: [10.0.0.0/99], notRemoteIpBlocks: [x]}}]'),
    [`${at}.from[0].source.ipBlocks[0]`, `${at}.from[0].source.notRemoteIpBlocks[0]`],
  ],
  [
    'service accounts',
    rule('from: [{source: {serviceAccounts: ["a/b/c", "*"], namespaces: [a]}}]'),
    [
      `${at}.from[0].source.serviceAccounts[0]`,
      `${at}.from[0].source.serviceAccounts[1]`,
      `${at}.from[0].source.namespaces`,
    ],
  ],
  [
    'trust domains',
    rule('from: [{source: {trustDomains: ["a*b", "a/b", "*.ok"]}}]'),
    [`${at}.from[0].source.trustDomains[0]`, `${at}.from[0].source.trustDomains[1]`],
    'valid',
  ],
  [
    'ports and paths',
    rule('to: [{operation: {ports: [http, "70000"], paths: ["/{**}/{*}", "/a{*}", ""]}}]'),
    [
      `${at}.to[0].operation.ports[0]`,
      `${at}.to[0].operation.ports[1]`,
      `${at}.to[0].operation.paths[0]`,
      `${at}.to[0].operation.paths[1]`,
      `${at}.to[0].operation.paths[2]`,
    ],
  ],
  [
    'conditions',
    rule(
      'when: [{key: nonsense, values: [a]}, {key: source.ip, values: [x]}, {key: "request.headers[]", values: [a]}, {key: destination.port}]',
    ),
    [`${at}.when[0].key`, `${at}.when[1].values[0]`, `${at}.when[2].key`, `${at}.when[3]`],
  ],
  ['an unknown field in a rule', rule('form: [{source: {principals: [a]}}]'), [`${at}.form`]],
  ['a rule that is none', '{rules: [null, 12]}', ['spec.rules[0]', 'spec.rules[1]']],
  ['action', '{action: MAYBE}', ['spec.action']],
  [
    'two attachments',
    '{selector: {matchLabels: {a: b}}, targetRefs: [{kind: Pod, name: p}]}',
    ['spec.targetRefs', 'spec.targetRefs[0].kind'],
  ],
]);
const dryRun = 'metadata.annotations["istio.io/dry-run"]';
table('AuthorizationPolicy', [['dry run of CUSTOM', rule('', 'action: CUSTOM, provider: {name: p},'), [dryRun]]], {
  annotations: { 'istio.io/dry-run': 'true' },
});
table('AuthorizationPolicy', [['dry run perhaps', rule(''), [dryRun]]], {
  annotations: { 'istio.io/dry-run': 'perhaps' },
});

const jwt = (fields: string) => `{jwtRules: [{${fields}}]}`;

table('RequestAuthentication', [
  ['a whole one', jwt(`issuer: a, jwks: '{"keys":[{"kty":"RSA","n":"x","e":"AQAB"}]}'`), []],
  ['no issuer', jwt('audiences: [a]'), ['spec.jwtRules[0].issuer']],
  ['URI', jwt('issuer: a, jwksUri: "ftp://a"'), ['spec.jwtRules[0].jwksUri']],
  ['keys that are none', jwt('issuer: a, jwks: "{"'), ['spec.jwtRules[0].jwks']],
  [
    'empty values',
    jwt(
      'issuer: a, audiences: [""], fromParams: [""], fromHeaders: [{name: ""}], outputClaimToHeaders: [{header: "a b"}], timeout: 0s',
    ),
    [
      'spec.jwtRules[0].audiences[0]',
      'spec.jwtRules[0].fromParams[0]',
      'spec.jwtRules[0].fromHeaders[0].name',
      'spec.jwtRules[0].outputClaimToHeaders[0].claim',
      'spec.jwtRules[0].outputClaimToHeaders[0].header',
      'spec.jwtRules[0].timeout',
    ],
  ],
]);

table('Telemetry', [
  [
    'a whole one',
    '{tracing: [{providers: [{name: zipkin}], randomSamplingPercentage: 10}], accessLogging: [{disabled: true}], metrics: [{providers: [{name: prometheus}]}]}',
    [],
  ],
  [
    'sampling',
    '{tracing: [{randomSamplingPercentage: 101, customTags: {a: {literal: {}}}}]}',
    ['spec.tracing[0].randomSamplingPercentage', 'spec.tracing[0].customTags.a.literal.value'],
    'valid',
  ],
  ['providers', '{accessLogging: [{providers: [{}]}]}', ['spec.accessLogging[0].providers[0].name'], 'valid'],
  [
    'tags',
    '{metrics: [{overrides: [{tagOverrides: {a: {operation: UPSERT}, b: {operation: REMOVE, value: c}}}]}]}',
    ['spec.metrics[0].overrides[0].tagOverrides.a.value', 'spec.metrics[0].overrides[0].tagOverrides.b.value'],
    'valid',
  ],
]);

table('MeshConfig', [
  ['a whole one', '{accessLogFile: /dev/stdout, connectTimeout: 5s, outboundTrafficPolicy: {mode: REGISTRY_ONLY}}', []],
  [
    'settings that are invalid',
    '{connectTimeout: 2h, protocolDetectionTimeout: -1s, trustDomain: "a b", proxyListenPort: 99999, trustDomainAliases: [ok, "?"]}',
    ['connectTimeout', 'protocolDetectionTimeout', 'trustDomain', 'proxyListenPort', 'trustDomainAliases[1]'],
    'valid',
  ],
  [
    'roots that are none, are elsewhere, or of no trust domain',
    '{caCertificates: [{pem: x}, {spiffeBundleUrl: "https://partner.example"}, {}, {pem: y, trustDomains: ["a b"]}]}',
    [
      'caCertificates[0].pem',
      'caCertificates[1].spiffeBundleUrl',
      'caCertificates[2].pem',
      'caCertificates[3].pem',
      'caCertificates[3].trustDomains[0]',
    ],
    'valid',
  ],
  ['a wrong type', '{accessLogFile: 12, unknown: 1}', ['accessLogFile'], 'valid'],
  ['no settings', '12', ['spec']],
]);
