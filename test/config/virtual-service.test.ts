import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsed, specOf, table } from './parsed.ts';

const to = 'route: [{destination: {host: reviews}}]';
const http = (route: string) => `{hosts: [reviews], http: [{${route}}, {name: other, ${to}}]}`;
const l4 = (kind: string, route: string) =>
  `{hosts: [a.com], ${kind}: [{${route}}, {match: [{sniHosts: [a.com]}], ${to}}]}`;

table('VirtualService', [
  ['a whole one', `{hosts: [reviews, reviews.default.svc.cluster.local, "*.a.com"], http: [{${to}}]}`, []],
  ['a delegate', `{http: [{${to}}]}`, []],
  ['a delegate with gateways', `{gateways: [g], http: [{${to}}]}`, ['spec.gateways']],
  ['nothing', '{}', ['spec']],
  ['no routes', '{hosts: [a]}', ['spec']],
  ['not an object', '12', ['spec']],
  [
    'hosts that are none',
    `{hosts: [a, "a b", a_b.com, "", 1.2.3.4.5], http: [{${to}}]}`,
    ['spec.hosts[1]', 'spec.hosts[2]', 'spec.hosts[3]', 'spec.hosts[4]'],
    'valid',
  ],
  ['only hosts that are none', `{hosts: ["a b"], http: [{${to}}]}`, ['spec.hosts[0]', 'spec.hosts']],
  ['an address as host', `{hosts: [10.0.0.1], http: [{${to}}]}`, []],
  ['hosts that overlap', `{hosts: ["*.com", a.com, b.org], http: [{${to}}]}`, []],
  ['a host twice', `{hosts: [a.com, a.com], http: [{${to}}]}`, ['spec.hosts[1]'], 'valid'],
  ['* in the mesh', `{hosts: ["*"], http: [{${to}}]}`, ['spec.hosts', 'spec.hosts[0]']],
  ['* at a gateway', `{hosts: ["*"], gateways: [ns/gw], http: [{${to}}]}`, []],
  [
    'gateways that are none',
    `{hosts: [a], gateways: [Bad_Name, a/b/c], http: [{${to}}]}`,
    ['spec.gateways[0]', 'spec.gateways[1]'],
  ],
  ['exportTo', `{hosts: [a], exportTo: ["*", ns], http: [{${to}}]}`, ['spec.exportTo']],
  ['exportTo nobody', `{hosts: [a], exportTo: ["~"], http: [{${to}}]}`, ['spec.exportTo[0]']],
  ['an unknown field', `{hosts: [a], httpp: 1, http: [{${to}, timeOut: 1s}]}`, []],
  [
    'an unknown field that would narrow',
    http(`match: [{header: {a: {exact: b}}}], ${to}`),
    ['spec.http[0].match', 'spec.http[0].match[0].header'],
    'valid',
  ],
  ['no action', http('name: a'), ['spec.http[0]'], 'valid'],
  ['redirect and route', http(`redirect: {uri: /}, ${to}`), ['spec.http[0].route'], 'valid'],
  ['redirect to nowhere', http('redirect: {}'), ['spec.http[0].redirect'], 'valid'],
  [
    'redirect with a bad code, scheme and port',
    http('redirect: {uri: /, redirectCode: 200, scheme: ftp, port: 70000}'),
    ['spec.http[0].redirect.redirectCode', 'spec.http[0].redirect.scheme', 'spec.http[0].redirect.port'],
    'valid',
  ],
  ['direct response', http('directResponse: {status: 99}'), ['spec.http[0].directResponse.status'], 'valid'],
  ['delegate beside route', http(`delegate: {name: d}, ${to}`), ['spec.http[0].route'], 'valid'],
  ['empty rewrite', http(`rewrite: {}, ${to}`), []],
  [
    'regex rewrite',
    http(`rewrite: {uriRegexRewrite: {match: "^/(a)/(?!b)", rewrite: '/\\2'}}, ${to}`),
    ['spec.http[0].rewrite.uriRegexRewrite.match', 'spec.http[0].rewrite.uriRegexRewrite.rewrite'],
    'valid',
  ],
  [
    'regex rewrite that is fine',
    http(`rewrite: {uriRegexRewrite: {match: "^/(?:x|(a))/([(]b)", rewrite: '/\\2\\1\\0'}}, ${to}`),
    [],
  ],
  ['authority twice', http(`rewrite: {authority: a}, headers: {request: {set: {Host: b}}}, ${to}`), []],
  [
    'negative weight',
    http('route: [{destination: {host: a}, weight: -1}, {destination: {host: b}, weight: 1}]'),
    ['spec.http[0].route[0].weight'],
    'valid',
  ],
  [
    'weights that are all 0',
    http('route: [{destination: {host: a}}, {destination: {host: b}}]'),
    ['spec.http[0].route'],
    'valid',
  ],
  [
    'weight of a wrong type',
    http('route: [{destination: {host: a}, weight: x}]'),
    ['spec.http[0].route', 'spec.http[0].route[0].weight'],
    'valid',
  ],
  [
    'destination',
    http('route: [{destination: {host: "*", subset: "a b", port: {number: 0}}}]'),
    [
      'spec.http[0].route',
      'spec.http[0].route[0].destination.host',
      'spec.http[0].route[0].destination.subset',
      'spec.http[0].route[0].destination.port.number',
    ],
    'valid',
  ],
  [
    'no destination',
    http('route: [{weight: 1}]'),
    ['spec.http[0].route', 'spec.http[0].route[0].destination'],
    'valid',
  ],
  ['timeout', http(`timeout: 0.5ms, ${to}`), ['spec.http[0].timeout'], 'valid'],
  ['timeout that is none', http(`timeout: soon, ${to}`), ['spec.http[0].timeout'], 'valid'],
  [
    'retries',
    http(`retries: {attempts: -1, perTryTimeout: -1s, retryOn: "5xx,often"}, ${to}`),
    ['spec.http[0].retries.attempts', 'spec.http[0].retries.perTryTimeout', 'spec.http[0].retries.retryOn'],
    'valid',
  ],
  ['retries without attempts are none', http(`retries: {retryOn: 5xx}, ${to}`), []],
  [
    'fault',
    http(
      `fault: {abort: {httpStatus: 1000, percentage: {value: 101}}, delay: {fixedDelay: 0s, percentage: {value: 0.00001}}}, ${to}`,
    ),
    [
      'spec.http[0].fault.abort.httpStatus',
      'spec.http[0].fault.abort.percentage.value',
      'spec.http[0].fault.delay.fixedDelay',
      'spec.http[0].fault.delay.percentage.value',
    ],
    'valid',
  ],
  ['gRPC fault', http(`fault: {abort: {grpcStatus: NOPE}}, ${to}`), ['spec.http[0].fault.abort.grpcStatus'], 'valid'],
  [
    'CORS',
    http(
      `corsPolicy: {allowOrigins: [{regex: "["}, {exact: ""}], allowMethods: [FETCH], allowHeaders: ["a b"], maxAge: 1.5s}, ${to}`,
    ),
    [
      'spec.http[0].corsPolicy.allowOrigins[0].regex',
      'spec.http[0].corsPolicy.allowOrigins[1]',
      'spec.http[0].corsPolicy.allowMethods[0]',
      'spec.http[0].corsPolicy.allowHeaders[0]',
      'spec.http[0].corsPolicy.maxAge',
    ],
    'valid',
  ],
  [
    'mirror',
    http(`mirror: {host: b}, mirrorPercentage: {value: 200}, ${to}`),
    ['spec.http[0].mirror', 'spec.http[0].mirrorPercentage.value'],
    'valid',
  ],
  [
    'one of two mirrors',
    http(`mirrors: [{destination: {host: b}}, {percentage: {value: -1}}], ${to}`),
    ['spec.http[0].mirrors[1].destination', 'spec.http[0].mirrors[1].percentage.value'],
    'valid',
  ],
  [
    'headers',
    http(`headers: {request: {set: {":path": a, ok: "%START"}, remove: [Host]}, response: {add: {"a b": c}}}, ${to}`),
    [
      'spec.http[0].headers.request.set.:path',
      'spec.http[0].headers.request.set.ok',
      'spec.http[0].headers.request.remove[0]',
      'spec.http[0].headers.response.add.a b',
    ],
    'valid',
  ],
  [
    'header values that are fine',
    http(
      `headers: {request: {set: {a: "100%%", b: "x %HOSTNAME% y", c: '%DYNAMIC_METADATA(["a", "b"])%', d: "%REQ(X)%%%"}}}, ${to}`,
    ),
    [],
  ],
  [
    'uri regex',
    http(`match: [{uri: {regex: "(?=a)"}}], ${to}`),
    ['spec.http[0].match', 'spec.http[0].match[0].uri.regex'],
    'valid',
  ],
  [
    'one of two matches',
    http(`match: [{uri: {regex: "("}}, {uri: {prefix: /a}}], ${to}`),
    ['spec.http[0].match[0].uri.regex'],
    'valid',
  ],
  [
    'two members of a oneof',
    http(`match: [{uri: {prefix: /a, exact: /b}}], ${to}`),
    ['spec.http[0].match', 'spec.http[0].match[0].uri.exact'],
    'valid',
  ],
  [
    'empty prefixes',
    http(`match: [{uri: {prefix: ""}}, {method: {prefix: ""}}], ${to}`),
    ['spec.http[0].match[1].method.prefix'],
    'valid',
  ],
  [
    'header matches',
    http(`match: [{headers: {"a b": {exact: c}, x-ok: {regex: "\\\\1"}}, withoutHeaders: {y: {regex: "*"}}}], ${to}`),
    ['spec.http[0].match', 'spec.http[0].match[0].headers["a b"]', 'spec.http[0].match[0].headers["x-ok"].regex'],
    'valid',
  ],
  [
    'claims in the mesh',
    http(`match: [{headers: {"@request.auth.claims.sub": {exact: c}}}], ${to}`),
    ['spec.http[0].match', 'spec.http[0].match[0].headers["@request.auth.claims.sub"]'],
    'valid',
  ],
  [
    'other match fields',
    http(`match: [{port: 99999, sourceLabels: {"a b": c}, sourceNamespace: "a.b", gateways: ["a b"]}], ${to}`),
    [
      'spec.http[0].match',
      'spec.http[0].match[0].port',
      'spec.http[0].match[0].sourceLabels',
      'spec.http[0].match[0].sourceNamespace',
      'spec.http[0].match[0].gateways[0]',
    ],
    'valid',
  ],
  ['TLS without match', l4('tls', to), ['spec.tls[0].match'], 'valid'],
  ['TLS for another host', l4('tls', `match: [{sniHosts: [b.com]}], ${to}`), []],
  ['TLS without destination', l4('tls', 'match: [{sniHosts: [a.com]}]'), ['spec.tls[0].route'], 'valid'],
  [
    'TCP',
    `{hosts: [a], tcp: [{match: [{destinationSubnets: [10.0.0.0/33], port: 0}]}, {${to}}]}`,
    ['spec.tcp[0].match', 'spec.tcp[0].match[0].destinationSubnets[0]', 'spec.tcp[0].route'],
    'valid',
  ],
  ['only routes that are invalid', '{hosts: [a], http: [{name: a}]}', ['spec', 'spec.http[0]']],
]);

test('an invalid route is left out and the others stay', () => {
  const spec = specOf(
    'VirtualService',
    `{hosts: [a], http: [{name: bad}, {name: good, timeout: x, retries: {attempts: 2}, ${to}}]}`,
  );
  assert.deepEqual(spec, {
    hosts: ['a'],
    http: [{ name: 'good', retries: { attempts: 2 }, route: [{ destination: { host: 'reviews' } }] }],
  });
});

test('paths are those that the user wrote, also behind an item that is none', () => {
  const result = parsed('VirtualService', `{hosts: [a], http: [null, 7, {${to}, timeout: 0s}, {name: x}, {${to}}]}`);
  const paths = result.problems.filter(({ severity }) => severity === 'error').map(({ path }) => path);
  assert.deepEqual([...new Set(paths)].sort(), [
    'spec.http[0]',
    'spec.http[1]',
    'spec.http[2].timeout',
    'spec.http[3]',
  ]);
  assert.ok(result.ok);
  assert.equal(result.value.spec.http?.length, 2);
});

test('what is of no use is a warning', () => {
  const warned = (spec: string) => {
    const { problems } = parsed('VirtualService', `{${spec}}`);
    return problems.map(({ path, severity }) => `${severity} ${path}`);
  };
  const behind = `[{match: [{port: 1}], ${to}}, {${to}}, {match: [{port: 80}], ${to}}, {match: [{port: 81}], ${to}}]`;
  assert.deepEqual(warned(`hosts: [a], http: ${behind}`), ['warning spec.http[2]', 'warning spec.http[3]']);
  assert.deepEqual(warned(`hosts: [a.com], tcp: ${behind}`), ['warning spec.tcp[2]', 'warning spec.tcp[3]']);
  assert.deepEqual(warned(`hosts: ["*.com", a.com, b.org], http: [{${to}}]`), ['warning spec.hosts[1]']);
});

test('it is said whether there was never a route, or none is left', () => {
  const said = (spec: string) => {
    const { problems } = parsed('VirtualService', `{hosts: [a], ${spec}}`);
    return problems.filter(({ path }) => path === 'spec').map(({ message }) => message);
  };
  assert.deepEqual(said(''), ['one of http, tls and tcp is needed']);
  for (const kind of ['http', 'tls', 'tcp']) assert.deepEqual(said(`${kind}: [null]`), ['no route is left'], kind);
});

test('hosts in the form of SNIs of AUTO_PASSTHROUGH are for gateways whose TLS routes match SNIs', () => {
  const errors = (host: string, ...routes: readonly string[]) => {
    const tls = routes.map(match => `{match: [{sniHosts: [${match}]}, {port: 443}], ${to}}`);
    const { problems } = parsed('VirtualService', `{hosts: ["${host}"], gateways: [g], tls: [${tls}], tcp: [{${to}}]}`);
    return problems.filter(({ path, severity }) => path === 'spec.hosts[0]' && severity === 'error').length;
  };
  const name = 'outbound_.80_._.a.b';
  assert.equal(errors(name, name), 0);
  assert.equal(errors(name, name, ''), 0);
  assert.equal(errors('outbound_.x_._.a.b', name), 1);
  assert.equal(errors(name), 1);
});
