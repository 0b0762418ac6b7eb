import assert from 'node:assert/strict';
import { test } from 'node:test';
import { specOf, table } from './parsed.ts';

const policy = (fields: string) => `{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, ${fields}}}`;
const at = 'spec.trafficPolicy';

table('DestinationRule', [
  [
    'a whole one',
    '{host: reviews, trafficPolicy: {loadBalancer: {simple: RANDOM}}, subsets: [{name: v1, labels: {version: v1}}]}',
    [],
  ],
  ['no host', '{}', ['spec.host']],
  ['a host that is none', '{host: "a b"}', ['spec.host']],
  [
    'subsets',
    '{host: a, subsets: [{name: ""}, {name: v1}, {name: v1}, {name: v2, labels: {"?": "!"}}]}',
    ['spec.subsets[0].name', 'spec.subsets[2].name', 'spec.subsets[3].labels', 'spec.subsets[3].labels.?'],
    'valid',
  ],
  ['an unknown load balancer', policy('loadBalancer: {simple: BEST}'), [`${at}.loadBalancer.simple`], 'valid'],
  [
    'hash without cookie name',
    policy('loadBalancer: {consistentHash: {httpCookie: {ttl: 1s}}}'),
    [`${at}.loadBalancer.consistentHash.httpCookie.name`],
    'valid',
  ],
  [
    'maglev',
    policy('loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 100}}}'),
    [`${at}.loadBalancer.consistentHash.maglev.tableSize`],
    'valid',
  ],
  [
    'two hashes',
    policy('loadBalancer: {consistentHash: {useSourceIp: true, httpHeaderName: a}}'),
    [`${at}.loadBalancer.consistentHash.httpHeaderName`],
    'valid',
  ],
  [
    'warmup',
    policy('loadBalancer: {simple: ROUND_ROBIN, warmup: {minimumPercent: 200, aggression: 0}}'),
    [
      `${at}.loadBalancer.warmup.duration`,
      `${at}.loadBalancer.warmup.minimumPercent`,
      `${at}.loadBalancer.warmup.aggression`,
    ],
    'valid',
  ],
  [
    'localities that do not add up',
    policy('loadBalancer: {localityLbSetting: {distribute: [{from: a/*, to: {a/b: 50, c: 49}}]}}'),
    [`${at}.loadBalancer.localityLbSetting.distribute[0].to`],
    'valid',
  ],
  [
    'localities that overlap',
    policy('loadBalancer: {localityLbSetting: {distribute: [{from: a/b, to: {a: 100}}, {from: a/*, to: {a: 100}}]}}'),
    [`${at}.loadBalancer.localityLbSetting.distribute`],
    'valid',
  ],
  [
    'failover to itself',
    policy(
      'outlierDetection: {interval: 1s}, loadBalancer: {localityLbSetting: {failover: [{from: a, to: a}, {from: a/b, to: c}]}}',
    ),
    [`${at}.loadBalancer.localityLbSetting.failover[0]`, `${at}.loadBalancer.localityLbSetting.failover[1].from`],
    'valid',
  ],
  [
    'connection pool',
    policy(
      'connectionPool: {tcp: {maxConnections: -1, connectTimeout: 1us, idleTimeout: 0s}, http: {maxRetries: -1, h2UpgradePolicy: UPGRADE, useClientProtocol: true}}',
    ),
    [
      `${at}.connectionPool.tcp.maxConnections`,
      `${at}.connectionPool.tcp.connectTimeout`,
      `${at}.connectionPool.http.maxRetries`,
      `${at}.connectionPool.http.useClientProtocol`,
    ],
    'valid',
  ],
  [
    'outlier detection',
    policy(
      'outlierDetection: {interval: 0s, baseEjectionTime: 10ns, maxEjectionPercent: 101, minHealthPercent: -1, consecutiveLocalOriginFailures: 1}',
    ),
    [
      `${at}.outlierDetection.interval`,
      `${at}.outlierDetection.baseEjectionTime`,
      `${at}.outlierDetection.maxEjectionPercent`,
      `${at}.outlierDetection.minHealthPercent`,
      `${at}.outlierDetection.consecutiveLocalOriginFailures`,
    ],
    'valid',
  ],
  [
    'TLS without certificates',
    '{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}',
    [`${at}.tls.clientCertificate`, `${at}.tls.privateKey`],
  ],
  [
    'TLS with credential and files',
    '{host: a, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c, caCertificates: f}}}',
    [`${at}.tls.caCertificates`],
  ],
  ['TLS mode', '{host: a, trafficPolicy: {tls: {mode: STRONG}}}', [`${at}.tls.mode`]],
  [
    'a port without number',
    policy(
      'portLevelSettings: [{loadBalancer: {simple: RANDOM}}, {port: {number: 80}}, {port: {number: 81}, loadBalancer: {simple: RANDOM}}]',
    ),
    [`${at}.portLevelSettings[0].port`, `${at}.portLevelSettings[1]`],
    'valid',
  ],
  [
    'tunnel',
    '{host: a, trafficPolicy: {tunnel: {protocol: GET, targetHost: "", targetPort: 0}}}',
    [`${at}.tunnel.protocol`, `${at}.tunnel.targetHost`, `${at}.tunnel.targetPort`],
  ],
  [
    'workloadSelector with exportTo',
    '{host: a, workloadSelector: {matchLabels: {a: b}}, exportTo: ["*"]}',
    ['spec.exportTo'],
  ],
]);

const server = (fields: string) =>
  `{selector: {a: b}, servers: [{${fields}}, {port: {number: 81, name: ok, protocol: HTTP}, hosts: ["*"]}]}`;
const port = 'port: {number: 80, name: web, protocol: HTTP}';
const tls = (fields: string) =>
  server(`port: {number: 443, name: web, protocol: HTTPS}, hosts: ["*"], tls: {${fields}}`);

table('Gateway', [
  [
    'a whole one',
    server(`${port}, hosts: ["a.com", "ns/*.b.com", "./c.com", "*/*", 10.0.0.1], tls: {httpsRedirect: true}`),
    [],
  ],
  ['no servers', '{selector: {a: b}}', ['spec.servers']],
  ['no port', server('hosts: ["*"]'), ['spec.servers[0].port'], 'valid'],
  ['no hosts', server(port), ['spec.servers[0].hosts'], 'valid'],
  [
    'bad hosts',
    server(`${port}, hosts: [short, "*a.com", "x_y/a.com", "/", "ok.com"]`),
    ['spec.servers[0].hosts[0]', 'spec.servers[0].hosts[1]', 'spec.servers[0].hosts[2]', 'spec.servers[0].hosts[3]'],
    'valid',
  ],
  [
    'bad port',
    server('port: {number: 0, protocol: SPDY}, hosts: ["*"]'),
    ['spec.servers[0].port.number', 'spec.servers[0].port.protocol', 'spec.servers[0].port.name'],
    'valid',
  ],
  ['two ports of a name', server('port: {number: 80, name: ok, protocol: HTTP}, hosts: ["*"]'), []],
  [
    'HTTPS without TLS',
    server('port: {number: 443, name: a, protocol: HTTPS}, hosts: ["*"]'),
    ['spec.servers[0].tls'],
    'valid',
  ],
  [
    'HTTP with TLS',
    server(`${port}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: c}`),
    ['spec.servers[0].tls'],
    'valid',
  ],
  [
    'SIMPLE without certificate',
    tls('mode: SIMPLE'),
    ['spec.servers[0].tls.serverCertificate', 'spec.servers[0].tls.privateKey'],
    'valid',
  ],
  [
    'MUTUAL without CA',
    tls('mode: MUTUAL, serverCertificate: a, privateKey: b'),
    ['spec.servers[0].tls.caCertificates'],
    'valid',
  ],
  ['two credentials', tls('mode: SIMPLE, credentialName: c, credentialNames: [d]'), ['spec.servers[0].tls'], 'valid'],
  [
    'ISTIO_MUTUAL with a certificate',
    tls('mode: ISTIO_MUTUAL, credentialName: c'),
    ['spec.servers[0].tls.credentialName'],
    'valid',
  ],
  ['all modes', tls('mode: OPTIONAL_MUTUAL, credentialName: c, cipherSuites: [AES128-SHA, NOPE, AES128-SHA]'), []],
  ['bind', server(`${port}, hosts: ["*"], bind: here`), ['spec.servers[0].bind'], 'valid'],
]);
table('Gateway', [['a name with dots', server(`${port}, hosts: ["*"]`), ['metadata.name']]], { name: 'a.b' });

test('unknown cipher suites are left out', () => {
  const spec = specOf('Gateway', tls('mode: SIMPLE, credentialName: c, cipherSuites: [NOPE, AES128-SHA, AES128-SHA]'));
  assert.match(JSON.stringify(spec), /"cipherSuites":\["AES128-SHA"\]/);
});

const entry = (fields: string) => `{hosts: [a.com], ports: [{number: 80, name: http, protocol: HTTP}], ${fields}}`;

table('ServiceEntry', [
  ['a whole one', entry('resolution: DNS'), []],
  [
    'static',
    entry('resolution: STATIC, addresses: [10.0.0.0/8], endpoints: [{address: 1.2.3.4, ports: {http: 8080}}]'),
    [],
  ],
  ['no hosts', '{ports: [{number: 80, name: http}]}', ['spec.hosts']],
  ['bad hosts', '{hosts: ["*", "a b", ok.com]}', ['spec.hosts[0]', 'spec.hosts[1]'], 'valid'],
  ['addresses', entry('addresses: [1.2.3.4, nowhere]'), ['spec.addresses[1]'], 'valid'],
  ['no address is left', entry('addresses: [nowhere]'), ['spec.addresses', 'spec.addresses[0]']],
  ['CIDR with DNS', entry('addresses: [10.0.0.0/8], resolution: DNS'), ['spec.addresses']],
  [
    'ports',
    '{hosts: [a.com], ports: [{number: 80, name: a}, {number: 80, name: b}, {number: 81, name: a}, {number: 0, name: "?", protocol: X}]}',
    [
      'spec.ports[1].number',
      'spec.ports[2].name',
      'spec.ports[3].number',
      'spec.ports[3].name',
      'spec.ports[3].protocol',
    ],
    'valid',
  ],
  ['endpoints with NONE', entry('endpoints: [{address: 1.2.3.4}]'), ['spec.endpoints']],
  [
    'endpoints of STATIC',
    entry(
      'resolution: STATIC, endpoints: [{address: a.com}, {address: 1.2.3.4, ports: {other: 1}}, {}, {address: 1.2.3.5}]',
    ),
    ['spec.endpoints[0].address', 'spec.endpoints[1].ports.other', 'spec.endpoints[2].address'],
    'valid',
  ],
  [
    'wildcard with DNS',
    '{hosts: ["*.a.com"], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}',
    ['spec.hosts'],
  ],
  [
    'round robin of two',
    entry('resolution: DNS_ROUND_ROBIN, endpoints: [{address: a.com}, {address: b.com}]'),
    ['spec.endpoints'],
  ],
  [
    'dynamic DNS',
    entry('resolution: DYNAMIC_DNS, addresses: [1.2.3.4], endpoints: [{address: a.com}]'),
    ['spec.hosts', 'spec.addresses', 'spec.endpoints'],
  ],
  ['resolution', entry('resolution: MAGIC'), ['spec.resolution']],
  [
    'selector and endpoints',
    entry('resolution: STATIC, workloadSelector: {labels: {a: b}}, endpoints: [{address: 1.2.3.4}]'),
    ['spec.endpoints'],
  ],
  [
    'several hosts over TCP',
    '{hosts: [a.com, b.com], resolution: DNS, ports: [{number: 80, name: t, protocol: TCP}]}',
    ['spec.hosts'],
  ],
  ['exported to nobody', entry('exportTo: ["~"]'), []],
]);

table('WorkloadEntry', [
  ['a whole one', '{address: 10.0.0.1, ports: {http: 80}, labels: {app: a}}', []],
  ['a host', '{address: vm.example.com}', []],
  ['a socket', '{address: "unix:///var/run/a"}', []],
  ['nothing', '{}', ['spec.address']],
  [
    'nonsense',
    '{address: "a b", ports: {"?": 0}, labels: {"a b": c}}',
    ['spec.address', 'spec.ports["?"]', 'spec.labels'],
  ],
]);

table('WorkloadGroup', [
  ['a whole one', '{template: {serviceAccount: a}, probe: {httpGet: {port: 80}}}', []],
  ['no template', '{}', ['spec.template']],
  [
    'probe',
    '{template: {}, probe: {periodSeconds: -1, httpGet: {port: 0, scheme: FTP}}}',
    ['spec.probe.periodSeconds', 'spec.probe.httpGet.port', 'spec.probe.httpGet.scheme'],
    'valid',
  ],
]);

table('ProxyConfig', [
  ['a whole one', '{concurrency: 0, selector: {matchLabels: {a: b}}}', []],
  ['negative', '{concurrency: -1}', ['spec.concurrency'], 'valid'],
  ['an unknown field of the selector', '{selector: {labels: {a: b}}}', ['spec.selector.labels']],
]);
