import type { IpFamilies } from '../../istio/ip-families.ts';
import type { Locality } from '../endpoints/endpoint.ts';
import type { CertificateSource, EnvoyBuild } from './traits.ts';

/**
 * A connected proxy as its Node message describes it. `class` is interned: proxies that differ only in name and address share it, and
 * everything that is translated is asked for by class.
 */
export interface Proxy {
  /** `sidecar~10.1.0.5~productpage-v1.default~default.svc.cluster.local` */
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly addresses: readonly string[];
  readonly class: ProxyClass;
}

export interface ProxyClass extends IpFamilies {
  readonly type: 'sidecar' | 'router';
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly build: EnvoyBuild;
  readonly istioVersion: string;
  readonly certificates: CertificateSource;
  /** Of the Node message; undefined where it has none: then the Kubernetes node of the pod tells. */
  readonly locality: Locality | undefined;
  readonly nodeName: string;
  /** Known metadata by Istio's names as text: WORKLOAD_NAME, SERVICE_ACCOUNT, INTERCEPTION_MODE, CLUSTER_ID, NETWORK, MESH_ID, DNS_CAPTURE, … */
  readonly metadata: Readonly<Record<string, string>>;
  readonly dnsDomain: string;
}
