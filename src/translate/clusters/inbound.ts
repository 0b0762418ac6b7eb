/** Inbound clusters: from the sidecar to its own application, one for each port that a Service or the Sidecar names. */

import { type IpFamilies, isOfFamilies, loopbacks } from '../../istio/ip-families.ts';
import { compare } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { memo } from '../../memo.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { Scope } from '../../model/scope/scope.ts';
import { type Service, type ServicePort, type ServiceTarget, sidecarPort } from '../../model/services/service.ts';
import {
  type Cluster,
  Cluster_LbPolicy as LbPolicy,
  Cluster_DiscoveryType as Type,
} from '../../proto/generated/envoy/config/cluster/v3.ts';
import { MeshConfig_InboundTrafficPolicy_Mode as InboundMode } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import type { ConnectionPoolSettings, IstioIngressListener } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { portPolicy, withMeshDefaults } from '../destinations/traffic-policy.ts';
import { addressOf } from '../endpoints/locality-group.ts';
import { inboundClusterName } from '../names.ts';
import { type ClusterResource, clusterResource, type Translated } from '../resource.ts';
import { type ClusterTraits, clusterTraits } from './cluster-traits.ts';
import { connectionPool } from './connection-pool.ts';
import { inboundBindConfig } from './fallback.ts';
import { httpOptions, upstreamProtocol } from './http-options.ts';
import { inboundMetadata } from './metadata.ts';
import { delimited, inboundStatName, type StatService, statService } from './stat-name.ts';

/** Never: connections of an inbound cluster stay as long as they are used. The largest duration that Go can hold. */
const NO_CLEANUP = { seconds: 9223372035 } as const;

/** Where an inbound cluster sends to: a fixed address, or (address empty) wherever the connection was meant to go. */
interface Destination {
  readonly clusterPort: number;
  readonly address: string;
  readonly port: number;
}

const isLoopback = (address: string): boolean => loopbacks({ ipv4: true, ipv6: true }).includes(address);

/** A port of the application with the Services behind it; the first one shapes the cluster. */
interface Target {
  readonly services: readonly { readonly service: Service; readonly port: ServicePort }[];
  readonly named: StatService;
  readonly port: Pick<ServicePort, 'name' | 'port' | 'protocol' | 'targetPort'>;
}

function build(
  mesh: MeshSettings,
  traits: ClusterTraits,
  rule: EffectiveDestinationRule | undefined,
  sidecarPool: ConnectionPoolSettings | undefined,
  to: Destination,
  target: Target,
): Cluster {
  const name = inboundClusterName(to.clusterPort);
  const spec = rule?.rule.spec;
  const policy = withMeshDefaults(mesh.config, portPolicy(spec?.trafficPolicy, target.port.port));
  const pool = sidecarPool ?? policy?.connectionPool;
  const { named, port } = target;
  const first = target.services[0]?.service;
  const describe = first && !first.meshExternal;
  const onPort = target.services.filter(other => other.port.port === port.port).map(other => other.service);
  const protocol = upstreamProtocol(port.protocol, traits, false, mesh.config, pool);
  const override =
    first?.registry === 'External' && first.resolution === 'Passthrough' && port.targetPort !== port.port
      ? port.targetPort
      : undefined;
  return {
    name,
    alt_stat_name: delimited(inboundStatName(mesh, named, port, to.clusterPort, name)),
    ...connectionPool(mesh.config, pool, policy?.retryBudget),
    common_lb_config: {},
    typed_extension_protocol_options: httpOptions(protocol, pool, undefined),
    metadata: describe ? inboundMetadata(onPort, spec?.trafficPolicy ? rule?.rule : undefined) : undefined,
    upstream_bind_config: isLoopback(to.address) ? undefined : inboundBindConfig(traits, false),
    ...(to.address
      ? {
          type: Type.STATIC,
          load_assignment: {
            cluster_name: name,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: addressOf(to.address, to.port) } }] }],
          },
        }
      : {
          type: Type.ORIGINAL_DST,
          lb_policy: LbPolicy.CLUSTER_PROVIDED,
          cleanup_interval: NO_CLEANUP,
          original_dst_lb_config: originalDestination(to, override),
        }),
  };
}

/** The port to use in place of the one that the connection was meant for. */
const originalDestination = ({ port }: Destination, override: number | string | undefined) => {
  const value = port || override;
  return typeof value === 'number' ? { upstream_port_override: { value } } : undefined;
};

/** The cluster of a port that Services send to; it lives as long as `targets` do. */
const serviceCluster = memo(
  (
    mesh: MeshSettings,
    traits: ClusterTraits,
    rule: EffectiveDestinationRule | undefined,
    sidecarPool: ConnectionPoolSettings | undefined,
    address: string,
    ...targets: readonly ServiceTarget[]
  ): ClusterResource | undefined => {
    const [first] = targets;
    if (!first) return undefined;
    const { targetPort } = first;
    const to = { clusterPort: targetPort, address, port: address ? targetPort : 0 };
    const target = { services: targets, named: statService(first.service), port: first.port };
    const sources = new Set([...targets.map(({ service }) => service.source), ...(rule?.sources ?? [])]);
    return clusterResource(build(mesh, traits, rule, sidecarPool, to, target), [...sources]);
  },
);

/** What the inbound clusters of a workload depend on. */
interface Context {
  readonly mesh: MeshSettings;
  readonly destinationRules: Scope['inboundRules'];
  readonly workload: Workload;
  readonly traits: ClusterTraits;
}

const inboundRule = ({ destinationRules }: Context, service: Service): EffectiveDestinationRule | undefined =>
  destinationRules.get(service.hostname);

function fromServices(context: Context): readonly ClusterResource[] {
  const { mesh, workload, traits } = context;
  const local = mesh.config.inboundTrafficPolicy?.mode === InboundMode.LOCALHOST;
  const byPort = Map.groupBy(workload.targets, ({ targetPort }) => targetPort);
  return [...byPort.values()].flatMap(targets => {
    const [first] = targets;
    if (!first) return [];
    const cluster = serviceCluster(
      mesh,
      traits,
      inboundRule(context, first.service),
      workload.sidecar?.spec.inboundConnectionPool,
      local ? loopbacks(traits)[0] : '',
      ...targets,
    );
    return cluster ? [cluster] : [];
  });
}

/** The address and port of a `defaultEndpoint`; undefined where it cannot be read, so that the listener gets no cluster. */
function endpointOf(text: string, { workload, traits }: Context): Omit<Destination, 'clusterPort'> | undefined {
  if (text === '') return { address: '', port: 0 };
  if (text.startsWith('unix://')) return { address: text, port: 0 };
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (colon < 0 || !Number.isInteger(port)) return undefined;
  const ip = text.slice(0, colon).replace(/^\[|\]$/g, '');
  const own = (family: IpFamilies): string =>
    workload.ownAddresses.find(address => isOfFamilies(address, family)) ?? workload.ownAddresses[0] ?? '';
  switch (ip) {
    case '0.0.0.0':
      return { address: own({ ipv4: true, ipv6: false }), port };
    case '::':
      return { address: own({ ipv4: false, ipv6: true }), port };
    case '127.0.0.1':
      return { address: loopbacks(traits)[0], port };
    case '::1':
      return { address: loopbacks(traits).at(-1) ?? '', port };
    default:
      return { address: '', port: 0 };
  }
}

function ingressCluster(context: Context, listener: IstioIngressListener): ClusterResource | undefined {
  const { mesh, workload, traits } = context;
  const { sidecar } = workload;
  const to = endpointOf(listener.defaultEndpoint ?? '', context);
  if (!sidecar || !to) return undefined;
  const port = sidecarPort(listener.port ?? {});
  const clusterPort = port.port;
  const service = workload.targets.find(target => target.targetPort === clusterPort)?.service;
  const { name, namespace, key } = sidecar.meta;
  const named = service ? statService(service) : { hostname: `${name}.${namespace}`, kubernetes: undefined };
  const rule = service && inboundRule(context, service);
  const message = build(
    mesh,
    traits,
    rule,
    listener.connectionPool ?? sidecar.spec.inboundConnectionPool,
    { clusterPort, ...to },
    { services: service ? [{ service, port }] : [], named, port },
  );
  return clusterResource(message, [key, ...(service ? [service.source] : []), ...(rule?.sources ?? [])]);
}

const make = memo(
  (
    mesh: MeshSettings,
    destinationRules: Scope['inboundRules'],
    workload: Workload,
    traits: ClusterTraits,
    redirected: boolean,
  ): Translated<Cluster> => {
    const context = { mesh, destinationRules, workload, traits };
    const ingress = workload.sidecar?.spec.ingress ?? [];
    const all = ingress.length
      ? ingress.map(listener => ingressCluster(context, listener))
      : redirected
        ? fromServices(context)
        : [];
    const byName = new Map<string, ClusterResource>();
    for (const cluster of all) if (cluster && !byName.has(cluster.name)) byName.set(cluster.name, cluster);
    return { resources: [...byName.values()].sort((a, b) => compare(a.name, b.name)), problems: [] };
  },
);

const NONE: Translated<Cluster> = Object.freeze({ resources: [], problems: [] });

/**
 * The clusters to the proxy's own application: those of the Sidecar's ingress listeners where it has any, else those of Services. None
 * where nothing is redirected to the proxy and the Sidecar names no listener.
 */
export const inboundClusters = (
  { mesh, inboundRules }: Scope,
  workload: Workload,
  traits: Traits,
): Translated<Cluster> =>
  traits.type === 'sidecar'
    ? make(mesh, inboundRules, workload, clusterTraits(mesh, traits), traits.interception !== 'NONE')
    : NONE;
