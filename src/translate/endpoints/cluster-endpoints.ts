/** The endpoints of one cluster as one proxy sees them, whether they travel over EDS or inside the cluster. */

import type { DestinationRule, PeerAuthentication } from '../../istio/config.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import type { Name } from '../../memo.ts';
import type { Endpoint, ServiceEndpoints } from '../../model/endpoints/endpoint.ts';
import type { Service, ServicePort } from '../../model/services/service.ts';
import type { LocalityLbEndpoints } from '../../proto/generated/envoy/config/endpoint/v3.ts';
import {
  type Subset,
  ClientTLSSettings_TLSmode as TlsMode,
  type TrafficPolicy,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { effectiveLbSetting } from '../destinations/lb-setting.ts';
import { type PortPolicy, portPolicy, subsetPolicy } from '../destinations/traffic-policy.ts';
import { fittingLocalities } from './fitting.ts';
import { localityGroups, localityMessage } from './locality-group.ts';
import { workloadMode } from './peer-authentication.ts';
import { prioritise } from './priority.ts';
import type { ProxyLocation } from './proxy-location.ts';

/** What the endpoints of a Service's clusters depend on besides the Service and its rule. */
export interface EndpointView {
  readonly endpoints: ServiceEndpoints | undefined;
  readonly mesh: MeshSettings;
  /** Policies that can apply to the Service's namespace. */
  readonly policies: readonly PeerAuthentication[];
  /** The proxy's location, where load balancing reads it. */
  readonly location: ProxyLocation | undefined;
  /** The proxy's node, where the Service's traffic stays on it. */
  readonly node: Name | undefined;
}

/** A port level without TLS settings of its own leaves those around it in force, unlike for the cluster: so does istiod. */
const tlsModeOf = (policy: TrafficPolicy | undefined, port: number) => {
  const level = policy?.portLevelSettings?.find(l => l.port?.number === port && l.tls);
  const tls = level?.tls ?? policy?.tls;
  return tls && (tls.mode ?? TlsMode.DISABLE);
};

const mutualTls = (rule: DestinationRule | undefined, subset: Subset | undefined, port: number, view: EndpointView) => {
  const chosen = tlsModeOf(subset?.trafficPolicy, port) ?? tlsModeOf(rule?.spec.trafficPolicy, port);
  const { policies, mesh } = view;
  return (endpoint: Endpoint): boolean => {
    if (chosen !== undefined) return chosen === TlsMode.ISTIO_MUTUAL;
    if (endpoint.tlsMode !== 'istio') return false;
    return workloadMode(policies, mesh.rootNamespace, endpoint.labels, endpoint.port) !== 'DISABLE';
  };
};

/** With a panic threshold above 0 Envoy would send requests to endpoints that are not ready, so they are kept back. */
const sendsUnhealthy = (service: Service, policy: PortPolicy | undefined): boolean =>
  service.trafficDistribution !== 'Any' || !((policy?.outlierDetection?.minHealthPercent ?? 0) > 0);

/**
 * The localities of a Service port, or of a subset of it. `keep` drops endpoints that the cluster's type cannot use; `ejects` says whether
 * the cluster detects outliers, without which nothing fails over; `mutualTlsOnly` keeps back what has no sidecar.
 */
export function clusterEndpoints(
  service: Service,
  port: ServicePort,
  rule: DestinationRule | undefined,
  subset: Subset | undefined,
  view: EndpointView,
  options: {
    readonly keep?: (endpoint: Endpoint) => boolean;
    readonly ejects?: boolean;
    readonly mutualTlsOnly?: boolean;
  } = {},
): readonly LocalityLbEndpoints[] {
  const policy = subsetPolicy(portPolicy(rule?.spec.trafficPolicy, port.port), subset?.trafficPolicy, port.port);
  const all = view.endpoints?.endpoints ?? [];
  const groups = localityGroups(options.keep ? all.filter(options.keep) : all, {
    service,
    port,
    labels: subset?.labels ?? {},
    node: view.node,
    unhealthy: sendsUnhealthy(service, policy),
    mutualTls: mutualTls(rule, subset, port.port, view),
    mutualTlsOnly: options.mutualTlsOnly === true,
  });
  const lb = effectiveLbSetting(view.mesh.config, policy?.loadBalancer, service);
  const ejects = options.ejects ?? policy?.outlierDetection !== undefined;
  return fittingLocalities(prioritise(groups, lb, ejects, view.location).map(localityMessage));
}
