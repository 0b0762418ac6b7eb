import type { Problem } from '../../../config/problem.ts';
import { writtenPath } from '../../../istio/config.ts';
import { canonicalAddress, wildcards } from '../../../istio/ip-families.ts';
import { isHttp } from '../../../istio/protocol.ts';
import { memo, oneList } from '../../../memo.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import type { Workload } from '../../../model/proxy/workload.ts';
import {
  type GatewayPort,
  type GatewayServer,
  mergeGateways,
  passesThrough,
} from '../../../model/routing/merged-gateway.ts';
import type { Scope } from '../../../model/scope/scope.ts';
import type { AccessLog } from '../../../proto/generated/envoy/config/accesslog/v3.ts';
import { TrafficDirection } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { Listener } from '../../../proto/generated/envoy/config/listener/v3.ts';
import { ServerTLSSettings_TLSmode as Mode } from '../../../proto/generated/istio/networking/v1alpha3.ts';
import { uint32 } from '../../../proto/wellknown.ts';
import { PROXY_PROTOCOL, TLS_INSPECTOR } from '../../filters/well-known.ts';
import { listenerName } from '../../names.ts';
import { connectionSettings, proxyConfigOf } from '../../proxy-config.ts';
import type { ListenerResource, Translated } from '../../resource.ts';
import { listenAddress } from '../chains/address.ts';
import { type ChainOverlap, distinctChains, type OwnedChain, overlapProblems } from '../chains/distinct-chains.ts';
import { type ChainSpec, chainMatch, filterChain } from '../chains/filter-chain.ts';
import { connectionBalance, listenerResource, ONE_AT_A_TIME } from '../chains/listener.ts';
import type { TcpContext } from '../chains/network-filters.ts';
import { type ListenerContext, listenerContext } from '../context.ts';
import {
  autoPassThroughChains,
  httpsChain,
  isAutoPassThrough,
  passThroughChains,
  plainHttpChain,
  tcpChains,
} from './chains.ts';

const gatewayListener = memo(
  (
    context: TcpContext,
    accessLogs: readonly AccessLog[],
    bind: string,
    port: number,
    ...chains: readonly ChainSpec[]
  ): Listener => {
    const { mesh, traits } = context;
    const proxyProtocol = proxyConfigOf(mesh, traits).gatewayTopology?.proxyProtocol !== undefined;
    const tls = chains.some(c => c.sniHosts.length > 0 || c.tls !== undefined);
    const limit = connectionSettings(mesh, traits)?.listenerPerConnectionBufferLimitBytes?.value;
    return {
      name: listenerName(bind, port),
      address: listenAddress(bind, port),
      filter_chains: chains.map(c => filterChain(c, chainMatch(c))),
      // Envoy's own timeout of 15 s holds for these: a silent client must not keep a listener filter waiting for ever.
      listener_filters: [...(proxyProtocol ? [PROXY_PROTOCOL] : []), ...(tls ? [TLS_INSPECTOR] : [])],
      traffic_direction: TrafficDirection.OUTBOUND,
      per_connection_buffer_limit_bytes: limit === undefined || limit < 0 ? undefined : uint32(limit),
      connection_balance_config: connectionBalance(traits, 'OUTBOUND'),
      access_log: accessLogs,
      max_connections_to_accept_per_socket_event: ONE_AT_A_TIME,
    };
  },
);

/** Servers of a port in the order of istiod: those of one protocol together, protocols in the order in which they were first named. */
function byProtocol(servers: readonly GatewayServer[]): readonly GatewayServer[] {
  return [...Map.groupBy(servers, ({ protocol }) => protocol).values()].flat();
}

interface Open {
  readonly scope: Scope;
  readonly context: ListenerContext;
  /** The chains of AUTO_PASSTHROUGH are not guarded: the workload behind is. */
  readonly unguarded: ListenerContext;
}

const serverPath = ({ gateway, server }: GatewayServer): string =>
  writtenPath(gateway, `spec.servers[${gateway.spec.servers?.indexOf(server) ?? 0}]`);

function chainsOf(port: GatewayPort, name: string, { scope, context, unguarded }: Open): readonly OwnedChain[] {
  const { http, tcp } = context.chains;
  const chains: OwnedChain[] = [];
  let plain = false;
  const told = new Set<string>();
  for (const server of byProtocol(port.servers)) {
    const owner = { object: server.gateway.meta.key, path: `${serverPath(server)}.hosts` };
    const owned = (chain: ChainSpec): OwnedChain => ({ chain, owner });
    if (isHttp(server.protocol)) {
      if (!plain) chains.push(owned(plainHttpChain(http, name, server.routeName, server.protocol)));
      plain = true;
    } else if (server.server.tls && server.protocol === 'HTTPS' && !passesThrough(server.server)) {
      chains.push(owned(httpsChain(http, server.server, oneList(server.hosts), name, server.routeName)));
    } else if (isAutoPassThrough(server)) {
      chains.push(...autoPassThroughChains(unguarded.chains.tcp, server, scope).map(owned));
    } else if (passesThrough(server.server)) {
      chains.push(...passThroughChains(tcp, server, scope, told));
    } else {
      chains.push(...tcpChains(tcp, server, scope));
    }
  }
  return chains;
}

/** A server that shows the workload's certificate, to a proxy that has none: it is not opened. */
const lacksCertificate = ({ server }: GatewayServer, { certificates }: Traits): boolean =>
  certificates === 'none' && server.tls?.mode === Mode.ISTIO_MUTUAL;

const unopened = (server: GatewayServer): Problem => ({
  object: server.gateway.meta.key,
  path: `${serverPath(server)}.tls.mode`,
  message:
    'ISTIO_MUTUAL needs a certificate: the proxy has neither an agent nor a secure connection (pilotlight bootstrap --secure); the server is not opened',
  severity: 'warning',
});

const problemsOf = (conflicts: ReturnType<typeof mergeGateways>['conflicts']): readonly Problem[] =>
  conflicts.map(({ server, reason }) => {
    return { object: server.gateway.meta.key, path: serverPath(server), message: reason, severity: 'error' };
  });

/** The listeners of a gateway proxy: one for each port and bind of the Gateways that select it (istio: buildGatewayListeners). */
export function gatewayListeners(scope: Scope, workload: Workload, traits: Traits): Translated<Listener> {
  const merged = mergeGateways(scope.gateways, workload.targets);
  const open: Open = {
    scope,
    context: listenerContext(scope, workload, traits, 'gateway'),
    unguarded: listenerContext(scope, workload, traits, 'gateway', false),
  };
  const bindOf = ({ bind }: GatewayPort): string => canonicalAddress(bind || wildcards(traits)[0]);
  const lacking = merged.ports.flatMap(({ servers }) => servers.filter(server => lacksCertificate(server, traits)));
  const opened = merged.ports
    .filter(({ port }) => port >= 1024 || traits.options['UNPRIVILEGED_POD'] !== 'true')
    .map(port =>
      lacking.length ? { ...port, servers: port.servers.filter(server => !lacking.includes(server)) } : port,
    );
  const resources: ListenerResource[] = [];
  const found: { readonly listener: string; readonly overlaps: readonly ChainOverlap[] }[] = [];
  // A server that says the address that others have by default shares their listener.
  for (const [name, ports] of Map.groupBy(opened, port => listenerName(bindOf(port), port.port))) {
    const [first] = ports;
    const { chains, overlaps } = distinctChains(ports.flatMap(port => chainsOf(port, name, open)));
    if (overlaps.length > 0) found.push({ listener: name, overlaps });
    // Envoy has no listener without a chain.
    if (!first || chains.length === 0) continue;
    const { tcp } = open.context.chains;
    const message = gatewayListener(tcp, open.context.accessLogs, bindOf(first), first.port, ...chains);
    const gateways = ports.flatMap(({ servers }) => servers.map(({ gateway }) => gateway.meta.key));
    resources.push(listenerResource(message, ...new Set(gateways)));
  }
  const problems = [
    ...problemsOf(merged.conflicts),
    ...lacking.map(unopened),
    ...overlapProblems(found),
    ...open.context.problems,
  ];
  return { resources, problems };
}
