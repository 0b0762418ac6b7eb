import type { Problem } from '../../../config/problem.ts';
import type { Sidecar } from '../../../istio/config.ts';
import { isGlobalUnicast, wildcards } from '../../../istio/ip-families.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { memo } from '../../../memo.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import type { Workload } from '../../../model/proxy/workload.ts';
import { type ServiceTarget, sidecarPort } from '../../../model/services/service.ts';
import type { ObjectKey } from '../../../object-key.ts';
import type { AccessLog } from '../../../proto/generated/envoy/config/accesslog/v3.ts';
import { TrafficDirection } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { FilterChain, Listener } from '../../../proto/generated/envoy/config/listener/v3.ts';
import { CaptureMode, type IstioIngressListener } from '../../../proto/generated/istio/networking/v1alpha3.ts';
import { bool, uint32 } from '../../../proto/wellknown.ts';
import { statService } from '../../clusters/stat-name.ts';
import { configMetadata } from '../../config-metadata.ts';
import { tcpMetadataExchange } from '../../filters/istio-build.ts';
import { plainTcpProxy } from '../../filters/well-known.ts';
import { BLACKHOLE_CLUSTER, inboundClusterName, listenerName, VIRTUAL_INBOUND_LISTENER } from '../../names.ts';
import type { Translated } from '../../resource.ts';
import { listenAddress } from '../chains/address.ts';
import { connectionBalance, listenerResource, ONE_AT_A_TIME } from '../chains/listener.ts';
import { meshTlsSockets } from '../chains/tls-context.ts';
import { listenerProtocol } from '../outbound/conflict.ts';
import { canBind } from '../outbound/plan.ts';
import { type InboundContext, type InboundPort, inboundChains, passthroughPort } from './chains.ts';
import { inboundListenerFilters } from './inspectors.ts';
import { INBOUND_MATCHES } from './match.ts';
import { type MutualTls, modeForPort } from './mutual-tls.ts';

const targetOf = memo((target: ServiceTarget, bind: string): InboundPort => {
  const { service, port, targetPort } = target;
  return Object.freeze({
    cluster: inboundClusterName(targetPort),
    targetPort,
    port: port.port,
    portName: port.name,
    protocol: port.protocol,
    bind,
    ...statService(service),
    passthrough: false,
    metadata: undefined,
  });
});

const ingressOf = memo((sidecar: Sidecar, ingress: IstioIngressListener, bind: string): InboundPort => {
  const { port, name, protocol } = sidecarPort(ingress.port ?? {});
  return Object.freeze({
    cluster: inboundClusterName(port),
    targetPort: port,
    port,
    portName: name,
    protocol,
    bind,
    hostname: `${sidecar.meta.name}.${sidecar.meta.namespace}`,
    kubernetes: undefined,
    passthrough: false,
    metadata: configMetadata(sidecar.meta, 'Sidecar'),
  });
});

interface Placed {
  readonly port: InboundPort;
  readonly bindToPort: boolean;
  readonly sources: readonly ObjectKey[];
}

const byTargetPort = (a: Placed, b: Placed): number => a.port.targetPort - b.port.targetPort;

/** The ports that a Sidecar's ingress listeners open: they take the place of the Services' ports. */
function sidecarPorts(mesh: MeshSettings, traits: Traits, workload: Workload, sidecar: Sidecar): readonly Placed[] {
  const placed = new Map<number, Placed>();
  for (const ingress of sidecar.spec.ingress ?? []) {
    const { port, protocol } = sidecarPort(ingress.port ?? {});
    const capture = ingress.captureMode ?? CaptureMode.DEFAULT;
    const bindToPort = capture === CaptureMode.DEFAULT ? traits.interception === 'NONE' : capture === CaptureMode.NONE;
    const given = ingress.bind ?? '';
    // istiod asks for the bind as it is written, before it falls back to the pod's own address.
    if (!canBind(mesh, traits, { bindToPort, bind: given, port, protocol }) || placed.has(port)) continue;
    const bind = given || workload.ownAddresses.find(isGlobalUnicast) || wildcards(traits)[0];
    placed.set(port, { port: ingressOf(sidecar, ingress, bind), bindToPort, sources: [sidecar.meta.key] });
  }
  return [...placed.values()].sort(byTargetPort);
}

/** What is wrong where Services of one workload say different things of what it speaks on a port: its chains can speak one only. */
function otherProtocol(
  { port, sources }: Placed,
  { service, port: other, targetPort }: ServiceTarget,
): readonly Problem[] {
  const [holder] = sources;
  const kinds = [listenerProtocol(port.protocol), listenerProtocol(other.protocol)];
  if (holder === service.source || !kinds.includes('http') || !kinds.includes('tcp')) return [];
  return [
    {
      object: service.source,
      path: '',
      message: `${holder} says that port ${targetPort} of their pods speaks ${port.protocol}, and this that it speaks ${other.protocol}; sidecars take it for ${port.protocol}`,
      severity: 'warning',
    },
  ];
}

/** The ports of a workload; of several Services on one target port the oldest one speaks (istio: buildInboundChainConfigs). */
function inboundPorts(mesh: MeshSettings, traits: Traits, workload: Workload, problems: Problem[]): readonly Placed[] {
  const { sidecar } = workload;
  if (sidecar && (sidecar.spec.ingress?.length ?? 0) > 0) return sidecarPorts(mesh, traits, workload, sidecar);
  // Without redirection the proxy cannot listen where the application does.
  if (traits.interception === 'NONE') return [];
  const bind = wildcards(traits)[0];
  const placed = new Map<number, Placed>();
  for (const target of workload.targets) {
    const { targetPort, port, service } = target;
    const at = { bindToPort: false, bind, port: targetPort, protocol: port.protocol };
    if (!canBind(mesh, traits, at)) continue;
    const first = placed.get(targetPort);
    if (first) {
      problems.push(...otherProtocol(first, target));
      continue;
    }
    placed.set(targetPort, { port: targetOf(target, bind), bindToPort: false, sources: [service.source] });
  }
  return [...placed.values()].sort(byTargetPort);
}

interface InboundListeners {
  readonly context: InboundContext;
  readonly mutualTls: MutualTls;
  readonly accessLogs: readonly AccessLog[];
}

function chainsOf(inbound: InboundListeners, traits: Traits, port: InboundPort): readonly FilterChain[] {
  const kind = listenerProtocol(port.protocol);
  const mode = modeForPort(inbound.mutualTls, port.targetPort);
  const matches = INBOUND_MATCHES[kind === 'none' ? 'tcp' : kind][mode];
  return inboundChains(inbound.context, port, matches, meshTlsSockets(inbound.context.tcp.mesh, traits));
}

/** Chains for ports that no Service names, first the one that ends connections to the listener's own port. */
function passthroughChains(
  inbound: InboundListeners,
  traits: Traits,
  known: ReadonlySet<number>,
): readonly FilterChain[] {
  const own = inbound.context.tcp.mesh.config.proxyInboundListenPort ?? 0;
  // A chain for the listener's own port would hand its connections to the listener again, for ever.
  const ports = [0, ...[...inbound.mutualTls.ports.keys()].filter(port => port !== own && !known.has(port))];
  return [
    {
      name: 'virtualInbound-blackhole',
      filter_chain_match: { destination_port: uint32(own) },
      filters: [...tcpMetadataExchange(traits.build), ...inbound.context.tcp.metrics, plainTcpProxy(BLACKHOLE_CLUSTER)],
    },
    ...ports.flatMap(port => chainsOf(inbound, traits, passthroughPort(port))),
  ];
}

function listener(
  inbound: InboundListeners,
  traits: Traits,
  place: { readonly name: string; readonly bind: string; readonly port: number; readonly bindToPort: boolean },
  chains: readonly FilterChain[],
): Listener {
  const { mesh } = inbound.context.tcp;
  const transparent = traits.interception === 'TPROXY';
  return {
    name: place.name,
    address: listenAddress(place.bind, place.port),
    filter_chains: chains,
    listener_filters: inboundListenerFilters(chains, { redirected: !place.bindToPort, transparent }),
    listener_filters_timeout: mesh.config.protocolDetectionTimeout,
    continue_on_listener_filters_timeout: true,
    transparent: !place.bindToPort && transparent ? bool(true) : undefined,
    traffic_direction: TrafficDirection.INBOUND,
    connection_balance_config: connectionBalance(traits, 'INBOUND'),
    access_log: inbound.accessLogs,
    max_connections_to_accept_per_socket_event: ONE_AT_A_TIME,
  };
}

/** The listeners for connections to a workload: the one that iptables redirects to, and those of a Sidecar that really bind. */
export const inboundListeners = memo(
  (
    workload: Workload,
    traits: Traits,
    context: InboundContext,
    mutualTls: MutualTls,
    accessLogs: readonly AccessLog[],
  ): Translated<Listener> => {
    const problems: Problem[] = [];
    const inbound = { context, mutualTls, accessLogs };
    const { mesh } = context.tcp;
    const ports = inboundPorts(mesh, traits, workload, problems);
    const bound = ports
      .filter(p => p.bindToPort)
      .map(({ port, sources }) => {
        const place = { name: listenerName(port.bind, port.targetPort), bind: port.bind, port: port.targetPort };
        const chains = chainsOf(inbound, traits, port);
        return listenerResource(listener(inbound, traits, { ...place, bindToPort: true }, chains), ...sources);
      });
    if (traits.interception === 'NONE') return { resources: bound, problems };
    const redirected = ports.filter(p => !p.bindToPort);
    const known = new Set(ports.map(p => p.port.targetPort));
    const chains = [
      ...passthroughChains(inbound, traits, known),
      ...redirected.flatMap(({ port }) => chainsOf(inbound, traits, port)),
    ];
    const place = {
      name: VIRTUAL_INBOUND_LISTENER,
      bind: wildcards(traits)[0],
      port: mesh.config.proxyInboundListenPort ?? 0,
      bindToPort: false,
    };
    const sources = [...new Set(redirected.flatMap(p => p.sources))];
    return { resources: [listenerResource(listener(inbound, traits, place, chains), ...sources), ...bound], problems };
  },
);
