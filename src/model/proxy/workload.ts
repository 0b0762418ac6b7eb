import type { Sidecar } from '../../istio/config.ts';
import type { WorkloadPolicies } from '../policies/policies.ts';
import type { ServiceTarget } from '../services/service.ts';

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
