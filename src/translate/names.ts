/** Names that Envoy resources carry, spelled as istiod spells them: dashboards, istioctl and EnvoyFilters rely on them. */

import type { Hostname } from '../model/services/service.ts';

export const PASSTHROUGH_CLUSTER = 'PassthroughCluster';
/** Where HTTP to unknown hosts goes under ALLOW_ANY_DYNAMIC_DNS, and the name of its route and virtual host. */
export const ALLOW_ANY_DYNAMIC_DNS_CLUSTER = 'AllowAnyDynamicDNSCluster';
export const ALLOW_ANY_DYNAMIC_DNS = 'allow_any_dynamic_dns';
export const BLACKHOLE_CLUSTER = 'BlackHoleCluster';
export const INBOUND_PASSTHROUGH_CLUSTER = 'InboundPassthroughCluster';
export const VIRTUAL_OUTBOUND_LISTENER = 'virtualOutbound';
export const VIRTUAL_INBOUND_LISTENER = 'virtualInbound';
/** Where Envoy answers DNS in place of an agent: names of our own, since istiod has none. */
export const DNS_LISTENER = 'dns';
export const DNS_TCP_LISTENER = 'dns_tcp';

/** `outbound|9080|v1|reviews.default.svc.cluster.local` */
export const outboundClusterName = (hostname: Hostname | string, port: number, subset = ''): string =>
  `outbound|${port}|${subset}|${hostname}`;

/** The DNS-safe form that SNI routing through a gateway uses: `outbound_.9080_.v1_.reviews.default.svc.cluster.local` */
export const outboundSni = (hostname: Hostname | string, port: number, subset = ''): string =>
  `outbound_.${port}_.${subset}_.${hostname}`;

/** `inbound|9080||` */
export const inboundClusterName = (port: number): string => `inbound|${port}||`;

/** `10.96.0.1_443`, `0.0.0.0_9080` */
export const listenerName = (address: string, port: number): string => `${address}_${port}`;
