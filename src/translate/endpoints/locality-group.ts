/** Endpoints of one cluster, filtered and grouped by locality (istio: EndpointBuilder.generate). */

import { compare, selects } from '../../istio/object.ts';
import type { Name } from '../../memo.ts';
import { type Endpoint, type EndpointHealth, type Locality, serves } from '../../model/endpoints/endpoint.ts';
import type { Service, ServicePort } from '../../model/services/service.ts';
import { type Address, HealthStatus, type Metadata } from '../../proto/generated/envoy/config/core/v3.ts';
import type { LbEndpoint, LocalityLbEndpoints } from '../../proto/generated/envoy/config/endpoint/v3.ts';
import { struct } from '../../proto/wellknown.ts';
import type { LocalityGroup } from './priority.ts';

/** What decides which endpoints a cluster has, and how each is described. */
export interface Selection {
  readonly service: Service;
  readonly port: ServicePort;
  readonly labels: Readonly<Record<string, string>>;
  /** The proxy's node, for Services whose traffic stays on it. */
  readonly node: Name | undefined;
  /** Endpoints that are not ready are sent too, for Envoy to count. */
  readonly unhealthy: boolean;
  readonly mutualTls: (endpoint: Endpoint) => boolean;
  /** Only endpoints that speak mutual TLS; a locality without any stays, empty. */
  readonly mutualTlsOnly: boolean;
}

const STATUS = {
  healthy: HealthStatus.HEALTHY,
  unhealthy: HealthStatus.UNHEALTHY,
  draining: HealthStatus.DRAINING,
  unknown: undefined,
} as const satisfies Record<Exclude<EndpointHealth, 'terminating'>, HealthStatus | undefined>;

type SentHealth = keyof typeof STATUS;

/** The health to send; undefined for an endpoint that is kept back. Draining endpoints are for Services with persistent sessions only. */
function healthOf(endpoint: Endpoint, { service, node, unhealthy }: Selection): SentHealth | undefined {
  if (service.nodeLocal && endpoint.node !== (node?.name ?? '')) return undefined;
  if (endpoint.health === 'terminating') return undefined;
  if (endpoint.health === 'unhealthy' && !unhealthy) return undefined;
  if (endpoint.health !== 'draining' && !endpoint.labels['istio.io/draining']) return endpoint.health;
  return service.labels['istio.io/persistent-session'] ? 'draining' : undefined;
}

/** A socket address, or a pipe for `unix://` paths. */
export const addressOf = (address: string, port: number): Address =>
  address.startsWith('unix://')
    ? { pipe: { path: address.slice('unix://'.length) } }
    : { socket_address: { address, port_value: port } };

const firstOf = (labels: Readonly<Record<string, string>>, ...names: readonly string[]): string | undefined => {
  for (const name of names) if (labels[name] !== undefined) return labels[name];
  return undefined;
};

/** `workload;namespace;canonical service;canonical revision;cluster`, the revision empty for `latest`. */
function workloadText(endpoint: Endpoint): string {
  const { labels, workload, namespace, clusterId } = endpoint;
  const name = firstOf(labels, 'service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app') ?? workload;
  const revision = firstOf(labels, 'service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version');
  return [workload, namespace, name, revision === 'latest' ? '' : (revision ?? ''), clusterId].join(';');
}

const MUTUAL_TLS = struct({ tlsMode: 'istio' });

const metadataOf = (workload: string, mutualTls: boolean): Metadata => ({
  filter_metadata: {
    ...(mutualTls && { 'envoy.transport_socket_match': MUTUAL_TLS }),
    istio: struct({ workload }),
  },
});

/** One value for each key. */
function shared<V>(values: Map<string, V>, key: string, make: () => V): V {
  const known = values.get(key);
  if (known !== undefined) return known;
  const made = make();
  values.set(key, made);
  return made;
}

const ONE = Object.freeze({ value: 1 });

const lbEndpoint = (endpoint: Endpoint, health: SentHealth, metadata: Metadata): LbEndpoint => ({
  endpoint: { address: addressOf(endpoint.address, endpoint.port) },
  health_status: STATUS[health],
  load_balancing_weight: endpoint.weight > 1 ? { value: endpoint.weight } : ONE,
  metadata,
});

const localityText = ({ region, zone, subzone }: Locality): string =>
  [region, zone, subzone].join('/').replace(/\/+$/, '');

/** The endpoints of a cluster by locality, localities in the order of their names. */
export function localityGroups(endpoints: readonly Endpoint[], selection: Selection): readonly LocalityGroup[] {
  const groups = new Map<string, { locality: Locality; members: LocalityGroup['members'][number][]; weight: number }>();
  // Most endpoints of a Service are of one workload; tens of thousands of equal messages would be kept in memory.
  const metadata = new Map<string, Metadata>();
  for (const endpoint of endpoints) {
    if (!serves(endpoint, selection.port) || !selects(selection.labels, endpoint.labels)) continue;
    const health = healthOf(endpoint, selection);
    if (!health) continue;
    const key = localityText(endpoint.locality);
    let group = groups.get(key);
    if (!group) {
      group = { locality: endpoint.locality, members: [], weight: 0 };
      groups.set(key, group);
    }
    const mutualTls = endpoint.tlsMode === 'istio' && selection.mutualTls(endpoint);
    if (selection.mutualTlsOnly && !mutualTls) continue;
    const workload = workloadText(endpoint);
    const about = shared(metadata, `${workload} ${mutualTls}`, () => metadataOf(workload, mutualTls));
    const message = lbEndpoint(endpoint, health, about);
    group.members.push({ endpoint, message });
    group.weight = Math.min(group.weight + (endpoint.weight || 1), 4294967295);
  }
  return [...groups].sort((a, b) => compare(a[0], b[0])).map(([, group]) => ({ ...group, priority: 0 }));
}

/** The message of a group. */
export const localityMessage = ({ locality, members, weight, priority }: LocalityGroup): LocalityLbEndpoints => ({
  locality: {
    region: locality.region || undefined,
    zone: locality.zone || undefined,
    sub_zone: locality.subzone || undefined,
  },
  lb_endpoints: members.length ? members.map(member => member.message) : undefined,
  load_balancing_weight: weight ? { value: weight } : undefined,
  priority: priority || undefined,
});
