import { type Protocol, parseProtocol } from '../../istio/protocol.ts';
import type { Visibility } from '../../istio/visibility.ts';
import { memo } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import type { SidecarPort } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { Hostname } from '../../proto/hostname.ts';

export type { Hostname } from '../../proto/hostname.ts';

/**
 * How a client finds a Service's endpoints (istio: model.Resolution): EDS; STRICT_DNS; LOGICAL_DNS; the original destination; an alias of
 * another Service (ExternalName); a dynamic forward proxy (wildcard hosts).
 */
export type Resolution = 'ClientSideLB' | 'DNSLB' | 'DNSRoundRobinLB' | 'Passthrough' | 'Alias' | 'DynamicDNS';

export interface ServicePort {
  /** Unique in its Service; may be empty for a Service with one port. */
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** The port of the container: a number, or the name that each pod resolves for itself. */
  readonly targetPort: number | string;
  /** 0 where there is none. */
  readonly nodePort: number;
}

/** The port of a Sidecar's listener as the ports of Services are. */
export const sidecarPort = memo(
  ({ name = '', number: port = 0, protocol = '' }: SidecarPort): ServicePort =>
    Object.freeze({ name, port, protocol: parseProtocol(protocol), targetPort: port, nodePort: 0 }),
);

/**
 * A host that the mesh knows: a Kubernetes Service, or one host of a ServiceEntry. It has no endpoints: those change far more often
 * (`MeshModel.endpoints`), and nothing that is made from the Service alone must be made again with them.
 */
export interface Service {
  readonly hostname: Hostname;
  readonly namespace: string;
  /** The object's name: the Service's or the ServiceEntry's. */
  readonly name: string;
  /** `Kubernetes` or `External`: istio's provider.Kubernetes and provider.External. */
  readonly registry: 'Kubernetes' | 'External';
  /** Where it came from. */
  readonly source: ObjectKey;
  readonly ports: readonly ServicePort[];
  /** Virtual IPs, the default first; CIDRs for ServiceEntries; empty for a headless Service or where every address will do. */
  readonly addresses: readonly string[];
  /** 240.240.0.0/16 addresses given to ServiceEntries without one; used only by proxies that ask for DNS auto-allocation. */
  readonly autoAllocated: readonly string[];
  readonly resolution: Resolution;
  /** Kubernetes `clusterIP: None`. */
  readonly headless: boolean;
  readonly meshExternal: boolean;
  readonly visibility: Visibility;
  readonly labels: Readonly<Record<string, string>>;
  /** Pods (and WorkloadEntries) that serve it; empty where it has no selector. */
  readonly selector: Readonly<Record<string, string>>;
  /** Hosts that are other names of this Service: ExternalName Services that point here. */
  readonly aliases: readonly { readonly hostname: Hostname; readonly namespace: string }[];
  /** The host that an Alias stands for; empty otherwise. */
  readonly aliasOf: Hostname | '';
  /** Endpoints that are not ready are sent too (publishNotReadyAddresses). */
  readonly publishNotReady: boolean;
  /** `internalTrafficPolicy: Local` or the `networking.istio.io/traffic-distribution` words. */
  readonly nodeLocal: boolean;
  readonly trafficDistribution: 'Any' | 'PreferSameZone' | 'PreferSameNode';
  /** subjectAltNames of a ServiceEntry. */
  readonly subjectAltNames: readonly string[];
  /** Milliseconds since 1970; older wins. */
  readonly createdAt: number;
}

/** The port of a Service by number. */
export const portOf = (service: Service, port: number): ServicePort | undefined =>
  service.ports.find(p => p.port === port);

/** A Service port that a workload serves, with the port its application listens on (istio: ServiceTarget). */
export interface ServiceTarget {
  readonly service: Service;
  readonly port: ServicePort;
  readonly targetPort: number;
}
