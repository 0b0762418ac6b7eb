import { isIP } from 'node:net';
import { isUnspecified, loopbacks, reachable, wildcards } from '../../../istio/ip-families.ts';
import { isHttp, isTcp, isUnsupported, type Protocol } from '../../../istio/protocol.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { memo, one } from '../../../memo.ts';
import { type ServiceEndpoints, serves } from '../../../model/endpoints/endpoint.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import type { EgressListener } from '../../../model/scope/scope.ts';
import { type Service, type ServicePort, sidecarPort } from '../../../model/services/service.ts';
import { isUnixSocket } from '../chains/address.ts';
import { conflict, type Effect, listenerProtocol } from './conflict.ts';

/** One Service port on one address of an outbound listener. Interned: it keeps its identity while Service and address do. */
export interface Contribution {
  readonly service: Service;
  readonly port: ServicePort;
  /** The listener's addresses, the first one names it. */
  readonly binds: readonly string[];
  readonly bindToPort: boolean;
  /** The address of the Service that is meant; empty where it has none. */
  readonly address: string;
  readonly cidrs: readonly string[];
}

/** What of an egress listener decides which listeners there are: not its VirtualServices, which change more often. Interned. */
export type EgressPorts = Omit<EgressListener, 'virtualServices'>;

const egressPorts = ({ services, port, bind, captureMode }: EgressListener): EgressPorts =>
  one({ services, port, bind, captureMode });

/** A contribution that changes the listener, with the number of the egress listener whose VirtualServices count for it. */
export interface Step {
  readonly effect: Exclude<Effect, 'ignore'>;
  readonly contribution: Contribution;
  readonly egress: number;
}

/** An outbound listener before its chains are made: who contributes to it, oldest first. */
export interface PlannedListener {
  readonly bind: string;
  readonly port: number;
  readonly steps: readonly Step[];
  /** Services that have the address and port as well, but cannot share the listener: their connections go where the first one's do. */
  readonly refused: readonly Contribution[];
}

const contributionOf = memo(
  (
    service: Service,
    port: ServicePort,
    address: string,
    cidrs: string,
    bindToPort: boolean,
    ...binds: readonly string[]
  ): Contribution =>
    Object.freeze({ service, port, address, cidrs: cidrs === '' ? [] : cidrs.split(' '), bindToPort, binds }),
);

/**
 * Addresses by which a proxy finds a Service, none where every address may be its; a ServiceEntry's stand apart, each as if it were a Service
 * of its own.
 */
const groupsOf = memo(
  (ipv4: boolean, ipv6: boolean, assigns: boolean, service: Service): readonly (readonly string[])[] => {
    if (service.registry === 'External' && service.addresses.length > 0) {
      const given = service.addresses.filter(address => !isUnspecified(address)).map(address => [address]);
      return given.length < service.addresses.length ? [[], ...given] : given;
    }
    const own = reachable(service.addresses, { ipv4, ipv6 });
    if (own.length > 0) return [own];
    const assigned = assigns ? reachable(service.autoAllocated, { ipv4, ipv6 }) : [];
    return [assigned.length > 0 ? assigned : service.addresses.slice(0, 1)];
  },
);

const addressGroups = (service: Service, { ipv4, ipv6, dnsCapture }: Traits) =>
  groupsOf(ipv4, ipv6, dnsCapture, service);

/** The addresses to listen on where nothing says otherwise: the VIP, or every address, with the CIDR as a condition. */
function vipBinds(addresses: readonly string[], traits: Traits) {
  const [first] = addresses;
  if (first === undefined) return { binds: wildcards(traits), cidrs: [] };
  return first.includes('/') ? { binds: wildcards(traits), cidrs: addresses } : { binds: addresses, cidrs: [] };
}

/** Ports that the proxy itself listens on. */
const portsOfProxy = memo((mesh: MeshSettings, traits: Traits): ReadonlySet<number> => {
  const option = (name: string): number => Number(traits.options[name] ?? 0);
  const { proxyListenPort = 0, proxyInboundListenPort = 0 } = mesh.config;
  return new Set([
    option('ENVOY_STATUS_PORT'),
    option('ENVOY_PROMETHEUS_PORT'),
    proxyListenPort,
    proxyInboundListenPort,
  ]);
});

/** Whether a listener may stand there: not on ports of the proxy itself, and not on privileged ones without the right (istio: CanBindToPort). */
export function canBind(
  mesh: MeshSettings,
  traits: Traits,
  place: { readonly bindToPort: boolean; readonly bind: string; readonly port: number; readonly protocol: Protocol },
): boolean {
  const { bind, port, protocol } = place;
  const unprivileged = traits.options['UNPRIVILEGED_POD'] === 'true';
  if (place.bindToPort && unprivileged && port > 0 && port < 1024) return false;
  const everywhere = bind === '' ? isHttp(protocol) : bind === wildcards(traits)[0];
  if (!everywhere || port === 0) return true;
  return !portsOfProxy(mesh, traits).has(port);
}

interface Draft {
  readonly steps: Step[];
  readonly refused: Contribution[];
  readonly bind: string;
  readonly port: number;
  protocol: Protocol;
  locked: boolean;
}

/** Whether a Service has one listener for each endpoint: TCP without a virtual IP goes to the endpoint that was dialled. */
const perEndpoint = (service: Service, port: ServicePort, addresses: readonly string[]): boolean =>
  service.resolution === 'Passthrough' &&
  addresses.length === 0 &&
  (isTcp(port.protocol) || isUnsupported(port.protocol));

/** The Services of egress listeners whose endpoints decide about listeners. */
export const headlessServices = memo((services: readonly Service[]): readonly Service[] =>
  services.filter(service => service.ports.some(port => perEndpoint(service, port, service.addresses))),
);

/**
 * Which listeners a scope's egress has, and what makes each of them (istio: buildSidecarOutboundListeners). `endpoints` are those of the
 * headless Services of every egress listener; `own` the proxy's own addresses, which get no listener.
 */
export const outboundPlan = (
  mesh: MeshSettings,
  traits: Traits,
  egress: readonly EgressListener[],
  own: readonly string[],
  endpoints: readonly (ServiceEndpoints | undefined)[],
): readonly PlannedListener[] => {
  const ports = egress.map(egressPorts);
  return planned(mesh, traits, own, ...ports, ...endpoints);
};

const planned = memo(
  (
    mesh: MeshSettings,
    traits: Traits,
    own: readonly string[],
    ...inputs: readonly (EgressPorts | ServiceEndpoints | undefined)[]
  ): readonly PlannedListener[] => {
    const present = inputs.filter(input => input !== undefined);
    const egress = present.filter(input => 'services' in input);
    const endpoints = present.filter(input => 'endpoints' in input);
    const byService = new Map(endpoints.map(e => [`${e.hostname}/${e.namespace}`, e]));
    const drafts = new Map<string, Draft>();
    for (const [index, listener] of egress.entries()) {
      const { binds, bindToPort } = egressBinds(listener, traits);
      const add = (service: Service, port: ServicePort, addresses: readonly string[], at: readonly string[]) =>
        contribute(drafts, index, traits, { service, port, addresses, binds: at, bindToPort });
      const bindable = (port: ServicePort) =>
        canBind(mesh, traits, { bindToPort, bind: binds[0] ?? '', port: port.port, protocol: port.protocol });
      if (listener.port) {
        const port = sidecarPort(listener.port);
        if (!bindable(port)) continue;
        for (const service of listener.services) {
          for (const addresses of addressGroups(service, traits)) add(service, port, addresses, binds);
        }
        continue;
      }
      // Ports that the Sidecar names are not opened further by the listener for everything else.
      for (const draft of drafts.values()) draft.locked = true;
      for (const service of listener.services) {
        if (service.resolution === 'Alias') continue;
        for (const addresses of addressGroups(service, traits)) {
          for (const port of service.ports) {
            if (!bindable(port)) continue;
            if (binds.length > 0 || !perEndpoint(service, port, addresses)) {
              add(service, port, addresses, binds);
              continue;
            }
            const all = byService.get(`${service.hostname}/${service.namespace}`)?.endpoints ?? [];
            const instances = all.filter(e => serves(e, port));
            const plain = service.registry !== 'Kubernetes' && Object.keys(service.selector).length === 0;
            if (instances.length === 0 && plain) add(service, port, addresses, binds);
            for (const { address } of instances) {
              if (isIP(address) !== 0 && !own.includes(address)) add(service, port, addresses, [address]);
            }
          }
        }
      }
    }
    return [...drafts.values()].map(({ bind, port, steps, refused }) => ({ bind, port, steps, refused }));
  },
);

/** Where an egress listener binds: as it says, on loopback if it has to be a real socket, or (empty) on the Services' own addresses. */
function egressBinds(listener: EgressPorts, traits: Traits) {
  const bindToPort = traits.interception === 'NONE' || listener.captureMode === 'NONE' || isUnixSocket(listener.bind);
  const binds = listener.bind !== '' ? [listener.bind] : bindToPort ? loopbacks(traits) : [];
  return { binds, bindToPort };
}

function contribute(
  drafts: Map<string, Draft>,
  egress: number,
  traits: Traits,
  at: {
    readonly service: Service;
    readonly port: ServicePort;
    readonly addresses: readonly string[];
    readonly binds: readonly string[];
    readonly bindToPort: boolean;
  },
): void {
  const { service, port, addresses, bindToPort } = at;
  const kind = listenerProtocol(port.protocol);
  if (service.resolution === 'Alias' || kind === 'none') return;
  const everywhere = wildcards(traits);
  const own = at.binds.length > 0;
  const vip = own || kind === 'http' ? { binds: own ? at.binds : everywhere, cidrs: [] } : vipBinds(addresses, traits);
  const bind = vip.binds[0] ?? '';
  const key = `${bind} ${port.port}`;
  const draft = drafts.get(key);
  if (draft?.locked) return;
  const { effect, protocol } = conflict(draft?.protocol, port.protocol, bind === everywhere[0]);
  const address = addresses[0] ?? '';
  const contribution = contributionOf(service, port, address, vip.cidrs.join(' '), bindToPort, ...vip.binds);
  if (effect === 'ignore') {
    // HTTP of one port shares its listener, whoever is there first; so do Services that are sniffed, where hosts tell them apart.
    if (draft && kind !== 'http' && !(kind === 'auto' && bind === everywhere[0])) draft.refused.push(contribution);
    return;
  }
  const step: Step = { effect, contribution, egress };
  if (effect === 'create' || !draft) {
    drafts.set(key, { bind, port: port.port, steps: [step], refused: [], protocol, locked: false });
  } else {
    draft.steps.push(step);
    draft.protocol = protocol;
  }
}
