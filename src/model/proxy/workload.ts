import type {
  AuthorizationPolicy,
  EnvoyFilter,
  PeerAuthentication,
  RequestAuthentication,
  Sidecar,
  Telemetry,
} from '../../istio/config.ts';
import type { Service, ServicePort } from '../services/service.ts';

/** A Service port that a workload serves, with the port its application listens on (istio: ServiceTarget). */
export interface ServiceTarget {
  readonly service: Service;
  readonly port: ServicePort;
  readonly targetPort: number;
}

/** The policies that select a workload, each list in istiod's order: PeerAuthentications and
 * RequestAuthentications of the namespace, then the root namespace's; AuthorizationPolicies the other way round; Telemetry from the mesh's to
 * the workload's own; EnvoyFilters by priority. */
export interface WorkloadPolicies {
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly requestAuthentications: readonly RequestAuthentication[];
  readonly authorizationPolicies: readonly AuthorizationPolicy[];
  readonly telemetries: readonly Telemetry[];
  readonly envoyFilters: readonly EnvoyFilter[];
}

/** What a proxy's own pod is: equal, and one shared value, for all pods of a Deployment. */
export interface Workload {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Name of the Deployment or the like (WORKLOAD_NAME), and what it is called in telemetry (canonical name). */
  readonly name: string;
  readonly serviceAccount: string;
  /** In the order istiod uses: older Service first, then by host name. */
  readonly targets: readonly ServiceTarget[];
  readonly policies: WorkloadPolicies;
  /** The Sidecar that selects it (for ingress listeners); undefined where none does. */
  readonly sidecar: Sidecar | undefined;
  /** Addresses of the proxy itself, only where one of its Services is headless (its own endpoints get no outbound listener) or its Sidecar sends to the instance's address. Else empty, so that pods stay equal. */
  readonly ownAddresses: readonly string[];
}
