import type { RawObject } from '../../src/config/raw.ts';
import { http, ip, many, object, service, slice, to } from './mesh-objects.ts';
import { routingMeshes } from './routing-meshes.ts';

/** Meshes with n of whatever one user can make many of. A sidecar and a gateway in namespace `shop` are served from them. */
export const meshes: Readonly<Record<string, (n: number) => readonly RawObject[]>> = {
  ...routingMeshes,
  services: n => many(n, i => service(`s-${i}`)),
  servicesOfOnePort: n => many(n, i => service(`s-${i}`, { ports: [{ port: 9000, name: 'tcp' }], clusterIP: ip(i) })),
  servicesOfOneAddress: n =>
    many(n, i => service(`s-${i}`, { ports: [{ port: 9000, name: 'tcp' }], clusterIP: '10.0.0.1' })),
  headless: n => many(n, i => service(`s-${i}`, { ports: [{ port: 9000, name: 'tcp' }], clusterIP: 'None' })),
  servicePorts: n => [service('a', { ports: many(n, i => ({ port: (i % 60_000) + 1, name: `http-${i}` })) })],
  serviceTcpPorts: n => [
    service('a', { ports: many(n, i => ({ port: (i % 60_000) + 1, name: `tcp-${i}` })), clusterIP: ip(1) }),
  ],
  externalNames: n =>
    many(n, i =>
      object('Service', `s-${i}`, {
        type: 'ExternalName',
        externalName: i ? `s-${i - 1}.shop.svc.cluster.local` : 'a.com',
        ports: [{ port: 80, name: 'http' }],
      }),
    ),
  slices: n => [service('a'), ...many(n, i => slice(`a-${i}`, 'a', [{ addresses: [ip(i)] }]))],
  sliceEndpoints: n => [
    service('a'),
    slice(
      'a',
      'a',
      many(n, i => ({ addresses: [ip(i)] })),
    ),
  ],
  sliceEndpointsOfPods: n => [
    service('a'),
    slice(
      'a',
      'a',
      many(n, i => ({ addresses: [ip(i)], targetRef: { kind: 'Pod', name: `p-${i}`, namespace: 'shop' } })),
    ),
    ...many(n, i => ({
      ...object('Pod', `p-${i}`, {}, { labels: { app: 'a' } }),
      status: { podIP: ip(i), podIPs: [{ ip: ip(i) }] },
    })),
  ],
  serviceEntryHosts: n => [
    object('ServiceEntry', 'a', { hosts: many(n, i => `h-${i}.com`), ports: [http], resolution: 'DNS' }),
  ],
  serviceEntries: n =>
    many(n, i => object('ServiceEntry', `e-${i}`, { hosts: [`h-${i}.com`], ports: [http], resolution: 'DNS' })),
  serviceEntriesOfOneHost: n =>
    many(n, i =>
      object('ServiceEntry', `e-${i}`, {
        hosts: ['a.com'],
        ports: [{ ...http, number: (i % 60_000) + 1 }],
        resolution: 'DNS',
      }),
    ),
  serviceEntriesOfOneHostAndPort: n =>
    many(n, i =>
      object('ServiceEntry', `e-${i}`, {
        hosts: ['a.com'],
        ports: [http],
        resolution: 'STATIC',
        endpoints: [{ address: ip(i) }],
      }),
    ),
  serviceEntryAddresses: n => [
    object('ServiceEntry', 'a', {
      hosts: ['a.com'],
      addresses: many(n, ip),
      ports: [{ number: 9000, name: 'tcp', protocol: 'TCP' }],
      resolution: 'STATIC',
    }),
  ],
  serviceEntryPorts: n => [
    object('ServiceEntry', 'a', {
      hosts: ['a.com'],
      ports: many(n, i => ({ number: (i % 60_000) + 1, name: `http-${i}`, protocol: 'HTTP' })),
      resolution: 'DNS',
    }),
  ],
  serviceEntryEndpoints: n => [
    object('ServiceEntry', 'a', {
      hosts: ['a.com'],
      ports: [http],
      resolution: 'STATIC',
      endpoints: many(n, i => ({ address: ip(i), labels: { v: `${i}` }, locality: `r${i}/z` })),
    }),
  ],
  serviceEntrySelectors: n => [
    ...many(n, i =>
      object('ServiceEntry', `e-${i}`, {
        hosts: [`h-${i}.com`],
        ports: [http],
        resolution: 'STATIC',
        workloadSelector: { labels: { app: `w-${i}` } },
      }),
    ),
    ...many(n, i => object('WorkloadEntry', `w-${i}`, { address: ip(i), labels: { app: `w-${i}` } })),
  ],
  workloadEntries: n => [
    object('ServiceEntry', 'e', {
      hosts: ['a.com'],
      ports: [http],
      resolution: 'STATIC',
      workloadSelector: { labels: { app: 'w' } },
    }),
    ...many(n, i => object('WorkloadEntry', `w-${i}`, { address: ip(i), labels: { app: 'w' } })),
  ],
  sidecars: n => [
    service('a'),
    ...many(n, i =>
      object('Sidecar', `s-${i}`, { workloadSelector: { labels: { app: `x-${i}` } }, egress: [{ hosts: ['./*'] }] }),
    ),
  ],
  sidecarWildcardsOfVirtualServices: n => [
    service('a'),
    object('Sidecar', 's', { egress: [{ hosts: many(n, i => `./*.h-${i}.com`) }] }),
    ...many(n, i =>
      object('VirtualService', `v-${i}`, {
        hosts: [i % 2 ? `a.h-${i}.com` : `*.of.h-${i}.com`],
        http: [{ route: to('a') }],
      }),
    ),
  ],
  sidecarHosts: n => [service('a'), object('Sidecar', 's', { egress: [{ hosts: many(n, i => `*/h-${i}.com`) }] })],
  sidecarHostsOfServices: n => [
    ...many(n, i => service(`s-${i}`)),
    object('Sidecar', 's', { egress: [{ hosts: many(n, i => `./s-${i}.shop.svc.cluster.local`) }] }),
  ],
  sidecarWildcards: n => [
    ...many(n, i => service(`s-${i}`)),
    object('Sidecar', 's', { egress: [{ hosts: many(n, i => `*/*.h-${i}.com`) }] }),
  ],
  sidecarHostsOfVirtualServices: n => [
    service('a'),
    ...many(n, i => object('VirtualService', `v-${i}`, { hosts: [`h-${i}.com`], http: [{ route: to('a') }] })),
    object('Sidecar', 's', { egress: [{ hosts: many(n, i => `*/g-${i}.com`) }] }),
  ],
  sidecarListeners: n => [
    service('a'),
    object('Sidecar', 's', {
      egress: many(n, i => ({ port: { number: (i % 60_000) + 1, protocol: 'HTTP', name: `x${i}` }, hosts: ['./*'] })),
    }),
  ],
  sidecarIngress: n => [
    service('a'),
    object('Sidecar', 's', {
      ingress: many(n, i => ({
        port: { number: (i % 60_000) + 1, protocol: 'HTTP', name: `x${i}` },
        defaultEndpoint: '127.0.0.1:80',
      })),
      egress: [{ hosts: ['./*'] }],
    }),
  ],
  authorizationPolicies: n =>
    many(n, i =>
      object('AuthorizationPolicy', `p-${i}`, { rules: [{ from: [{ source: { principals: [`a/${i}`] } }] }] }),
    ),
  authorizationRules: n => [
    object('AuthorizationPolicy', 'p', { rules: many(n, i => ({ from: [{ source: { principals: [`a/${i}`] } }] })) }),
  ],
  requestAuthentications: n =>
    many(n, i => object('RequestAuthentication', `p-${i}`, { jwtRules: [{ issuer: `i-${i}`, jwks: '{"keys":[]}' }] })),
  requestAuthenticationRules: n => [
    object('RequestAuthentication', 'p', {
      jwtRules: many(n, i => ({
        issuer: `i-${i}`,
        jwks: '{"keys":[]}',
        outputClaimToHeaders: [{ header: `x-${i}`, claim: 'a' }],
      })),
    }),
  ],
  peerAuthentications: n =>
    many(n, i =>
      object('PeerAuthentication', `p-${i}`, { selector: { matchLabels: { app: 'a' } }, mtls: { mode: 'STRICT' } }),
    ),
  peerAuthenticationPorts: n => [
    service('a'),
    object('PeerAuthentication', 'p', {
      selector: { matchLabels: { app: 'a' } },
      portLevelMtls: Object.fromEntries(many(n, i => [(i % 60_000) + 1, { mode: 'STRICT' }])),
    }),
  ],
  telemetries: n =>
    many(n, i =>
      object('Telemetry', `t-${i}`, {
        selector: { matchLabels: { app: 'a' } },
        accessLogging: [{ providers: [{ name: 'envoy' }] }],
      }),
    ),
  telemetryTags: n => [
    object('Telemetry', 't', {
      metrics: [
        {
          providers: [{ name: 'prometheus' }],
          overrides: many(n, i => ({ tagOverrides: { [`t${i}`]: { value: '"x"' } } })),
        },
      ],
    }),
  ],
  envoyFilters: n => [
    service('a'),
    ...many(n, i =>
      object('EnvoyFilter', `f-${i}`, {
        configPatches: [
          {
            applyTo: 'CLUSTER',
            match: { context: 'SIDECAR_OUTBOUND' },
            patch: { operation: 'MERGE', value: { connect_timeout: `${i + 1}s` } },
          },
        ],
      }),
    ),
  ],
  envoyFilterPatches: n => [
    service('a'),
    object('EnvoyFilter', 'f', {
      configPatches: many(n, i => ({
        applyTo: 'HTTP_FILTER',
        match: { listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager' } } } },
        patch: {
          operation: 'INSERT_BEFORE',
          value: {
            name: `x-${i}`,
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua',
              default_source_code: { inline_string: 'x()' },
            },
          },
        },
      })),
    }),
  ],
  envoyFilterClusters: n => [
    service('a'),
    object('EnvoyFilter', 'f', {
      configPatches: many(n, i => ({
        applyTo: 'CLUSTER',
        patch: { operation: 'ADD', value: { name: `x-${i}`, connect_timeout: '1s', type: 'STATIC' } },
      })),
    }),
  ],
  envoyFilterRoutes: n => [
    service('a'),
    object('EnvoyFilter', 'f', {
      configPatches: many(n, i => ({
        applyTo: 'HTTP_ROUTE',
        match: { routeConfiguration: { vhost: { route: { action: 'ANY' } } } },
        patch: {
          operation: 'INSERT_FIRST',
          value: { name: `x-${i}`, match: { prefix: `/${i}` }, direct_response: { status: 200 } },
        },
      })),
    }),
  ],
  namespaces: n => [
    ...many(n, i => object('Namespace', `n-${i}`, {}, { namespace: undefined })),
    ...many(n, i => object('Service', 's', { ports: [{ port: 80, name: 'http' }] }, { namespace: `n-${i}` })),
  ],
  servicesExportedTo: n => [
    object(
      'Service',
      'a',
      { ports: [{ port: 80, name: 'http' }] },
      { annotations: { 'networking.istio.io/exportTo': many(n, i => `n-${i}`).join(',') } },
    ),
  ],
  podContainers: n => [
    service('a'),
    {
      ...object(
        'Pod',
        'p',
        { containers: many(n, i => ({ name: `c-${i}`, ports: [{ containerPort: (i % 60_000) + 1, name: `p${i}` }] })) },
        { labels: { app: 'a' } },
      ),
      status: { podIP: '10.9.9.9', podIPs: [{ ip: '10.9.9.9' }] },
    },
  ],
};
