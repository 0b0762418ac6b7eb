import fc from 'fast-check';
import { commandTable } from '../../src/proto/format-commands.ts';

/** Values for fields: what users write, what is just allowed, and nonsense, so that one in a few objects is wrong somewhere. */
export type Values = fc.Arbitrary<unknown>;

const among = (...values: readonly unknown[]): Values => fc.constantFrom(...values);

/** Mostly the first, sometimes the second. */
export const mostly = (usual: Values, rare: Values): Values =>
  fc.oneof({ weight: 15, arbitrary: usual }, { weight: 1, arbitrary: rare });

export const nonsense: Values = fc.oneof(
  among('', ' ', '*', '%', '\n', '\u0000', 'ünïcode', '-', '.', 'a'.repeat(300), null, true, -1, 1e308, [], {}, [[]]),
  fc.string({ maxLength: 8 }),
);

export const words: Values = among('a', 'web', 'x-user', 'v1', 'default', 'prod', 'A_b-c.d', '/');
const hosts = among(
  'web',
  'WEB.Default.svc.cluster.local',
  'web.default.svc.cluster.local',
  'api',
  'db',
  'outside.example.com',
  '*.wild.example.com',
  'foo.wild.example.com',
  'nowhere',
  '10.96.0.10',
  'web.other',
  'Web.Default.svc.cluster.local',
  'Outside.example.COM.',
  'loop',
);
const wildcardHosts = mostly(
  fc.oneof(hosts, among('*', '*.example.com', '*.default.svc.cluster.local', '*.com')),
  among(
    'a.*',
    '*a.com',
    '*.',
    '**',
    '*.*.com',
    'WEB',
    'web.',
    'Outside.Example.COM',
    `${'a'.repeat(63)}.com`,
    `${'a.'.repeat(126)}a`,
  ),
);
const namespacedHosts = fc.oneof(
  wildcardHosts,
  fc
    .tuple(among('*', '.', '~', 'default', 'istio-system'), wildcardHosts)
    .map(([namespace, host]) => `${namespace}/${host}`),
);
const ports = mostly(
  among(80, 443, 8080, 8443, 9000, 9090, 3306, 7000),
  among(1, 65535, 15001, 15006, 0, 65536, 70000, -1),
);
export const durations: Values = mostly(
  among('1s', '10s', '0s', '250ms', '0.5s', '1h', '30m', '1ms'),
  among(
    ...['1us', '1ns', '-1s', '87600h', '9999999h', 'soon', '', '1', 5, '1.5.2s', '1d', '2562047h47m16s', '49d17h'],
    ...['4294967296s', '9223372036s', '9223372037s', '315576000000s', '315576000001s', '0.999999999s', '-0.000000001s'],
  ),
);
const regexes = mostly(
  among('.*', 'a|b', '/v[0-9]+/.*', '(?i)abc', '^(.*?;)?(user=jason)(;.*)?$', String.raw`\d+`),
  among('(', '[', '*', '(?<!a)b', String.raw`\1`, 'a{2000}', '(?P<n', '', '(((a{100}){100}){100})', '\\'),
);
const headers = mostly(
  among('x-user', 'X-User', ':authority', ':method', ':path', 'cookie', 'host', 'end-user', '@request.auth.claims.sub'),
  among('', 'bad header', 'x:y', 'ü', '\r\n', '*', ':', ':status', 'x\u0000', '_', 'content-length'),
);
/** Formats with any command, whatever follows its name. */
const commands: Values = fc
  .tuple(
    fc.constantFrom(...commandTable.flatMap(({ names }) => names.split(/\s+/))),
    fc.constantFrom(
      '',
      '()',
      '(x)',
      '(x):5',
      '(x?y)',
      '(a:b)',
      '(a:b:c)',
      ':5',
      '(NQ)',
      '(%Y)',
      '({"operators":["PROTOCOL"]})',
    ),
  )
  .map(([name, parameters]) => `%${name}${parameters}%`);
const headerValues = mostly(
  among('a', '%REQ(x)%', 'value with space', '%DOWNSTREAM_REMOTE_ADDRESS%', '100%%'),
  fc.oneof(
    among(
      '',
      '%',
      '%NO_SUCH%',
      '%REQ(',
      '\r\n',
      '\u0000',
      '%%%',
      '%START_TIME(%',
      'ü',
      'v'.repeat(16385),
      'ü'.repeat(8193),
    ),
    commands,
  ),
);
const addresses = mostly(
  among('10.0.0.7', '10.0.0.0/8', '::1', '2001:db8::/32', '0.0.0.0', '127.0.0.1', '10.1.0.10', '192.168.0.1/32'),
  among(
    '10.0.0',
    '300.1.1.1',
    '10.0.0.0/33',
    '',
    'host.example.com',
    'unix:///tmp/s',
    'unix://@abstract',
    '10.0.0.1/8/9',
    '::/129',
  ),
);
const gateways = mostly(
  among('mesh', 'edge', 'default/edge', 'istio-system/edge', './edge'),
  among('a/b/c', '', '*', 'Edge'),
);
const paths = mostly(
  among('/', '/api', '/v1/items', '/a b', '/%7Ea', '/{x}/y'),
  among('', 'no-slash', '*', '/?q#f', '/\n'),
);
const urls = mostly(
  among('https://outside.example.com/keys', 'http://web.default.svc.cluster.local', 'outside.example.com:443'),
  among('', 'ftp://x', 'http://', 'https://[::1', 'x y', '://', 'http://a:99999'),
);
const formats = mostly(
  among('%START_TIME% %REQ(:METHOD)%\n', 'plain', '%RESPONSE_CODE%'),
  fc.oneof(among('%', '%NO%', '%REQ(%', '%REQ(a)', '%CEL(a &&)%', '%REQ_WITHOUT_QUERY(:PATH)%'), commands),
);
const percents = mostly(among(0, 1, 50, 100, 0.5, 99.99), among(-1, 100.5, 1000, 1e9, 'half', Number.NaN));
const protocols = mostly(
  among('HTTP', 'HTTPS', 'TCP', 'TLS', 'GRPC', 'HTTP2', 'MONGO', 'http', 'MYSQL', 'GRPC-WEB', 'HTTP_PROXY'),
  among('UDP', 'REDIS', 'QUIC', '', 'X'),
);
const labels: Values = fc.dictionary(
  mostly(among('app', 'version', 'istio'), among('', 'a b', '*', 'topology.istio.io/network')) as fc.Arbitrary<string>,
  mostly(among('web', 'client', 'v1', 'v2', 'ingressgateway'), among('', '*', 'a b')),
  { maxKeys: 2 },
);
const exportTo = mostly(among('*', '.', 'default', 'istio-system'), among('~', '', 'a b', '**'));
const localities = mostly(
  among('r1', 'r1/z1', 'r1/z1/s1', 'r2/z3', '*', 'r1/*'),
  among('', '/', 'r1//s', '*/z', 'a/b/c/d'),
);
const principals = mostly(
  among('*', 'cluster.local/ns/default/sa/client', 'spiffe://cluster.local/ns/*', '*/sa/web', 'prefix*', 'exact'),
  among('', '**', '* ', '\n'),
);
const wholes: Values = mostly(
  among(0, 1, 2, 3, 10, 100, 200, 404, 503, 1024),
  among(-1, 4294967295, 4294967296, 2147483647, 2147483648, 1e12, 8388609, 65536, 101, '7', 'x', 1.5),
);
const ciphers = mostly(
  among('ECDHE-RSA-AES256-GCM-SHA384', 'AES128-SHA', 'ECDHE-ECDSA-AES128-GCM-SHA256'),
  among('X', '', 'a:b'),
);

const providerNames = among('otel', 'zip', 'authz', 'envoy', 'prometheus', 'als');

/** By the name of a field: what it may hold, whichever message it is in. */
export const byField: Readonly<Record<string, Values>> = {
  host: mostly(hosts, wildcardHosts),
  hosts: mostly(wildcardHosts, namespacedHosts),
  'IstioEgressListener.hosts': mostly(
    among('*/*', './*', '*/web.default.svc.cluster.local', '~/*', 'default/*', '*/*.example.com'),
    namespacedHosts,
  ),
  'IstioEgressListener.bind': mostly(among('127.0.0.1', '0.0.0.0'), addresses),
  'Server.bind': mostly(among('0.0.0.0', '127.0.0.9'), addresses),
  'Destination.host': mostly(among('web', 'web.default.svc.cluster.local', 'db', 'outside.example.com'), hosts),
  'ServiceEntry.addresses': mostly(among('10.200.0.1', '10.201.0.0/16', 'fd00::9'), addresses),
  'WorkloadEntry.address': mostly(among('10.1.0.77', 'host.example.com', 'unix:///tmp/s'), addresses),
  'Gateway.selector': mostly(among({ istio: 'ingressgateway' }), labels),
  'VirtualService.gateways': mostly(among('mesh', 'edge', 'default/edge'), gateways),
  'AccessLogging.providers': fc.array(fc.record({ name: providerNames }), { minLength: 1, maxLength: 2 }),
  'ExtensionProvider.name': mostly(providerNames, nonsense),
  'ProviderRef.name': mostly(providerNames, nonsense),
  'AuthorizationPolicy.provider': mostly(fc.record({ name: providerNames }), nonsense),
  'AuthorizationPolicy.action': among('ALLOW', 'DENY', 'AUDIT', 'CUSTOM', 'CUSTOM'),
  'Tracing.providers': fc.array(fc.record({ name: providerNames }), { minLength: 1, maxLength: 2 }),
  'AccessLogging.filter': mostly(
    among({ expression: 'response.code >= 400' }, { expression: "has(request.headers['x'])" }),
    among({ expression: '(' }, { expression: '' }, {}),
  ),
  'PolicyTargetReference.kind': among('Service', 'Gateway', 'X'),
  'PolicyTargetReference.group': among('', 'gateway.networking.k8s.io'),
  'Patch.value': mostly(
    among(
      { name: 'x' },
      { connect_timeout: '2s' },
      { outlier_detection: { max_ejection_percent: 101 } },
      { request_headers_to_add: [{ header: { key: 'x', value: '%NO%' } }] },
      { domains: [] },
      { route: { timeout: '-1s' } },
      { listener_filters_timeout: '9223372037s' },
      { circuit_breakers: { thresholds: [{ retry_budget: { budget_percent: { value: 200 } } }] } },
    ),
    among({}, 'x', { a: 1 }),
  ),
  'Patch.operation': mostly(among('MERGE', 'ADD', 'REMOVE', 'INSERT_BEFORE', 'REPLACE'), among('INVALID', 'x')),
  'PolicyTargetReference.namespace': among('', 'default'),
  'TunnelSettings.targetPort': ports,
  sniHosts: wildcardHosts,
  notHosts: wildcardHosts,
  subset: among('v1', 'v2', 'missing', 'a b', ''),
  number: ports,
  port: ports,
  ports,
  notPorts: ports,
  targetPort: ports,
  regex: regexes,
  prefix: paths,
  exact: fc.oneof(paths, words),
  uri: paths,
  prefixRewrite: paths,
  uriPrefix: paths,
  paths,
  notPaths: paths,
  match: fc.oneof(regexes, words),
  rewrite: among('x', String.raw`\1`, String.raw`\9`, '', '/a'),
  gateways,
  exportTo,
  labels,
  matchLabels: labels,
  sourceLabels: labels,
  selector: labels,
  address: addresses,
  addresses,
  bind: addresses,
  destinationSubnets: addresses,
  sourceSubnet: addresses,
  ipBlocks: addresses,
  notIpBlocks: addresses,
  remoteIpBlocks: addresses,
  notRemoteIpBlocks: addresses,
  defaultEndpoint: mostly(
    among('127.0.0.1:8080', '0.0.0.0:80', '[::1]:80', 'unix:///tmp/s'),
    among('', ':', '10.0.0.1:80', ':99999'),
  ),
  protocol: protocols,
  httpHeaderName: headers,
  header: headers,
  headersToUpstreamOnAllow: headers,
  includeRequestHeadersInCheck: headers,
  includeHeadersInCheck: headers,
  fromCookies: headers,
  remove: headers,
  allowHeaders: headers,
  exposeHeaders: headers,
  forwardPayloadHeader: mostly(words, among('', 'bad header')),
  outputPayloadToHeader: headers,
  percent: percents,
  percentage: percents,
  value: percents,
  randomSamplingPercentage: percents,
  minHealthPercent: wholes,
  weight: fc.oneof(among(0, 1, 10, 50, 100), among(2147483647, 4294967295, 4294967296), wholes),
  priority: wholes,
  failoverPriority: mostly(among('topology.kubernetes.io/region', 'version', 'version=v1'), among('', '=', 'a=b=c')),
  from: localities,
  to: localities,
  locality: localities,
  authority: mostly(among('web', 'outside.example.com:8080'), headerValues),
  scheme: among('http', 'https', 'ftp', ''),
  httpStatus: mostly(among(200, 400, 503), wholes),
  status: mostly(among(200, 404, 503), wholes),
  redirectCode: among(301, 302, 303, 307, 308, 0, 200, 999),
  retryOn: mostly(
    among('5xx', 'connect-failure,refused-stream,503', 'gateway-error', 'retriable-status-codes'),
    among('nope', ',', '900'),
  ),
  grpcStatus: among('UNAVAILABLE', '14', 'unavailable', 'X', ''),
  namespaces: mostly(among('default', 'istio-system', '*'), principals),
  principals,
  notPrincipals: principals,
  requestPrincipals: principals,
  serviceAccounts: mostly(among('client', 'default/client'), principals),
  methods: among('GET', 'POST', '*', 'G*', '', 'get'),
  key: mostly(
    among(
      'request.headers[x-user]',
      'source.ip',
      'request.auth.claims[sub]',
      'source.namespace',
      'connection.sni',
      'destination.port',
      'request.headers',
      'source.principal',
    ),
    among('nope', '', 'request.headers[', 'request.headers[]'),
  ),
  values: mostly(among('a', '*', '10.0.0.0/8', '80', 'prefix*'), nonsense),
  notValues: mostly(among('a', '*', '10.0.0.0/8', '80'), nonsense),
  issuer: mostly(among('issuer.example.com'), among('', 'x'.repeat(300))),
  jwksUri: urls,
  jwks: mostly(among('{"keys":[]}', '{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256"}]}'), among('', '{', 'null')),
  credentialName: mostly(
    among('cert', 'missing', 'kubernetes-gateway://default/cert'),
    among('', 'a/b', '../x', 'sds://x', 'builtin://'),
  ),
  credentialNames: among('cert', 'missing', ''),
  serverCertificate: among('/etc/cert.pem', '', 'x'),
  privateKey: among('/etc/key.pem', '', 'x'),
  caCertificates: among('/etc/ca.pem', '', 'system'),
  clientCertificate: among('/etc/cert.pem', ''),
  sni: mostly(hosts, among('', 'a b', '*.x')),
  subjectAltNames: mostly(among('spiffe://cluster.local/ns/default/sa/web', 'web.example.com'), among('', '*')),
  cipherSuites: ciphers,
  verifyCertificateSpki: mostly(among('NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A='), among('', 'x', 'AAAA')),
  verifyCertificateHash: mostly(
    among('df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a'),
    among('', 'x', 'zz'),
  ),
  ecdhCurves: among('P-256', 'X25519', 'nope', ''),
  targetHost: hosts,
  targetPortNumber: ports,
  service: mostly(
    among('outside.example.com', 'web.default.svc.cluster.local', 'istio-system/web.default.svc.cluster.local'),
    nonsense,
  ),
  providers: fc.constantFrom<unknown>({ name: 'envoy' }, { name: 'otel' }, { name: 'missing' }, {}),
  provider: fc.constantFrom<unknown>({ name: 'authz' }, { name: 'missing' }, {}),
  name: mostly(among('http', 'tcp-a', 'edge', 'v1', 'v2', 'cert', 'web'), nonsense),
  text: formats,
  format: formats,
  path: mostly(among('/dev/stdout', '/'), among('', '/no/such/dir/x')),
  filter: mostly(
    fc.constantFrom<unknown>({ expression: 'response.code >= 400' }),
    fc.constantFrom<unknown>({ expression: '(' }, { expression: '' }),
  ),
  expression: mostly(among('response.code >= 400', 'true'), among('(', '', 'x y z', '1')),
  trustDomain: mostly(among('cluster.local', 'td'), nonsense),
  trustDomainAliases: mostly(among('td2', 'old.example'), nonsense),
  inboundClusterStatName: among('in_%SERVICE%', '%SERVICE_FQDN%_%SERVICE_PORT%', '%', ''),
  outboundClusterStatName: among('out_%SERVICE%', '%SERVICE_FQDN%_%SUBSET_NAME%', '%', ''),
  accessLogFile: among('/dev/stdout', '', '/no/such'),
  accessLogFormat: formats,
  proxyListenPort: ports,
  proxyInboundListenPort: ports,
};

/** Keys of maps by the field's name. */
export const keyByField: Readonly<Record<string, Values>> = {
  headers,
  withoutHeaders: headers,
  queryParams: mostly(words, among('', 'a b', '&')),
  set: headers,
  add: headers,
  to: localities,
  ports: mostly(among('http', 'tcp'), nonsense),
  portLevelMtls: ports,
};

/** Values of string maps by the field's name. */
export const mapValueByField: Readonly<Record<string, Values>> = {
  set: headerValues,
  add: headerValues,
  ports,
  to: wholes,
};

/** What a scalar of a type may hold where its name says nothing. */
export function byScalar(scalar: string): Values {
  if (scalar === 'bool') return mostly(fc.boolean(), nonsense);
  if (scalar === 'string') return mostly(words, nonsense);
  if (scalar === 'bytes') return among('YQ==', '', '!');
  if (scalar === 'double' || scalar === 'float') return percents;
  return wholes;
}
