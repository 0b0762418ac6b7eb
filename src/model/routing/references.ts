import type { Problem } from '../../config/problem.ts';
import type { ConfigContents } from '../../config/store.ts';
import { type VirtualService, writtenPath } from '../../istio/config.ts';
import { type HostTable, hostTable, isWildcard, wildcardsOver } from '../../istio/hosts.ts';
import { isHttp, isUnsupported } from '../../istio/protocol.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import {
  type DestinationReference,
  destinationHosts,
  gatewaysOf,
  referencesOf,
  type Use,
} from '../../istio/virtual-service.ts';
import { visibilityOf } from '../../istio/visibility.ts';
import { memo, one, oneList, oneMap } from '../../memo.ts';
import { objectKey } from '../../object-key.ts';
import type { HTTPRoute } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { type Derived, deriving } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';
import type { Hostname, Service } from '../services/service.ts';
import type { ServiceIndex } from '../services/service-index.ts';
import type { DestinationRuleIndex } from './destination-rules.ts';
import type { VirtualServiceIndex } from './virtual-service-index.ts';

/** Names of subsets by the host of the DestinationRules that define them, sorted. */
type Subsets = HostTable<readonly string[]>;

/** What VirtualServices name and is not there. */
export interface References {
  readonly problems: readonly Problem[];
  readonly checked: Derived<VirtualService, readonly Problem[]>;
}

export interface ReferenceInputs {
  readonly virtualServices: VirtualServiceIndex['qualified']['values'];
  readonly services: ServiceIndex['byHost'];
  readonly rules: DestinationRuleIndex['qualified']['values'];
  readonly gateways: ConfigContents['Gateway'];
  readonly settings: MeshSettings;
}

/** What happens to traffic for a cluster that does not exist; istiod sends such routes too. */
const consequence: Readonly<Record<Use, string>> = {
  request: 'requests there get 503 (NC, no cluster)',
  mirror: 'nothing is mirrored',
  connection: 'connections there are closed',
};

/** What a host is to those who route to it. */
interface Target {
  readonly services: readonly Service[] | undefined;
  /** What an ExternalName Service stands for; elsewhere the same Services. */
  readonly meant: readonly Service[] | undefined;
  readonly subsets: readonly string[] | undefined;
}

const NOWHERE: Target = Object.freeze({ services: undefined, meant: undefined, subsets: undefined });

/** Whether some namespace that sees the VirtualService reaches the Service: it is exported there, or it is there. */
function isSeen(object: VirtualService, { visibility, namespace }: Service, settings: MeshSettings): boolean {
  if (visibility.kind === 'public') return true;
  const fallback = settings.config.defaultVirtualServiceExportTo;
  const seenBy = visibilityOf(object.spec.exportTo ?? [], fallback, object.meta.namespace);
  if (visibility.kind === 'none') return seenBy.kind === 'namespaces' && seenBy.namespaces.has(namespace);
  return (
    seenBy.kind !== 'namespaces' ||
    [...seenBy.namespaces].some(name => name === namespace || visibility.namespaces.has(name))
  );
}

type Fault = { readonly path: string; readonly message: string } | undefined;

const portsOf = (services: readonly Service[]): string =>
  [...new Set(services.flatMap(service => service.ports.map(({ port }) => port)))].sort((a, b) => a - b).join(', ') ||
  'none';

const setOf = memo((names: readonly string[]): ReadonlySet<string> => new Set(names));

const hasPort = (services: readonly Service[], port: number): boolean =>
  services.some(service => service.ports.some(known => known.port === port));

/** `called`: the ports on which the routes are asked for, which a destination without a port of its own keeps. */
function faultOf(
  object: VirtualService,
  { path, to }: DestinationReference,
  { services, meant, subsets }: Target,
  called: readonly number[],
  settings: MeshSettings,
): Fault {
  const { subset, port } = to;
  if (!services) return { path: `${path}.host`, message: `no Service of the mesh has the host ${to.host};` };
  const seen = services.filter(service => isSeen(object, service, settings));
  if (!seen.length) {
    const [{ namespace, visibility } = {}] = services;
    const message =
      visibility?.kind === 'none'
        ? `the host ${to.host} is exported to nobody: beyond namespace ${namespace}`
        : `the host ${to.host} is exported to no namespace that sees this VirtualService;`;
    return { path: `${path}.host`, message };
  }
  const alias = seen.find(service => service.aliasOf)?.aliasOf;
  if (alias && !meant?.some(service => !service.aliasOf)) {
    return {
      path: `${path}.host`,
      message: `${to.host} is an ExternalName for ${alias}, which no Service of the mesh has;`,
    };
  }
  const host = alias || to.host;
  const reached = alias ? (meant ?? []) : seen;
  if (subset && !(subsets && setOf(subsets).has(subset))) {
    return { path: `${path}.subset`, message: `no DestinationRule for ${host} defines the subset ${subset};` };
  }
  if (port?.number) {
    if (hasPort(reached, port.number)) return undefined;
    const message = `${host} has no port ${port.number} (it has ${portsOf(reached)});`;
    return { path: `${path}.port.number`, message };
  }
  // Of an alias, or of what it stands for, the only port is meant whatever port is called.
  const isOnly = ({ ports: [only, ...more] }: Service): boolean =>
    only !== undefined && !more.length && hasPort(reached, only.port);
  if (alias && [...seen, ...reached].some(isOnly)) return undefined;
  const lacking = called.find(number => !hasPort(reached, number));
  if (lacking === undefined) return undefined;
  const message = `${host} has no port ${lacking}, on which the routes are called (it has ${portsOf(reached)}): a port is needed here;`;
  return { path, message };
}

/** The exact hosts of a VirtualService for the mesh, with their places: the ports of their Services are called. */
const calledHosts = memo((object: VirtualService): readonly { readonly host: Hostname; readonly index: number }[] =>
  gatewaysOf(object).includes('mesh')
    ? (object.spec.hosts ?? []).flatMap((host, index) => (isWildcard(host) ? [] : [{ host, index }]))
    : [],
);

/** The ports on which HTTP routes are asked for: those of their hosts, and 80 for hosts outside the mesh. */
const openPorts = (services: readonly (readonly Service[] | undefined)[]): readonly number[] => [
  ...new Set(
    services.flatMap(list =>
      list
        ? list.flatMap(({ ports }) =>
            ports.filter(p => isHttp(p.protocol) || isUnsupported(p.protocol)).map(p => p.port),
          )
        : [80],
    ),
  ),
];

/** Those of them on which a route is asked for. */
function calledPorts({ match: matches = [] }: HTTPRoute, open: readonly number[]): readonly number[] {
  if (!matches.length || matches.some(match => !match.port)) return open;
  const matched = new Set(matches.map(match => match.port));
  return open.filter(port => matched.has(port));
}

/** Names of the cluster's own form that no Service has are slips; others may be asked for through a gateway or a proxy. */
const isOwnName = (host: string, { domain }: MeshSettings): boolean => host.endsWith(`.svc.${domain}`);

/** What is found of the names in a VirtualService. */
interface Found {
  /** Of each of `destinationHosts`. */
  readonly targets: readonly Target[];
  /** Of each of `calledHosts`. */
  readonly called: readonly (readonly Service[] | undefined)[];
  /** Whether each Gateway is there. */
  readonly gateways: readonly boolean[];
}

const check = memo((object: VirtualService, settings: MeshSettings, found: Found): readonly Problem[] => {
  const problems: Problem[] = [];
  const warn = (path: string, message: string): void => {
    problems.push({ object: object.meta.key, path: writtenPath(object, path), message, severity: 'warning' });
  };
  const targets = new Map(destinationHosts(object).map((host, i) => [host, found.targets[i]]));
  calledHosts(object).forEach(({ host, index }, i) => {
    if (found.called[i] || !isOwnName(host, settings)) return;
    warn(
      `spec.hosts[${index}]`,
      `no Service of the mesh has the host ${host}; its routes are in force on port 80 only`,
    );
  });
  referencesOf(object).gateways.forEach(({ path, name }, i) => {
    if (!found.gateways[i]) warn(path, `there is no Gateway ${name}; nothing is routed there`);
  });
  const open = openPorts(found.called);
  for (const reference of referencesOf(object).destinations) {
    const target = targets.get(reference.host) ?? NOWHERE;
    const ports = reference.http ? calledPorts(reference.http, open) : [];
    const fault = faultOf(object, reference, target, ports, settings);
    if (fault) warn(fault.path, `${fault.message} ${consequence[reference.use]}`);
  }
  return problems;
});

const joined = memo((...lists: readonly (readonly string[])[]): readonly string[] => lists.flat());

function subsetsFor(host: string, all: Subsets): readonly string[] | undefined {
  const exact = all.exact.get(host);
  const lists = [...wildcardsOver(all, host)];
  return lists.length ? joined(...(exact ? [exact, ...lists] : lists)) : exact;
}

const subsetsOf = memo((rules: ReferenceInputs['rules']): Subsets => {
  const found = new Map<string, Set<string>>();
  for (const { spec } of rules.values()) {
    if (!spec.subsets?.length) continue;
    const names = found.get(spec.host ?? '') ?? new Set();
    found.set(spec.host ?? '', names);
    for (const { name } of spec.subsets) names.add(name ?? '');
  }
  const { exact, wildcard } = hostTable([...found].map(([host, names]) => [host, oneList([...names].sort())] as const));
  return one({ exact: oneMap(exact), wildcard: oneMap(wildcard) });
});

/**
 * Finds VirtualServices that name hosts, subsets, ports or Gateways which are not there. One is looked at again only when it, or what it
 * names, changed.
 */
export function* checkReferences(
  { virtualServices, services, rules, gateways, settings }: ReferenceInputs,
  previous: Stage<ReferenceInputs, References> | undefined,
): Generator<undefined, References> {
  const last = previous?.value;
  const subsets = subsetsOf(rules);
  yield undefined;
  const checked = yield* deriving(
    virtualServices,
    oneList([services, subsets, gateways, settings]),
    object => {
      const targets = destinationHosts(object).map((host): Target => {
        const named = services.get(host);
        const alias = named?.find(({ aliasOf }) => aliasOf)?.aliasOf;
        const meant = alias ? services.get(alias) : named;
        return one({ services: named, meant, subsets: subsetsFor(alias || host, subsets) });
      });
      const called = calledHosts(object).map(({ host }) => services.get(host));
      const exist = referencesOf(object).gateways.map(({ name }) => {
        const [namespace = '', short = ''] = name.split('/');
        return gateways.has(objectKey('Gateway', namespace, short));
      });
      const found = one({ targets: oneList(targets), called: oneList(called), gateways: oneList(exist) });
      return check(object, settings, found);
    },
    last?.checked,
  );
  if (last && checked.values === last.checked.values) return { ...last, checked };
  return { problems: oneList([...checked.values.values()].flat()), checked };
}
