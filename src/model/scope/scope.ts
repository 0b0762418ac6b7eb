import type { PeerAuthentication, Sidecar, VirtualService } from '../../istio/config.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import type { Name } from '../../memo.ts';
import type { SidecarPort } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { PodShape } from '../endpoints/pods.ts';
import type { EffectiveDestinationRule } from '../routing/destination-rules.ts';
import type { GatewayBinding } from '../routing/merged-gateway.ts';
import type { Hostname, Service } from '../services/service.ts';

/** One egress listener of a Sidecar; a scope without a Sidecar has exactly one, which imports everything that is visible. */
export interface EgressListener {
  /** Set where the Sidecar names a port: only that port is served by it. */
  readonly port: SidecarPort | undefined;
  readonly bind: string;
  readonly captureMode: 'DEFAULT' | 'IPTABLES' | 'NONE';
  /** Sorted: older first, then by host name (istiod's order). Ports that the Sidecar hides, and those that another Service of the host has, are left out. */
  readonly services: readonly Service[];
  /** VirtualServices for sidecars (gateway `mesh`), delegates merged, hosts fully qualified; oldest first. */
  readonly virtualServices: readonly VirtualService[];
}

/**
 * What the proxies of one namespace (and Sidecar) may see. It has no endpoints. Every value in it keeps its identity from one mesh to the
 * next while nothing in it changed, so memoised functions should take those values rather than the scope.
 *
 * Label conditions on the proxy (`sourceLabels`, `sourceNamespace` of VirtualServices, `workloadSelector` of DestinationRules) are already
 * decided: a scope is shared by all proxies for which they come out the same.
 */
export interface Scope {
  readonly mesh: MeshSettings;
  readonly namespace: string;
  /** The Sidecar in force; undefined: Istio's default, everything exported to the namespace. */
  readonly sidecar: Sidecar | undefined;
  readonly outboundPolicy: {
    readonly mode: 'ALLOW_ANY' | 'ALLOW_ANY_DYNAMIC_DNS' | 'REGISTRY_ONLY';
    readonly egressProxy: { readonly host: Hostname; readonly subset: string; readonly port: number } | undefined;
  };
  readonly egress: readonly EgressListener[];
  /** All services of the egress listeners, same order, each port of a host once. Clusters are made for these. */
  readonly services: readonly Service[];
  /** One for each host, with all its ports. */
  readonly serviceByHost: ReadonlyMap<Hostname, Service>;
  readonly destinationRules: ReadonlyMap<Hostname, EffectiveDestinationRule>;
  /** The same for inbound clusters, where rules with a workloadSelector do not count. */
  readonly inboundRules: ReadonlyMap<Hostname, EffectiveDestinationRule>;
  /** SPIFFE ids of each Service's endpoints by `endpointsKey`, sorted: what a client accepts as the server's certificate. Absent: none known. */
  readonly identities: ReadonlyMap<string, readonly string[]>;
  /** All PeerAuthentications: whether a server speaks mutual TLS is asked by its namespace and labels. */
  readonly peerAuthentications: readonly PeerAuthentication[];
  /** For `router` proxies: the Gateways that select the proxy, and VirtualServices bound to each (by `namespace/name`), oldest first. Empty for sidecars. */
  readonly gateways: readonly GatewayBinding[];
}

/** What of proxies decides what they see and serve, but for their addresses: equal for all pods of a Deployment, and one value. */
export interface ProxyShape {
  readonly type: 'sidecar' | 'router';
  readonly namespace: Name;
  readonly pod: PodShape;
}
