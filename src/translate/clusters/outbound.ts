/** Outbound clusters: one for each Service port, and one for each subset that its DestinationRule names. */

import type { Problem } from '../../config/problem.ts';
import { compare } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { memo } from '../../memo.ts';
import { type ServiceEndpoints, serves } from '../../model/endpoints/endpoint.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { Service } from '../../model/services/service.ts';
import {
  type Cluster,
  type Cluster_CommonLbConfig as CommonLbConfig,
  type Cluster_EdsClusterConfig as EdsClusterConfig,
  Cluster_LbPolicy as LbPolicy,
  Cluster_DiscoveryType as Type,
} from '../../proto/generated/envoy/config/cluster/v3.ts';
import { HealthStatus } from '../../proto/generated/envoy/config/core/v3.ts';
import type { LocalityLbEndpoints } from '../../proto/generated/envoy/config/endpoint/v3.ts';
import {
  type ClusterMode,
  type ClusterTarget,
  clusterDiscovery,
  clusterTargets,
  isDynamicForwardProxy,
} from '../destinations/cluster-targets.ts';
import { effectiveLbSetting } from '../destinations/lb-setting.ts';
import {
  isPassthrough,
  type PortPolicy,
  portPolicy,
  subsetPolicy,
  withMeshDefaults,
} from '../destinations/traffic-policy.ts';
import { clusterEndpoints, type EndpointView } from '../endpoints/cluster-endpoints.ts';
import type { MutualTlsMode } from '../endpoints/peer-authentication.ts';
import { outboundSni } from '../names.ts';
import { clusterResource, type Translated } from '../resource.ts';
import type { ClusterTraits } from './cluster-traits.ts';
import { connectionPool } from './connection-pool.ts';
import { dnsFields, dynamicForwardProxy } from './dns.ts';
import { httpOptions, upstreamProtocol } from './http-options.ts';
import { loadBalancer, localityConfig } from './load-balancer.ts';
import { outboundMetadata } from './metadata.ts';
import { metadataExchange } from './metadata-exchange.ts';
import { outlierDetection } from './outlier-detection.ts';
import { OVER_ADS } from './sds.ts';
import { delimited, outboundStatName } from './stat-name.ts';
import { type UpstreamTls, upstreamTls, withProxyProtocol } from './tls.ts';

/** What the clusters of one Service are made from. */
interface Context {
  readonly service: Service;
  readonly rule: EffectiveDestinationRule | undefined;
  readonly identities: readonly string[];
  readonly mesh: MeshSettings;
  readonly traits: ClusterTraits;
  readonly serverMode: MutualTlsMode;
  readonly mode: ClusterMode;
  readonly view: EndpointView | undefined;
  /** Ports whose endpoints all have a sidecar. */
  readonly meshed: readonly number[];
}

const OVERRIDE_HOST_STATUS = {
  statuses: [HealthStatus.HEALTHY, HealthStatus.DRAINING, HealthStatus.UNKNOWN, HealthStatus.DEGRADED],
} as const;

const eds = (name: string): EdsClusterConfig => ({
  service_name: name,
  eds_config: OVER_ADS,
});

/**
 * Whether the server speaks mutual TLS, as far as a client can tell. To an address that the client names it does only where every endpoint
 * has a sidecar: such clusters have no endpoint metadata to choose by.
 */
function modeOfServer(context: Context, target: ClusterTarget): MutualTlsMode | undefined {
  const { service, rule, serverMode, meshed } = context;
  if (service.meshExternal) return undefined;
  const own = target.subset ? target.subset.trafficPolicy : rule?.rule.spec.trafficPolicy;
  const direct = service.resolution === 'Passthrough' || isPassthrough(own?.loadBalancer);
  return direct && !meshed.includes(target.port.port) ? 'DISABLE' : serverMode;
}

function policyOf({ rule, mesh }: Context, { port, subset }: ClusterTarget): PortPolicy | undefined {
  const own = withMeshDefaults(mesh.config, portPolicy(rule?.rule.spec.trafficPolicy, port.port));
  return subset ? subsetPolicy(own, subset.trafficPolicy, port.port) : own;
}

function tlsOf(
  context: Context,
  target: ClusterTarget,
  policy: PortPolicy | undefined,
  http2: boolean,
  originalDestination: boolean,
): UpstreamTls {
  const { service, rule, mesh, traits, identities, mode } = context;
  if (mode === 'sniDnat') return {};
  const dynamic = isDynamicForwardProxy(service);
  const tls = upstreamTls({
    mesh: mesh.config,
    traits,
    service,
    port: target.port,
    settings: policy?.tls,
    selectsWorkloads: rule?.rule.spec.workloadSelector !== undefined,
    identities: dynamic ? [] : identities,
    sni: dynamic ? '' : outboundSni(service.hostname, target.port.port, target.subset?.name),
    clusterName: target.name,
    dynamicForwardProxy: dynamic,
    http2,
    serverMode: modeOfServer(context, target),
    originalDestination,
  });
  return policy?.proxyProtocol ? withProxyProtocol(tls, policy.proxyProtocol.version ?? 0) : tls;
}

function commonLbConfig(context: Context, target: ClusterTarget, policy: PortPolicy | undefined): CommonLbConfig {
  const { service, mesh } = context;
  const lb = effectiveLbSetting(mesh.config, policy?.loadBalancer, service);
  const ejects = policy?.outlierDetection !== undefined;
  const healthy = service.trafficDistribution === 'Any' ? (policy?.outlierDetection?.minHealthPercent ?? 0) : 0;
  const persistent =
    service.labels['istio.io/persistent-session'] || service.labels['istio.io/persistent-session-header'];
  return {
    // Endpoints that are not ready are sent too, so Envoy must not fall back to them when few are left.
    healthy_panic_threshold: { value: Math.max(healthy, 0) || undefined },
    override_host_status: persistent && !target.subset ? OVERRIDE_HOST_STATUS : undefined,
    ...localityConfig(lb, ejects),
  };
}

/** The load balancing of a cluster with the fields of its discovery type. */
function balancing(
  context: Context,
  target: ClusterTarget,
  policy: PortPolicy | undefined,
  type: Type,
  localities: readonly LocalityLbEndpoints[],
): Partial<Cluster> {
  const { service, mesh, traits } = context;
  const common_lb_config = commonLbConfig(context, target, policy);
  const resolves = service.resolution === 'DNSLB' || service.resolution === 'DNSRoundRobinLB';
  const dns = resolves ? dnsFields(mesh.config, traits) : {};
  if (type === Type.ORIGINAL_DST) {
    const { targetPort, port } = target.port;
    const override = service.registry === 'External' && typeof targetPort === 'number' && targetPort !== port;
    return {
      type,
      ...dns,
      common_lb_config,
      lb_policy: LbPolicy.CLUSTER_PROVIDED,
      original_dst_lb_config:
        override && service.resolution === 'Passthrough'
          ? { upstream_port_override: { value: targetPort } }
          : undefined,
    };
  }
  return {
    type,
    ...dns,
    common_lb_config,
    load_assignment: resolves ? { cluster_name: target.name, endpoints: localities } : undefined,
    eds_cluster_config: type === Type.EDS ? eds(target.name) : undefined,
    ...loadBalancer(policy?.loadBalancer),
  };
}

function dynamicBalancing(
  { service, traits }: Context,
  policy: PortPolicy | undefined,
  insecure: boolean,
): Partial<Cluster> {
  const outlier = policy?.outlierDetection;
  return {
    cluster_type: dynamicForwardProxy(traits, service.hostname, insecure),
    lb_policy: LbPolicy.CLUSTER_PROVIDED,
    common_lb_config: outlier && {
      healthy_panic_threshold: { value: Math.max(outlier.minHealthPercent ?? 0, 0) || undefined },
    },
  };
}

const withoutEndpoints = (service: Service, target: ClusterTarget): Problem => ({
  object: service.source,
  path: '',
  message: `${service.hostname} is resolved by DNS but has no endpoint for port ${target.port.port}${
    target.subset ? ` in subset ${target.subset.name}` : ''
  }: no cluster`,
  severity: 'warning',
});

const tlsProblem = (rule: EffectiveDestinationRule, { subset }: ClusterTarget, message: string): Problem => {
  const index = subset?.trafficPolicy?.tls ? (rule.rule.spec.subsets?.indexOf(subset) ?? -1) : -1;
  const below = index >= 0 ? `subsets[${index}].trafficPolicy` : 'trafficPolicy';
  return { object: rule.rule.meta.key, path: `spec.${below}.tls`, message, severity: 'warning' };
};

const firstEndpoint = (localities: readonly LocalityLbEndpoints[]): readonly LocalityLbEndpoints[] => {
  const first = localities.find(locality => locality.lb_endpoints?.length);
  if (!first) return [];
  return localities.length === 1 && first.lb_endpoints?.length === 1
    ? localities
    : [{ ...first, lb_endpoints: first.lb_endpoints?.slice(0, 1) }];
};

function build(context: Context, target: ClusterTarget, problems: Problem[]): Cluster | undefined {
  const { service, rule, mesh, traits, view, mode } = context;
  const { name, port, subset } = target;
  const policy = policyOf(context, target);
  const dynamic = isDynamicForwardProxy(service);
  const type = clusterDiscovery(service, port, rule?.rule, subset, traits.sidecar);
  const outlier = outlierDetection(policy?.outlierDetection);
  const ejects = outlier !== undefined;
  const all =
    view && (type === Type.STRICT_DNS || type === Type.LOGICAL_DNS)
      ? clusterEndpoints(service, port, rule?.rule, subset, view, { ejects, mutualTlsOnly: mode === 'sniDnat' })
      : [];
  // Envoy takes one endpoint here, and ServiceEntries of one host may have brought several.
  const localities = type === Type.LOGICAL_DNS ? firstEndpoint(all) : all;
  if ((type === Type.STRICT_DNS || type === Type.LOGICAL_DNS) && localities.length === 0) {
    problems.push(withoutEndpoints(service, target));
    return undefined;
  }
  const pool = policy?.connectionPool;
  const protocol = upstreamProtocol(port.protocol, traits, true, mesh.config, pool);
  const tls = tlsOf(context, target, policy, protocol === 'http2', type === Type.ORIGINAL_DST);
  if (tls.fault && rule) problems.push(tlsProblem(rule, target, tls.fault));
  const options = httpOptions(protocol, pool, tls.auto);
  // Envoy refuses a forward proxy that says how to speak HTTP and not how to name the server, even in plaintext.
  const lacksSni = options !== undefined && !(tls.auto?.sni && tls.auto.sanValidation);
  return {
    name,
    alt_stat_name: delimited(outboundStatName(mesh, dynamic ? undefined : service, port, subset?.name ?? '', name)),
    ...connectionPool(mesh.config, pool, policy?.retryBudget),
    ...(dynamic
      ? dynamicBalancing(context, policy, tls.insecure === true || lacksSni)
      : balancing(context, target, policy, type, localities)),
    outlier_detection: outlier,
    typed_extension_protocol_options: options,
    filters: metadataExchange(traits),
    transport_socket: tls.transport_socket,
    transport_socket_matches: tls.transport_socket_matches,
    metadata: outboundMetadata({ service, named: !dynamic, rule: rule?.rule, subset: subset?.name ?? '', policy }),
  };
}

/** SPIFFE ids of the endpoints and what a ServiceEntry adds, sorted. */
const acceptedIdentities = (service: Service, known: readonly string[]): readonly string[] =>
  service.subjectAltNames.length ? [...new Set([...known, ...service.subjectAltNames])].sort(compare) : known;

const NO_IDENTITIES: readonly string[] = Object.freeze([]);

/**
 * The clusters of one Service. `view` is given where its endpoints are part of the clusters (DNS), `meshed` (port numbers, joined by
 * commas) where whether all of them have sidecars decides on TLS.
 */
export const serviceClusters = memo(
  (
    mesh: MeshSettings,
    traits: ClusterTraits,
    mode: ClusterMode,
    serverMode: MutualTlsMode,
    meshed: string,
    view: EndpointView | undefined,
    identities: readonly string[] | undefined,
    rule: EffectiveDestinationRule | undefined,
    service: Service,
  ): Translated<Cluster> => {
    const context: Context = {
      service,
      rule,
      identities: acceptedIdentities(service, identities ?? NO_IDENTITIES),
      mesh,
      traits,
      serverMode,
      mode,
      view,
      meshed: meshed.split(',').filter(Boolean).map(Number),
    };
    const sources = [service.source, ...(rule?.sources ?? [])];
    const problems: Problem[] = [];
    const resources = clusterTargets(service, rule?.rule, mode).flatMap(target => {
      const message = build(context, target, problems);
      return message ? [clusterResource(message, sources)] : [];
    });
    return { resources, problems };
  },
);

/** Which ports' endpoints all have a sidecar, as `serviceClusters` takes it. */
export const meshedPorts = memo((service: Service, endpoints: ServiceEndpoints | undefined): string =>
  service.ports
    .filter(port => {
      const own = endpoints?.endpoints.filter(endpoint => serves(endpoint, port)) ?? [];
      return own.length > 0 && own.every(endpoint => endpoint.tlsMode === 'istio');
    })
    .map(({ port }) => port)
    .join(','),
);
