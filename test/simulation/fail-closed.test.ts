import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import type { Kind } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { objectKey } from '../../src/model/object.ts';
import { unpackAs } from '../../src/proto/any.ts';
import { jwtFilters } from '../../src/translate/filters/jwt.ts';
import { World } from '../../src/world.ts';
import { baseObjects, proxies } from '../property/base-mesh.ts';
import { objectOf } from '../property/objects.ts';
import { messagesOf } from '../support/translation.ts';
import { type Call, mutualTls } from './call.ts';
import { simulate } from './simulate.ts';

/** `Kind name: spec`, in YAML. */
const object = (text: string): RawObject => {
  const [, kind = '', name = '', spec = ''] = /^(\w+) ([\w-]+): (.*)$/s.exec(text) ?? [];
  return objectOf(kind as Kind, name, 'default', { spec: parse(spec) });
};

function storeOf(texts: readonly string[]): ConfigStore {
  const store = new ConfigStore();
  for (const raw of [...baseObjects, ...texts.map(object)]) store.apply({ op: 'upsert', object: raw });
  return store;
}

/** `GET /path`, `GET /path as default/a` (mutual TLS), `GET /path from 10.1.0.7`, `tcp 9000`. */
function callOf(text: string): Call {
  const [, method, path = '/'] = /^([A-Z]+) (\S+)/.exec(text) ?? [];
  const [, port] = /^tcp (\d+)/.exec(text) ?? [];
  const [, namespace, account] = / as (\w+)\/(\w+)/.exec(text) ?? [];
  const [, source] = / from (\S+)/.exec(text) ?? [];
  return {
    direction: 'inbound',
    address: '10.1.0.10',
    port: Number(port ?? 8080),
    host: 'web',
    path,
    ...(method ? { method } : { protocol: 'tcp' }),
    ...(account && { tls: mutualTls(`spiffe://cluster.local/ns/${namespace}/sa/${account}`) }),
    ...(source && { source }),
  };
}

/** Of calls to a server those that its policies refuse, and those that an authorizer is asked about. */
function refusedBy(store: ConfigStore, calls: readonly string[]): readonly string[] {
  const world = new World(store.contents(), { domain: 'cluster.local', clusterId: 'Kubernetes' });
  const server = proxies['server with agent'];
  assert.ok(server);
  const messages = messagesOf(world.of(server).translation);
  return calls.filter(text => {
    const { failure, response } = simulate(messages, callOf(text));
    return failure !== undefined || response?.status === 403;
  });
}

const policy = (spec: string, name = 'it') => `AuthorizationPolicy ${name}: ${spec}`;
const calls = ['GET /a', 'GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'];
const all = calls;

/** What is written, and the calls that are refused: where no valid version is known (at first, after a restart), and after an edit of `valid`. */
interface Case {
  readonly says: string;
  readonly objects: readonly string[];
  /** Paths of errors. */
  readonly errors: readonly string[];
  readonly refused: readonly string[];
  readonly valid: string;
  readonly refusedAfterEdit: readonly string[];
}

const onlyA = policy('{rules: [{to: [{operation: {paths: [/a]}}]}]}');
const notB = policy('{action: DENY, rules: [{to: [{operation: {paths: [/b], ports: ["8080"]}}]}]}');

const cases: readonly Case[] = [
  {
    says: 'the good rules of an ALLOW stay',
    objects: [policy('{rules: [{to: [{operation: {paths: [/a]}}]}, {to: [{operation: {paths: ["/u/{}"]}}]}]}')],
    errors: ['spec.rules[1].to[0].operation.paths[0]'],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
    valid: policy('{rules: [{to: [{operation: {paths: [/b]}}]}]}'),
    refusedAfterEdit: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
  },
  {
    says: 'the good values of an ALLOW stay',
    objects: [policy('{rules: [{to: [{operation: {paths: [/a, "/u/{}"]}}]}]}')],
    errors: ['spec.rules[0].to[0].operation.paths[1]'],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
    valid: policy('{rules: [{}]}'),
    refusedAfterEdit: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
  },
  {
    says: 'an ALLOW of bad rules only allows nothing',
    objects: [policy('{rules: [{form: [{source: {namespaces: [x]}}]}, {when: [{key: nonsense, values: [a]}]}]}')],
    errors: ['spec.rules[0].form', 'spec.rules[1].when[0].key', ''],
    refused: all,
    valid: onlyA,
    refusedAfterEdit: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
  },
  {
    says: 'a DENY keeps its good rules, and a path that is none counts as far as it can be read',
    objects: [
      policy(
        '{action: DENY, rules: [{to: [{operation: {paths: [/b], ports: ["8080"]}}]}, {to: [{operation: {paths: ["/u/{}"], ports: ["8080"]}}]}]}',
      ),
    ],
    errors: ['spec.rules[1].to[0].operation.paths[0]', ''],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a'],
    valid: policy('{action: DENY, rules: [{to: [{operation: {paths: [/a], ports: ["8080"]}}]}]}'),
    refusedAfterEdit: ['GET /a', 'GET /b', 'GET /b as default/a'],
  },
  {
    says: 'a condition of a DENY that cannot be read counts as met, within the others',
    objects: [
      policy(
        '{action: DENY, rules: [{from: [{source: {principals: ["cluster.local/ns/default/sa/a"], ipBlocks: [10.0.0.0/99]}}]}]}',
      ),
    ],
    errors: ['spec.rules[0].from[0].source.ipBlocks[0]', ''],
    refused: ['GET /b as default/a'],
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'a rule of a DENY of which nothing can be read denies everything, until a valid version is known',
    objects: [policy('{action: DENY, rules: [{form: [{source: {namespaces: [x]}}]}]}')],
    errors: ['spec.rules[0].form', ''],
    refused: all,
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'a DENY that says nothing denies nothing, but what its last valid version did',
    objects: [policy('{action: DENY}')],
    errors: ['spec.rules', ''],
    refused: [],
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'a DENY with a field that may be its rules denies everything',
    objects: [policy('{action: DENY, rule: [{to: [{operation: {paths: [/b]}}]}]}')],
    errors: ['spec.rule', 'spec.rules', ''],
    refused: all,
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'one of the values that a DENY makes an exception for is no exception',
    objects: [policy('{action: DENY, rules: [{to: [{operation: {notPaths: [/a, "/u/{}"], ports: ["8080"]}}]}]}')],
    errors: ['spec.rules[0].to[0].operation.notPaths[1]', ''],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a'],
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'an exception of an ALLOW that cannot be read is the rule',
    objects: [policy('{rules: [{to: [{operation: {paths: [/a]}}]}, {to: [{operation: {notPaths: ["/u/{}"]}}]}]}')],
    errors: ['spec.rules[1].to[0].operation.notPaths[0]'],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
    valid: onlyA,
    refusedAfterEdit: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
  },
  {
    says: 'an action that cannot be read denies',
    objects: [policy('{action: deny, rules: [{to: [{operation: {paths: [/b]}}]}]}')],
    errors: ['spec.action', ''],
    refused: all,
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'a DENY whose selector cannot be read is for all whom it may be for',
    objects: [
      policy(
        '{action: DENY, selector: {matchLabels: {app: "w*"}}, rules: [{to: [{operation: {paths: [/a], ports: ["8080"]}}]}]}',
      ),
      policy(
        '{action: DENY, selector: {matchLabels: {app: other, version: 5}}, rules: [{to: [{operation: {paths: [/b], ports: ["8080"]}}]}]}',
        'other',
      ),
    ],
    errors: ['spec.selector.matchLabels.app', ''],
    refused: ['GET /a'],
    valid: notB,
    refusedAfterEdit: ['GET /b', 'GET /b as default/a'],
  },
  {
    says: 'an ALLOW whose selector cannot be read holds where it is alone',
    objects: [policy('{selector: {matchLabels: {app: "w*"}}, rules: [{to: [{operation: {paths: [/a]}}]}]}')],
    errors: ['spec.selector.matchLabels.app', ''],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
    valid: policy('{selector: {matchLabels: {app: client}}, rules: []}'),
    refusedAfterEdit: [],
  },
  {
    says: 'an ALLOW whose selector cannot be read allows nothing beside others',
    objects: [
      policy('{selector: {matchLabels: {app: "w*"}}, rules: [{to: [{operation: {paths: [/b]}}]}]}'),
      policy('{rules: [{to: [{operation: {paths: [/a]}}]}]}', 'other'),
    ],
    errors: ['spec.selector.matchLabels.app', ''],
    refused: ['GET /b', 'GET /u/1', 'GET /b as default/a', 'tcp 9000'],
    valid: policy('{rules: [{to: [{operation: {paths: [/u/*]}}]}]}'),
    refusedAfterEdit: ['GET /b', 'GET /b as default/a', 'tcp 9000'],
  },
  {
    says: 'a PeerAuthentication whose mode cannot be read is STRICT',
    objects: ['PeerAuthentication it: {mtls: {mode: LOOSE}}'],
    errors: ['spec.mtls.mode', ''],
    refused: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
    valid: 'PeerAuthentication it: {mtls: {mode: PERMISSIVE}}',
    refusedAfterEdit: [],
  },
  {
    says: 'a port of a PeerAuthentication that cannot be read is STRICT, and the rest of it holds',
    objects: [
      'PeerAuthentication it: {selector: {matchLabels: {app: web}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: X}, 9000: {mode: DISABLE}}}',
    ],
    errors: ['spec.portLevelMtls["8080"].mode', ''],
    refused: ['GET /a', 'GET /b', 'GET /u/1'],
    valid:
      'PeerAuthentication it: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: PERMISSIVE}}}',
    refusedAfterEdit: [],
  },
  {
    says: 'a STRICT PeerAuthentication stays STRICT beside ports that are none',
    objects: [
      'PeerAuthentication it: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {http: {mode: DISABLE}}}',
    ],
    errors: ['spec.portLevelMtls.http', ''],
    refused: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
    valid: 'PeerAuthentication it: {mtls: {mode: PERMISSIVE}}',
    refusedAfterEdit: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
  },
  {
    says: 'a STRICT PeerAuthentication whose selector cannot be read is for all, before one for the namespace',
    objects: [
      'PeerAuthentication it: {selector: {matchLabels: {app: "w*"}}, mtls: {mode: STRICT}}',
      'PeerAuthentication all: {mtls: {mode: PERMISSIVE}}',
    ],
    errors: ['spec.selector.matchLabels.app', ''],
    refused: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
    valid: 'PeerAuthentication it: {selector: {matchLabels: {app: web}}, mtls: {mode: PERMISSIVE}}',
    refusedAfterEdit: [],
  },
  {
    says: 'a PERMISSIVE PeerAuthentication whose selector cannot be read is for nobody',
    objects: [
      'PeerAuthentication it: {selector: {matchLabels: {app: "w*"}}, mtls: {mode: PERMISSIVE}}',
      'PeerAuthentication all: {mtls: {mode: STRICT}}',
    ],
    errors: ['spec.selector.matchLabels.app'],
    refused: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
    valid: 'PeerAuthentication it: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}',
    refusedAfterEdit: ['GET /a', 'GET /b', 'GET /u/1', 'tcp 9000'],
  },
];

const errorsOf = (store: ConfigStore, { kind, metadata }: RawObject): readonly string[] => {
  const problems = store.contents().problems.get(objectKey(kind, metadata.namespace ?? '', metadata.name)) ?? [];
  return [...new Set(problems.filter(problem => problem.severity === 'error').map(problem => problem.path))];
};

describe('what cannot be read never allows more', () => {
  for (const { says, objects, errors, refused, valid, refusedAfterEdit } of cases)
    test(says, () => {
      const first = storeOf(objects);
      const [it] = objects.map(object);
      assert.ok(it);
      assert.deepEqual(errorsOf(first, it), errors);
      assert.deepEqual(refusedBy(first, calls), refused, 'at first');
      const edited = storeOf([valid, ...objects.slice(1)]);
      assert.deepEqual(errorsOf(edited, it), []);
      edited.apply({ op: 'upsert', object: it });
      assert.deepEqual(refusedBy(edited, calls), refusedAfterEdit, 'after an edit');
    });
});

/** Whose tokens are looked for where (`issuer at header x`), and `refused` where none of them is valid. */
function tokensOf(store: ConfigStore): readonly string[] {
  const [filter] = jwtFilters([...store.contents().RequestAuthentication.values()], new Map(), false);
  if (!filter?.typed_config) return [];
  const { providers = {} } = unpackAs(JWT, filter.typed_config);
  return Object.values(providers).map(({ issuer, audiences = [], from_headers = [], from_params = [], local_jwks }) => {
    const places = [...from_headers.map(h => `header ${h.name}`), ...from_params.map(p => `parameter ${p}`)];
    const valid = local_jwks?.inline_string === KEYS;
    return [
      issuer || 'anybody',
      ...audiences.map(a => `for ${a}`),
      ...places.map(p => `at ${p}`),
      ...(valid ? [] : ['refused']),
    ].join(' ');
  });
}

const JWT = 'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication';
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const KEYS = JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] });
const jwt = (...rules: readonly string[]) =>
  `RequestAuthentication it: {jwtRules: [${rules.map(rule => rule.replace('KEYS', `'${KEYS}'`)).join()}]}`;
const good = '{issuer: good, jwks: KEYS}';

/** What is written, its errors, and its tokens where no valid version is known, and after an edit of one with the rules of `good` and `bad`. */
const authentications: readonly (readonly [
  says: string,
  written: string,
  errors: readonly string[],
  first: readonly string[],
  edited: readonly string[],
])[] = [
  [
    'keys that are none',
    jwt(good, '{issuer: bad, jwks: "{"}'),
    ['spec.jwtRules[1].jwks', ''],
    ['bad refused', 'good'],
    ['bad', 'good'],
  ],
  [
    'keys of which none is of use',
    jwt(good, `{issuer: bad, jwks: '{"keys": [{"kty": "RSA"}]}'}`),
    ['spec.jwtRules[1].jwks', ''],
    ['bad refused', 'good'],
    ['bad', 'good'],
  ],
  [
    'an issuer that is none',
    jwt(good, '{issuer: 12, jwks: KEYS}'),
    ['spec.jwtRules[1].issuer', ''],
    ['anybody refused', 'good'],
    ['bad', 'good'],
  ],
  [
    'an unknown field',
    jwt(good, '{issuer: bad, audience: [a], jwks: KEYS}'),
    ['spec.jwtRules[1].audience', ''],
    ['bad refused', 'good'],
    ['bad', 'good'],
  ],
  ['a rule that is none', jwt(good, '12'), ['spec.jwtRules[1]', ''], ['anybody refused', 'good'], ['bad', 'good']],
  ['no rules', 'RequestAuthentication it: {jwtRule: []}', ['spec.jwtRule', ''], ['anybody refused'], ['bad', 'good']],
  [
    'a selector',
    `RequestAuthentication it: {selector: {matchLabels: {app: "*"}}, ${jwt(good).slice(27)}`,
    ['spec.selector.matchLabels.app', ''],
    ['good refused'],
    ['bad', 'good'],
  ],
  [
    'one audience of several',
    jwt('{issuer: good, audiences: ["", a], jwks: KEYS}'),
    ['spec.jwtRules[0].audiences[0]'],
    ['good for a'],
    ['good for a'],
  ],
  [
    'the only audience',
    jwt('{issuer: good, audiences: [""], jwks: KEYS}'),
    ['spec.jwtRules[0].audiences[0]', ''],
    ['good refused'],
    ['bad', 'good'],
  ],
  [
    'one place of several',
    jwt('{issuer: good, fromHeaders: [{name: "a b"}, {name: x}], jwks: KEYS}'),
    ['spec.jwtRules[0].fromHeaders[0].name'],
    ['good at header x'],
    ['good at header x'],
  ],
  [
    'the only place of a kind',
    jwt('{issuer: good, fromHeaders: [{name: "a b"}], fromParams: [p], jwks: KEYS}'),
    ['spec.jwtRules[0].fromHeaders[0].name', ''],
    ['good at parameter p refused'],
    ['bad', 'good'],
  ],
  ['a time limit', jwt('{issuer: good, timeout: 0s, jwks: KEYS}'), ['spec.jwtRules[0].timeout'], ['good'], ['good']],
];

describe('a RequestAuthentication never takes a token for valid because something cannot be read', () => {
  for (const [says, written, errors, tokens, tokensAfterEdit] of authentications)
    test(says, () => {
      const it = object(written);
      const first = storeOf([written]);
      assert.deepEqual(errorsOf(first, it), errors);
      assert.deepEqual(tokensOf(first), tokens, 'at first');
      const edited = storeOf([jwt(good, '{issuer: bad, jwks: KEYS}')]);
      assert.deepEqual(tokensOf(edited), ['bad', 'good']);
      edited.apply({ op: 'upsert', object: it });
      assert.deepEqual(tokensOf(edited), tokensAfterEdit, 'after an edit');
    });
});

test('who has no valid token stays without one: a DENY of them holds', () => {
  const deny = policy(
    '{action: DENY, rules: [{from: [{source: {notRequestPrincipals: ["*"]}}], to: [{operation: {ports: ["8080"]}}]}]}',
  );
  assert.deepEqual(refusedBy(storeOf([jwt('{issuer: bad, jwks: "{"}'), deny]), calls), calls.slice(0, -1));
});

/** Where calls of an application go: the cluster, and the names that its server must have where it speaks TLS. */
function goesTo(store: ConfigStore, [address, host, port]: readonly [string, string, number]): string {
  const world = new World(store.contents(), { domain: 'cluster.local', clusterId: 'Kubernetes' });
  const client = proxies['client with agent'];
  assert.ok(client);
  const messages = messagesOf(world.of(client).translation);
  const { choices, transport, subjectAltNames } = simulate(messages, { direction: 'outbound', address, host, port });
  const cluster = choices?.[0]?.cluster ?? BLACK_HOLE;
  if (cluster === BLACK_HOLE) return 'nowhere';
  return transport ? `${cluster} by TLS with ${subjectAltNames ?? 'any'}` : cluster;
}

const OUTSIDE = ['192.0.2.9', 'elsewhere.example.org', 80] as const;
const WEB = ['10.96.0.10', 'web', 80] as const;
const web = 'outbound|80||web.default.svc.cluster.local by TLS with spiffe://cluster.local/ns/default/sa/web';
const BLACK_HOLE = 'BlackHoleCluster';
const PASSTHROUGH = 'PassthroughCluster';

/** What is written, its errors, where a call goes where no valid version is known, and after an edit of a valid version. */
const outgoing: readonly (readonly [
  says: string,
  written: string,
  errors: readonly string[],
  call: readonly [string, string, number],
  first: string,
  valid: string,
  edited: string,
])[] = [
  [
    'a Sidecar that is REGISTRY_ONLY stays it, whatever else is wrong',
    'Sidecar it: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: [nonsense]}]}',
    ['spec.egress[0].hosts[0]', 'spec.egress[0].hosts', 'spec.egress', ''],
    OUTSIDE,
    'nowhere',
    'Sidecar it: {outboundTrafficPolicy: {mode: ALLOW_ANY}, egress: [{hosts: ["./*"]}]}',
    'nowhere',
  ],
  [
    'a mode that cannot be read is REGISTRY_ONLY, or what it was',
    'Sidecar it: {outboundTrafficPolicy: {mode: SOME}}',
    ['spec.outboundTrafficPolicy.mode', ''],
    OUTSIDE,
    'nowhere',
    'Sidecar it: {outboundTrafficPolicy: {mode: ALLOW_ANY}}',
    PASSTHROUGH,
  ],
  [
    'an egress proxy that cannot be read is not gone around',
    'Sidecar it: {outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: "a b"}}}',
    ['spec.outboundTrafficPolicy.egressProxy.host', 'spec.outboundTrafficPolicy.egressProxy.port', ''],
    OUTSIDE,
    'nowhere',
    'Sidecar it: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}',
    'nowhere',
  ],
  [
    'a field that is not known may be any that is not there',
    'Sidecar it: {outboundTraficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ["*/*"]}]}',
    ['spec.outboundTraficPolicy', ''],
    OUTSIDE,
    'nowhere',
    'Sidecar it: {egress: [{hosts: ["./*"]}]}',
    PASSTHROUGH,
  ],
  [
    'an egress of which nothing can be read shows nothing, or what it did',
    'Sidecar it: {egress: [{hosts: [nonsense]}]}',
    ['spec.egress[0].hosts[0]', 'spec.egress[0].hosts', 'spec.egress', ''],
    WEB,
    PASSTHROUGH,
    'Sidecar it: {egress: [{hosts: ["./*"]}]}',
    web,
  ],
  [
    'a listener in the wrong place shows its hosts',
    'Sidecar it: {egress: [{hosts: ["./*"]}, {port: {number: 81, protocol: HTTP}, hosts: ["other/*"]}]}',
    ['spec.egress', ''],
    WEB,
    web,
    'Sidecar it: {egress: [{hosts: ["other/*"]}]}',
    PASSTHROUGH,
  ],
  [
    'a Sidecar whose selector cannot be read is for all whom it may be for',
    'Sidecar it: {workloadSelector: {labels: {app: "c*"}}, egress: [{hosts: ["other/*"]}]}',
    ['spec.workloadSelector.labels.app', ''],
    WEB,
    PASSTHROUGH,
    'Sidecar it: {workloadSelector: {labels: {app: client}}, egress: [{hosts: ["./*"]}]}',
    web,
  ],
  [
    'the mesh is REGISTRY_ONLY where its mode cannot be read',
    'MeshConfig istio: {outboundTrafficPolicy: {mode: REGISTRY}}',
    ['outboundTrafficPolicy.mode', ''],
    OUTSIDE,
    'nowhere',
    'MeshConfig istio: {outboundTrafficPolicy: {mode: ALLOW_ANY}}',
    PASSTHROUGH,
  ],
  [
    'and where nothing of it can be read',
    'MeshConfig istio: text',
    ['spec', ''],
    OUTSIDE,
    'nowhere',
    'MeshConfig istio: {}',
    PASSTHROUGH,
  ],
  [
    'TLS that cannot be read is no plaintext',
    'DestinationRule outside: {host: outside.example.com, trafficPolicy: {tls: {mode: SIMPEL}}}',
    ['spec.trafficPolicy.tls.mode', ''],
    ['240.240.0.1', 'outside.example.com', 80],
    'outbound|80||outside.example.com by TLS with nobody.invalid',
    'DestinationRule outside: {host: outside.example.com, trafficPolicy: {tls: {mode: SIMPLE, sni: a}}}',
    'outbound|80||outside.example.com by TLS with any',
  ],
  [
    'TLS with a field that is not known may be one that checks more',
    'DestinationRule outside: {host: outside.example.com, trafficPolicy: {tls: {mode: SIMPLE, subjectAltName: [a]}}}',
    ['spec.trafficPolicy.tls.subjectAltName', ''],
    ['240.240.0.1', 'outside.example.com', 80],
    'outbound|80||outside.example.com by TLS with nobody.invalid',
    'DestinationRule outside: {host: outside.example.com, trafficPolicy: {tls: {mode: SIMPLE, subjectAltNames: [b]}}}',
    'outbound|80||outside.example.com by TLS with b',
  ],
  [
    'TLS of a port that cannot be read is no plaintext',
    'DestinationRule outside: {host: outside.example.com, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: text}]}}',
    ['spec.trafficPolicy.portLevelSettings[0].tls', ''],
    ['240.240.0.1', 'outside.example.com', 80],
    'outbound|80||outside.example.com by TLS with nobody.invalid',
    'DestinationRule outside: {host: outside.example.com}',
    'outbound|80||outside.example.com',
  ],
  [
    'TLS is not lost where it cannot be read to whom a rule is exported',
    'DestinationRule outside: {host: outside.example.com, exportTo: ["a b"], trafficPolicy: {tls: {mode: SIMPLE, subjectAltNames: [b]}}}',
    ['spec.exportTo[0]', ''],
    ['240.240.0.1', 'outside.example.com', 80],
    'outbound|80||outside.example.com by TLS with b',
    'DestinationRule outside: {host: outside.example.com}',
    'outbound|80||outside.example.com',
  ],
];

describe('what cannot be read lets nothing out', () => {
  for (const [says, written, errors, call, first, valid, edited] of outgoing)
    test(says, () => {
      const it = object(written);
      const store = storeOf([written]);
      assert.deepEqual(errorsOf(store, it), errors);
      assert.equal(goesTo(store, call), first, 'at first');
      const after = storeOf([valid]);
      assert.deepEqual(errorsOf(after, object(valid)), []);
      after.apply({ op: 'upsert', object: it });
      assert.equal(goesTo(after, call), edited, 'after an edit');
    });
});

test('a server of a Gateway of which a part cannot be read is not opened', () => {
  const server = (rest: string) =>
    `Gateway edge: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: x, protocol: HTTPS}, hosts: ["*"], ${rest}}, {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}`;
  const ports = (text: string) => {
    const world = new World(storeOf([text]).contents(), { domain: 'cluster.local', clusterId: 'Kubernetes' });
    const gateway = proxies['gateway'];
    assert.ok(gateway);
    return messagesOf(world.of(gateway).translation).listeners.map(l => l.address?.socket_address?.port_value);
  };
  const mutual = 'mode: MUTUAL, credentialName: c';
  assert.deepEqual(ports(server(`tls: {${mutual}}`)), [8443, 8080]);
  const spoiled = [
    'tls: {mode: MUTAL, credentialName: c}',
    `tls: {${mutual}, subjectAltName: [a]}`,
    `tls: {${mutual}, subjectAltNames: a}`,
    `tls: {${mutual}, minProtocolVersion: TLSV9}`,
    `tsl: {${mutual}}`,
    'tls: text',
    'tls: {mode: MUTUAL, serverCertificate: /a, privateKey: /b}',
  ];
  for (const rest of spoiled) assert.deepEqual(ports(server(rest)), [8080], rest);
});
