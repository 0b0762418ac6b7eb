import type { Hostname } from '../proto/hostname.ts';
import type { ObjectMeta } from './object.ts';

/** What is read of a Kubernetes Service. */
export interface KubeService {
  readonly kind: 'Service';
  readonly meta: ObjectMeta;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** `None` is the empty list with `headless`. */
  readonly clusterIPs: readonly string[];
  readonly headless: boolean;
  readonly externalName: Hostname;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: string;
    readonly appProtocol: string;
    readonly targetPort: number | string;
    readonly nodePort: number;
  }[];
  readonly publishNotReady: boolean;
  readonly internalTrafficPolicy: 'Cluster' | 'Local';
  readonly trafficDistribution: string;
  readonly externalIPs: readonly string[];
  /** IPs and host names, as the load balancer tells them. */
  readonly loadBalancerAddresses: readonly string[];
}

/** One EndpointSlice; core v1 Endpoints are read into the same shape. */
export interface KubeEndpointSlice {
  readonly kind: 'EndpointSlice' | 'Endpoints';
  readonly meta: ObjectMeta;
  /** The Service it belongs to, in the slice's namespace. */
  readonly service: string;
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: string;
    readonly appProtocol: string;
  }[];
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    /** Unset conditions count as ready, serving where ready, and terminating where not ready. */
    readonly ready: boolean;
    readonly serving: boolean;
    readonly terminating: boolean;
    readonly hostname: string;
    readonly node: string;
    readonly zone: string;
    /** namespace/name of the pod, empty where the endpoint is no pod. */
    readonly pod: string;
  }[];
}

/** What is read of a Pod. */
export interface KubePod {
  readonly kind: 'Pod';
  readonly meta: ObjectMeta;
  readonly ips: readonly string[];
  readonly node: string;
  readonly serviceAccount: string;
  readonly hostname: string;
  readonly subdomain: string;
  readonly hostNetwork: boolean;
  readonly phase: string;
  readonly ready: boolean;
  /** It is being deleted. */
  readonly terminating: boolean;
  /** Those that run beside one another, native sidecars among them. */
  readonly containers: readonly { readonly name: string; readonly image: string }[];
  /** Named container ports, for named target ports. */
  readonly containerPorts: readonly { readonly name: string; readonly port: number; readonly protocol: string }[];
  /** The controller's kind and name (ReplicaSet …); empty where there is none. */
  readonly ownerKind: string;
  readonly ownerName: string;
}

export interface KubeNode {
  readonly kind: 'Node';
  readonly meta: ObjectMeta;
  readonly addresses: readonly string[];
  /** The version of its kubelet, such as `v1.34.1`; empty where it is not told. */
  readonly kubelet: string;
}

export interface KubeNamespace {
  readonly kind: 'Namespace';
  readonly meta: ObjectMeta;
}

/** TLS material for gateways. The bytes never reach a log or a debug page. */
export interface KubeSecret {
  readonly kind: 'Secret';
  readonly meta: ObjectMeta;
  readonly type: string;
  readonly data: Readonly<Record<string, Uint8Array>>;
}

/** The roots in a ConfigMap; what else it holds is not read. */
export interface KubeConfigMap {
  readonly kind: 'ConfigMap';
  readonly meta: ObjectMeta;
  readonly data: Readonly<Record<string, Uint8Array>>;
}
