import type { RawObject } from '../../src/config/raw.ts';
import { gateway, http, ip, many, object, service, slice, to } from './mesh-objects.ts';

/** Meshes with n of whatever routing can have many of. */
export const routingMeshes: Readonly<Record<string, (n: number) => readonly RawObject[]>> = {
  virtualServices: n => [
    service('a'),
    ...many(n, i => object('VirtualService', `v-${i}`, { hosts: [`h-${i}.com`], http: [{ route: to('a') }] })),
  ],
  virtualServicesOfOneHost: n => [
    service('a'),
    ...many(n, i =>
      object('VirtualService', `v-${i}`, {
        hosts: ['a'],
        http: [{ match: [{ uri: { prefix: `/${i}` } }], route: to('a') }],
      }),
    ),
  ],
  virtualServiceHosts: n => [
    service('a'),
    object('VirtualService', 'v', { hosts: many(n, i => `h-${i}.com`), http: [{ route: to('a') }] }),
  ],
  virtualServiceOwnHosts: n => [
    service('a'),
    object('VirtualService', 'v', { hosts: many(n, i => `h-${i}`), http: [{ route: to('a') }] }),
  ],
  virtualServiceWildcards: n => [
    service('a'),
    object('VirtualService', 'v', { hosts: many(n, i => `*.h-${i}.com`), http: [{ route: to('a') }] }),
  ],
  virtualServiceRoutes: n => [
    service('a'),
    object('VirtualService', 'v', {
      hosts: ['a'],
      http: many(n, i => ({ match: [{ uri: { prefix: `/${i}` } }], route: to('a') })),
    }),
  ],
  virtualServiceDestinations: n => [
    service('a'),
    object('VirtualService', 'v', {
      hosts: ['a'],
      http: many(n, i => ({ match: [{ uri: { prefix: `/${i}` } }], route: to(`h-${i}`) })),
    }),
  ],
  virtualServiceWeights: n => [
    service('a'),
    object('VirtualService', 'v', {
      hosts: ['a'],
      http: [{ route: many(n, i => ({ destination: { host: `h-${i}` }, weight: 1 })) }],
    }),
  ],
  virtualServiceSubsets: n => [
    service('a'),
    object('DestinationRule', 'd', { host: 'a', subsets: many(n, i => ({ name: `s-${i}`, labels: { v: `${i}` } })) }),
    object('VirtualService', 'v', {
      hosts: ['a'],
      http: many(n, i => ({
        match: [{ uri: { prefix: `/${i}` } }],
        route: [{ destination: { host: 'a', subset: `s-${i}` } }],
      })),
    }),
  ],
  virtualServiceTcp: n => [
    service('a', { ports: [{ port: 9000, name: 'tcp' }], clusterIP: ip(1) }),
    object('VirtualService', 'v', {
      hosts: ['a'],
      tcp: many(n, i => ({ match: [{ destinationSubnets: [ip(i)] }], route: to('a') })),
    }),
  ],
  virtualServiceTls: n => [
    service('a', { ports: [{ port: 443, name: 'tls' }], clusterIP: ip(1) }),
    object('VirtualService', 'v', {
      hosts: many(n, i => `h-${i}.com`),
      tls: many(n, i => ({ match: [{ sniHosts: [`h-${i}.com`] }], route: to('a') })),
    }),
  ],
  virtualServiceGateways: n => [
    service('a'),
    object('VirtualService', 'v', { hosts: ['h.com'], gateways: many(n, i => `g-${i}`), http: [{ route: to('a') }] }),
  ],
  delegates: n => [
    service('a'),
    object('VirtualService', 'v', {
      hosts: ['a'],
      http: many(n, i => ({ match: [{ uri: { prefix: `/${i}` } }], delegate: { name: `d-${i}` } })),
    }),
    ...many(n, i => object('VirtualService', `d-${i}`, { http: [{ route: to('a') }] })),
  ],
  destinationRules: n => [service('a'), ...many(n, i => object('DestinationRule', `d-${i}`, { host: `h-${i}.com` }))],
  destinationRulesOfOneHost: n => [
    service('a'),
    ...many(n, i =>
      object('DestinationRule', `d-${i}`, { host: 'a', subsets: [{ name: `s-${i}`, labels: { v: `${i}` } }] }),
    ),
  ],
  destinationRulesOfOneHostWithSelectors: n => [
    service('a'),
    ...many(n, i =>
      object('DestinationRule', `d-${i}`, { host: 'a', workloadSelector: { matchLabels: { v: `${i}` } } }),
    ),
  ],
  destinationRuleWildcards: n => [
    ...many(n, i => service(`s-${i}`)),
    ...many(n, i =>
      object('DestinationRule', `d-${i}`, { host: `*.h-${i}.com`, subsets: [{ name: 's', labels: { v: '1' } }] }),
    ),
    object('VirtualService', 'v', {
      hosts: ['s-0'],
      http: [{ route: many(n, i => ({ destination: { host: `s-${i}`, subset: 's' }, weight: 1 })) }],
    }),
  ],
  wildcardsOfServices: n => [
    ...many(n, i => object('ServiceEntry', `e-${i}`, { hosts: [`a.h-${i}.com`], ports: [http], resolution: 'DNS' })),
    ...many(n, i => object('DestinationRule', `d-${i}`, { host: `*.h-${i}.com` })),
    ...many(n, i =>
      object('VirtualService', `v-${i}`, { hosts: [`*.h-${i}.com`], http: [{ route: to(`a.h-${i}.com`) }] }),
    ),
  ],
  destinationRuleSubsets: n => [
    service('a'),
    slice('a', 'a', [{ addresses: [ip(1)] }]),
    object('DestinationRule', 'd', {
      host: 'a',
      subsets: many(n, i => ({ name: `s-${i}`, labels: { v: `${i}` }, trafficPolicy: { tls: { mode: 'SIMPLE' } } })),
    }),
  ],
  destinationRuleExportTo: n => [
    service('a'),
    object('DestinationRule', 'd', { host: 'a', exportTo: many(n, i => `n-${i}`) }),
    object('DestinationRule', 'e', { host: 'a', exportTo: many(n, i => `m-${i}`) }),
  ],
  gateways: n => [
    service('a'),
    ...many(n, i => gateway(`g-${i}`, [{ port: http, hosts: [`h-${i}.com`] }])),
    object('VirtualService', 'v', { hosts: ['*'], gateways: many(n, i => `g-${i}`), http: [{ route: to('a') }] }),
  ],
  gatewaysOfOneHost: n => [
    service('a'),
    ...many(n, i => gateway(`g-${i}`, [{ port: http, hosts: ['h.com'] }])),
    ...many(n, i =>
      object('VirtualService', `v-${i}`, { hosts: ['h.com'], gateways: [`g-${i}`], http: [{ route: to('a') }] }),
    ),
  ],
  gatewayServers: n => [
    service('a'),
    gateway(
      'g',
      many(n, i => ({ port: http, hosts: [`h-${i}.com`] })),
    ),
    object('VirtualService', 'v', { hosts: ['*'], gateways: ['g'], http: [{ route: to('a') }] }),
  ],
  gatewayPorts: n => [
    service('a'),
    gateway(
      'g',
      many(n, i => ({ port: { number: (i % 60_000) + 1, name: `p-${i}`, protocol: 'HTTP' }, hosts: ['*'] })),
    ),
    object('VirtualService', 'v', { hosts: ['*'], gateways: ['g'], http: [{ route: to('a') }] }),
  ],
  gatewayTls: n => [
    service('a'),
    gateway(
      'g',
      many(n, i => ({
        port: { number: 443, name: `p-${i}`, protocol: 'TLS' },
        tls: { mode: 'PASSTHROUGH' },
        hosts: [`h-${i}.com`],
      })),
    ),
    object('VirtualService', 'v', {
      hosts: many(n, i => `h-${i}.com`),
      gateways: ['g'],
      tls: many(n, i => ({ match: [{ sniHosts: [`h-${i}.com`] }], route: to('a') })),
    }),
  ],
  gatewayHttps: n => [
    service('a'),
    gateway(
      'g',
      many(n, i => ({
        port: { number: 443, name: `p-${i}`, protocol: 'HTTPS' },
        tls: { mode: 'SIMPLE', serverCertificate: '/a', privateKey: '/b' },
        hosts: [`h-${i}.com`],
      })),
    ),
    ...many(n, i =>
      object('VirtualService', `v-${i}`, { hosts: [`h-${i}.com`], gateways: ['g'], http: [{ route: to('a') }] }),
    ),
  ],
  gatewayTcp: n => [
    service('a'),
    gateway(
      'g',
      many(n, i => ({ port: { number: (i % 60_000) + 1, name: `p-${i}`, protocol: 'TCP' }, hosts: ['*'] })),
    ),
    object('VirtualService', 'v', {
      hosts: ['*'],
      gateways: ['g'],
      tcp: many(n, i => ({ match: [{ port: (i % 60_000) + 1 }], route: to('a') })),
    }),
  ],
  gatewayHosts: n => [
    service('a'),
    gateway('g', [{ port: http, hosts: many(n, i => `h-${i}.com`) }]),
    object('VirtualService', 'v', { hosts: many(n, i => `h-${i}.com`), gateways: ['g'], http: [{ route: to('a') }] }),
  ],
  gatewayVirtualServices: n => [
    service('a'),
    gateway('g', [{ port: http, hosts: ['*'] }]),
    ...many(n, i =>
      object('VirtualService', `v-${i}`, { hosts: [`h-${i}.com`], gateways: ['g'], http: [{ route: to('a') }] }),
    ),
  ],
  gatewayVirtualServicesOfOneHost: n => [
    service('a'),
    gateway('g', [{ port: http, hosts: ['*'] }]),
    ...many(n, i =>
      object('VirtualService', `v-${i}`, {
        hosts: ['h.com'],
        gateways: ['g'],
        http: [{ match: [{ uri: { prefix: `/${i}` } }], route: to('a') }],
      }),
    ),
  ],
};
