import type { Gateway, VirtualService } from '../../istio/config.ts';
import { isHttp, type Protocol, parseProtocol } from '../../istio/protocol.ts';
import { memo } from '../../memo.ts';
import { type Server, ServerTLSSettings_TLSmode } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { ServiceTarget } from '../services/service.ts';

export interface GatewayBinding {
  readonly gateway: Gateway;
  readonly virtualServices: readonly VirtualService[];
}

/** One server of a Gateway as a proxy is to open it. */
export interface GatewayServer {
  readonly gateway: Gateway;
  /** `namespace/name` of the Gateway: what VirtualServices name. */
  readonly gatewayName: string;
  readonly server: Server;
  readonly protocol: Protocol;
  /** `namespace/host` or `host`; a namespace limits which VirtualServices may use it. */
  readonly hosts: readonly string[];
  /** VirtualServices bound to the Gateway, oldest first. */
  readonly virtualServices: readonly VirtualService[];
  /** The RDS name of an HTTP server or of HTTPS that ends here; empty for TCP and pass-through. */
  readonly routeName: string;
}

/** Servers that share one listener: one port, protocol and bind. */
export interface GatewayPort {
  readonly port: number;
  readonly bind: string;
  readonly protocol: Protocol;
  readonly servers: readonly GatewayServer[];
}

/** What the Gateways that select a proxy make together (istio: model.mergeGateways). */
export interface MergedGateway {
  /** In the order in which they were first named. */
  readonly ports: readonly GatewayPort[];
  /** HTTP servers by the route configuration that they share. */
  readonly routes: ReadonlyMap<string, readonly GatewayServer[]>;
  /** Servers that are not opened, or not for all of their hosts, and why. */
  readonly conflicts: readonly { readonly server: GatewayServer; readonly reason: string }[];
}

/** Whether TLS is handed on unopened, as it is where the settings name no mode. */
export function passesThrough({ tls }: Server): boolean {
  if (!tls) return false;
  const { mode = ServerTLSSettings_TLSmode.PASSTHROUGH } = tls;
  return mode === ServerTLSSettings_TLSmode.PASSTHROUGH || mode === ServerTLSSettings_TLSmode.AUTO_PASSTHROUGH;
}

/** Whether the server routes HTTP: plain, or HTTPS that ends here. */
const routesHttp = ({ protocol, server }: GatewayServer): boolean =>
  isHttp(protocol) || (protocol === 'HTTPS' && !passesThrough(server));

/** Whether the server ends or inspects TLS; HTTP with TLS settings only redirects. */
export const usesTls = ({ protocol, server }: GatewayServer): boolean => server.tls !== undefined && !isHttp(protocol);

const sniHost = (host: string): string => host.slice(host.indexOf('/') + 1);

/** The hosts of a server as SNI has them: without namespaces, sorted. */
export const sniHosts = (hosts: readonly string[]): readonly string[] => [...new Set(hosts.map(sniHost))].sort();

/** `./host` is the Gateway's own namespace, an asterisk is any. */
function serverHost(host: string, namespace: string): string {
  const [scope, name] = host.split('/');
  if (name === undefined) return host;
  if (scope === '.') return `${namespace}/${name}`;
  return scope === '*' ? name : host;
}

/** The port that the proxy itself listens on: the target port of the first of its Services that has the Gateway's port. */
function listeningPort(port: number, targets: readonly ServiceTarget[]): number {
  const target = targets.find(
    t =>
      t.port.port === port && t.service.labels['experimental.istio.io/disable-gateway-port-translation'] === undefined,
  );
  return target?.targetPort ?? port;
}

function routeNameOf(server: Server, protocol: Protocol, port: number, gateway: Gateway): string {
  const bind = server.bind ? `.${server.bind}` : '';
  if (isHttp(protocol)) return `http.${port}${bind}`;
  if (protocol !== 'HTTPS' || passesThrough(server)) return '';
  return `https.${server.port?.number}.${server.port?.name ?? ''}.${gateway.meta.name}.${gateway.meta.namespace}${bind}`;
}

interface Opening {
  readonly port: number;
  readonly server: GatewayServer;
}

function openings({ gateway, virtualServices }: GatewayBinding, targets: readonly ServiceTarget[]): readonly Opening[] {
  return (gateway.spec.servers ?? []).flatMap(server => {
    const number = server.port?.number;
    if (number === undefined) return [];
    const port = listeningPort(number, targets);
    const protocol = parseProtocol(server.port?.protocol ?? '');
    return {
      port,
      server: {
        gateway,
        gatewayName: `${gateway.meta.namespace}/${gateway.meta.name}`,
        server,
        protocol,
        hosts: (server.hosts ?? []).map(host => serverHost(host, gateway.meta.namespace)),
        virtualServices,
        routeName: routeNameOf(server, protocol, port, gateway),
      },
    };
  });
}

/** Why a server cannot join those that are open already; undefined where it can. */
function conflict({ port, server }: Opening, open: readonly Opening[]): string | undefined {
  const bind = server.server.bind ?? '';
  const beside = open.filter(o => o.port === port && (o.server.server.bind ?? '') === bind);
  const plain = beside.find(o => !usesTls(o.server));
  if (plain && !(isHttp(plain.server.protocol) && isHttp(server.protocol)))
    return plain.server.protocol === server.protocol
      ? `${plain.server.gatewayName} has all ${server.protocol} connections to port ${port} already`
      : `port ${port} speaks ${plain.server.protocol} for ${plain.server.gatewayName} already, not ${server.protocol}`;
  // What comes with no server name, or with none that TLS servers have, is for the plain one.
  const encrypted = beside.find(o => usesTls(o.server) && sniHosts(o.server.hosts).includes('*'));
  if (encrypted && !usesTls(server))
    return `port ${port} speaks TLS of every host for ${encrypted.server.gatewayName} already, not ${server.protocol}`;
  if (usesTls(server) && server.routeName && open.some(o => o.server.routeName === server.routeName))
    return `another server of ${server.gatewayName} has the port name ${server.server.port?.name ?? "''"} already`;
  return undefined;
}

/**
 * Merges the Gateways that select a proxy, in their order: plain HTTP servers of a port share its listener and routes, TLS servers share the
 * listener by SNI, what does not go together is left out with a reason: of a TLS server the hosts that another has, or all of it.
 */
export const mergeGateways = memo(
  (bindings: readonly GatewayBinding[], targets: readonly ServiceTarget[]): MergedGateway => {
    const open: Opening[] = [];
    const conflicts: MergedGateway['conflicts'][number][] = [];
    const holders = new Map<string, Gateway>();
    for (const { port, server: whole } of bindings.flatMap(binding => openings(binding, targets))) {
      const place = `${port}/${whole.server.bind ?? ''}`;
      const holderOf = (host: string) => holders.get(`${place}/${sniHost(host)}`);
      const twice = whole.server.tls ? whole.hosts.filter(holderOf) : [];
      if (twice.length) {
        const gateways = [...new Set(twice.map(host => holderOf(host)?.meta.key))].join(', ');
        conflicts.push({
          server: whole,
          reason: `${gateways} has ${sniHosts(twice).join(', ')} on port ${port} already`,
        });
        if (twice.length === whole.hosts.length) continue;
      }
      const hosts = whole.hosts.filter(host => !twice.includes(host));
      const server = twice.length ? Object.freeze({ ...whole, hosts }) : whole;
      const reason = conflict({ port, server }, open);
      if (reason) {
        conflicts.push({ server, reason });
        continue;
      }
      if (server.server.tls) for (const host of sniHosts(hosts)) holders.set(`${place}/${host}`, server.gateway);
      open.push({ port, server });
    }
    const ports = new Map<string, GatewayPort>();
    const routes = new Map<string, GatewayServer[]>();
    for (const { port, server } of open) {
      const bind = server.server.bind ?? '';
      // Plain HTTP of any kind shares a listener; TLS servers of different protocols are told apart by SNI on one listener too.
      const key = `${port}/${bind}`;
      const known = ports.get(key);
      ports.set(key, {
        port,
        bind,
        protocol: known?.protocol ?? server.protocol,
        servers: [...(known?.servers ?? []), server],
      });
      if (routesHttp(server)) routes.set(server.routeName, [...(routes.get(server.routeName) ?? []), server]);
    }
    return { ports: [...ports.values()], routes, conflicts };
  },
);
