import type { RawObject } from '../../src/config/raw.ts';

const many = <T>(n: number, f: (i: number) => T): readonly T[] => Array.from({ length: n }, (_, i) => f(i));
const net = 'networking.istio.io/v1';
const obj = (apiVersion: string, kind: string, spec: unknown, metadata: object = {}): RawObject => ({
  apiVersion,
  kind,
  metadata: { name: 'a', namespace: 'b', ...metadata },
  spec,
});
/** Objects with n of whatever they can have many of, good and bad. */
export const objects: Readonly<Record<string, (n: number) => RawObject>> = {
  vsHosts: n =>
    obj(net, 'VirtualService', {
      hosts: many(n, i => `h${i}.com`),
      http: [{ route: [{ destination: { host: 'a' } }] }],
    }),
  vsBadHosts: n =>
    obj(net, 'VirtualService', {
      hosts: many(n, i => `-h${i}_.com`),
      http: [{ route: [{ destination: { host: 'a' } }] }],
    }),
  vsIntHosts: n =>
    obj(net, 'VirtualService', { hosts: many(n, i => i), http: [{ route: [{ destination: { host: 'a' } }] }] }),
  vsHttp: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      http: many(n, i => ({ match: [{ uri: { prefix: `/${i}` } }], route: [{ destination: { host: 'a' } }] })),
    }),
  vsBadHttp: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      http: many(n, _i => ({ timeout: 'x', route: [{ destination: { host: 'a' } }] })),
    }),
  vsBadHttp2: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      http: many(n, _i => ({ match: [{ uri: { regex: '(' } }], route: [{ destination: { host: 'a' } }] })),
    }),
  vsUnknown: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      http: many(n, _i => ({ foo: 1, route: [{ destination: { host: 'a' } }] })),
    }),
  vsUnknownKeys: n => obj(net, 'VirtualService', { hosts: ['a'], ...Object.fromEntries(many(n, i => [`k${i}`, 1])) }),
  vsMatch: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      http: [{ match: many(n, i => ({ uri: { prefix: `/${i}` } })), route: [{ destination: { host: 'a' } }] }],
    }),
  vsBadMatch: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      http: [{ match: many(n, _i => ({ uri: { regex: '(' } })), route: [{ destination: { host: 'a' } }] }],
    }),
  vsRoute: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      http: [{ route: many(n, i => ({ destination: { host: `a${i}` }, weight: 1 })) }],
    }),
  vsHeaders: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      http: [
        {
          headers: { request: { set: Object.fromEntries(many(n, i => [`h${i}`, 'v'])) } },
          route: [{ destination: { host: 'a' } }],
        },
      ],
    }),
  vsBadHeaders: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      http: [
        {
          headers: { request: { set: Object.fromEntries(many(n, i => [`h ${i}`, 'v'])) } },
          route: [{ destination: { host: 'a' } }],
        },
      ],
    }),
  vsTcp: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      tcp: many(n, i => ({ match: [{ port: (i % 60000) + 1 }], route: [{ destination: { host: 'a' } }] })),
    }),
  vsTls: n =>
    obj(net, 'VirtualService', {
      hosts: ['a'],
      tls: many(n, i => ({ match: [{ sniHosts: [`a${i}`] }], route: [{ destination: { host: 'a' } }] })),
    }),
  drSubsets: n =>
    obj(net, 'DestinationRule', { host: 'a', subsets: many(n, i => ({ name: `s${i}`, labels: { a: 'b' } })) }),
  drSame: n => obj(net, 'DestinationRule', { host: 'a', subsets: many(n, _i => ({ name: 's', labels: { a: 'b' } })) }),
  drPorts: n =>
    obj(net, 'DestinationRule', {
      host: 'a',
      trafficPolicy: {
        portLevelSettings: many(n, i => ({ port: { number: (i % 60000) + 1 }, tls: { mode: 'DISABLE' } })),
      },
    }),
  seHosts: n =>
    obj(net, 'ServiceEntry', {
      hosts: many(n, i => `h${i}.com`),
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'DNS',
    }),
  seAddr: n =>
    obj(net, 'ServiceEntry', {
      hosts: ['a.com'],
      addresses: many(n, i => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`),
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
    }),
  seEndpoints: n =>
    obj(net, 'ServiceEntry', {
      hosts: ['a.com'],
      endpoints: many(n, i => ({ address: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}` })),
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
    }),
  seBadEndpoints: n =>
    obj(net, 'ServiceEntry', {
      hosts: ['a.com'],
      endpoints: many(n, _i => ({ address: `unix` })),
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
    }),
  sePorts: n =>
    obj(net, 'ServiceEntry', {
      hosts: ['a.com'],
      ports: many(n, i => ({ number: (i % 60000) + 1, name: `http-${i}`, protocol: 'HTTP' })),
      resolution: 'DNS',
    }),
  gwServers: n =>
    obj(net, 'Gateway', {
      servers: many(n, i => ({ port: { number: 80, name: `http${i}`, protocol: 'HTTP' }, hosts: [`a${i}.com`] })),
    }),
  gwHosts: n =>
    obj(net, 'Gateway', {
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: many(n, i => `a${i}.com`) }],
    }),
  gwBad: n =>
    obj(net, 'Gateway', {
      servers: many(n, i => ({ port: { number: 80, name: `http${i}`, protocol: 'X' }, hosts: [`a${i}.com`] })),
    }),
  sidecar: n => obj(net, 'Sidecar', { egress: [{ hosts: many(n, i => `*/a${i}.com`) }] }),
  sidecarEgress: n =>
    obj(net, 'Sidecar', {
      egress: many(n, i => ({
        port: { number: (i % 60000) + 1, protocol: 'HTTP', name: `x${i}` },
        hosts: [`*/a${i}.com`],
      })),
    }),
  sidecarIngress: n =>
    obj(net, 'Sidecar', {
      ingress: many(n, i => ({
        port: { number: (i % 60000) + 1, protocol: 'HTTP', name: `x${i}` },
        defaultEndpoint: '127.0.0.1:80',
      })),
    }),
  ef: n =>
    obj('networking.istio.io/v1alpha3', 'EnvoyFilter', {
      configPatches: many(n, _i => ({
        applyTo: 'CLUSTER',
        patch: { operation: 'MERGE', value: { connect_timeout: '1s' } },
      })),
    }),
  efBad: n =>
    obj('networking.istio.io/v1alpha3', 'EnvoyFilter', {
      configPatches: many(n, _i => ({ applyTo: 'CLUSTER', patch: { operation: 'MERGE', value: { foo: '1s' } } })),
    }),
  efStruct: n =>
    obj('networking.istio.io/v1alpha3', 'EnvoyFilter', {
      configPatches: [
        {
          applyTo: 'CLUSTER',
          patch: {
            operation: 'MERGE',
            value: { metadata: { filter_metadata: { x: Object.fromEntries(many(n, i => [`k${i}`, 'v'])) } } },
          },
        },
      ],
    }),
  ap: n =>
    obj('security.istio.io/v1', 'AuthorizationPolicy', {
      rules: many(n, i => ({ from: [{ source: { principals: [`a${i}`] } }] })),
    }),
  apBad: n =>
    obj('security.istio.io/v1', 'AuthorizationPolicy', {
      rules: many(n, i => ({ from: [{ source: { ipBlocks: [`a${i}`] } }] })),
    }),
  apPaths: n =>
    obj('security.istio.io/v1', 'AuthorizationPolicy', {
      rules: [{ to: [{ operation: { paths: many(n, i => `/${i}`) } }] }],
    }),
  apWhen: n =>
    obj('security.istio.io/v1', 'AuthorizationPolicy', {
      rules: [{ when: many(n, i => ({ key: `request.headers[x${i}]`, values: ['a'] })) }],
    }),
  ra: n =>
    obj('security.istio.io/v1', 'RequestAuthentication', {
      jwtRules: many(n, i => ({ issuer: `i${i}`, jwksUri: 'https://a.b/c' })),
    }),
  pa: n =>
    obj('security.istio.io/v1', 'PeerAuthentication', {
      selector: { matchLabels: { a: 'b' } },
      portLevelMtls: Object.fromEntries(many(n, i => [i, { mode: 'STRICT' }])),
    }),
  svcPorts: n => obj('v1', 'Service', { ports: many(n, i => ({ port: (i % 60000) + 1, name: `p${i}` })) }),
  svcBadPorts: n => obj('v1', 'Service', { ports: many(n, i => ({ port: 'x', name: `p${i}` })) }),
  svcIPs: n => obj('v1', 'Service', { clusterIPs: many(n, i => `x${i}`), externalIPs: many(n, i => `x${i}`) }),
  labels: n => obj('v1', 'Service', {}, { labels: Object.fromEntries(many(n, i => [`k${i}`, 1])) }),
  anns: n => obj('v1', 'Service', {}, { annotations: Object.fromEntries(many(n, i => [`k${i}`, '1'])) }),
  slice: n => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'a', namespace: 'b', labels: { 'kubernetes.io/service-name': 'a' } },
    addressType: 'IPv4',
    ports: [{ name: 'p', port: 80 }],
    endpoints: many(n, i => ({ addresses: [`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`] })),
  }),
  sliceBad: n => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'a', namespace: 'b', labels: { 'kubernetes.io/service-name': 'a' } },
    addressType: 'IPv4',
    ports: [{ name: 'p', port: 80 }],
    endpoints: many(n, i => ({ addresses: [`x${i}`] })),
  }),
  slicePorts: n => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'a', namespace: 'b', labels: { 'kubernetes.io/service-name': 'a' } },
    addressType: 'IPv4',
    ports: many(n, i => ({ name: `p${i}`, port: 80 })),
    endpoints: [{ addresses: ['1.2.3.4'] }],
  }),
  pod: n => obj('v1', 'Pod', { containers: many(n, i => ({ name: `c${i}`, ports: [{ containerPort: 80 }] })) }),
  podPorts: n =>
    obj('v1', 'Pod', { containers: [{ name: 'c', ports: many(n, i => ({ containerPort: 80, name: `x${i}` })) }] }),
  telemetry: n =>
    obj('telemetry.istio.io/v1', 'Telemetry', {
      tracing: [{ customTags: Object.fromEntries(many(n, i => [`k${i}`, { literal: { value: 'x' } }])) }],
    }),
  telemetryA: n =>
    obj('telemetry.istio.io/v1', 'Telemetry', { accessLogging: many(n, _i => ({ providers: [{ name: 'x' }] })) }),
  mesh: n => ({
    apiVersion: '',
    kind: 'MeshConfig',
    metadata: { name: 'istio' },
    spec: { extensionProviders: many(n, i => ({ name: `x${i}`, envoyOtelAls: { service: 'a', port: 80 } })) },
  }),
};
