import type { ClusterLoadAssignment } from '../../src/proto/generated/envoy/config/endpoint/v3.ts';
import type { RouteConfiguration } from '../../src/proto/generated/envoy/config/route/v3.ts';
import { struct } from '../../src/proto/wellknown.ts';
import type { XdsType } from '../../src/xds/resource-types.ts';
import { resourceTypes } from '../../src/xds/resource-types.ts';
import { AdsClient, type AdsResponse, messageOf } from '../support/ads-client.ts';

/** A proxy over delta xDS that accepts everything, and what it holds. */
export class Sidecar {
  readonly client: AdsClient;

  constructor(address: string, name = 'watcher') {
    this.client = new AdsClient(address, 'delta', {
      id: `sidecar~10.1.99.99~${name}.default~default.svc.cluster.local`,
      cluster: `${name}.default`,
      metadata: struct({ NAMESPACE: 'default', CLUSTER_ID: 'Kubernetes', LABELS: { app: name } }),
      user_agent_name: 'envoy',
    });
    this.client.autoAck = true;
    this.client.subscribe('cluster');
    this.client.subscribe('listener');
  }

  /** Follows the endpoints of a Service's port and the routes of a port. */
  follow(service: string, port: number): void {
    this.client.subscribe('endpoint', [clusterName(service, port)]);
    this.client.subscribe('route', [String(port)]);
  }

  /** The versions of all it holds of a type, by name. */
  held(type: XdsType): ReadonlyMap<string, string> {
    const held = new Map<string, string>();
    for (const { resources, removed } of this.#responses(type)) {
      for (const name of removed) held.delete(name);
      for (const { name, version } of resources) held.set(name, version);
    }
    return held;
  }

  /** Whether it has a cluster for a Service's port. */
  has(service: string, port = 80): boolean {
    return this.held('cluster').has(clusterName(service, port));
  }

  /** The addresses of a Service's endpoints, in order. */
  endpoints(service: string, port = 80): readonly string[] {
    const assignment = this.#message('endpoint', clusterName(service, port)) as ClusterLoadAssignment | undefined;
    return (assignment?.endpoints ?? [])
      .flatMap(({ lb_endpoints }) => lb_endpoints ?? [])
      .map(({ endpoint }) => endpoint?.address?.socket_address?.address ?? '')
      .sort();
  }

  /** The clusters that a Service's first route names, with their weights. */
  routes(service: string, port = 80): string {
    const config = this.#message('route', String(port)) as RouteConfiguration | undefined;
    const host = config?.virtual_hosts?.find(({ name }) => name === `${service}.default.svc.cluster.local:${port}`);
    const action = host?.routes?.[0]?.route;
    const weighted = action?.weighted_clusters?.clusters ?? [];
    const short = (name: string | undefined) => name?.split('|')[2] || 'all';
    return weighted.length
      ? weighted.map(({ name, weight }) => `${short(name)}:${weight?.value}`).join(' ')
      : short(action?.cluster);
  }

  #message(type: XdsType, wanted: string): unknown {
    const found = this.#responses(type)
      .flatMap(({ resources }) => resources)
      .findLast(({ name }) => name === wanted);
    return found && messageOf(type, found.any);
  }

  #responses(type: XdsType): readonly AdsResponse[] {
    return this.client.received.filter(({ typeUrl }) => typeUrl === resourceTypes[type].typeUrl);
  }
}

const clusterName = (service: string, port: number): string => `outbound|${port}||${service}.default.svc.cluster.local`;
