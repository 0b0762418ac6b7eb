import type { Problem } from '../config/problem.ts';
import type { ConfigContents } from '../config/store.ts';
import { keepList, keepMap, memo } from '../memo.ts';
import type { Destination } from '../proto/generated/istio/networking/v1alpha3.ts';
import { type VirtualService, writtenPath } from './config.ts';
import { type Derived, derive, type Stage } from './derive.ts';
import type { DestinationRuleIndex } from './destination-rules.ts';
import { covers, isWildcard } from './hosts.ts';
import { objectKey } from './object.ts';
import type { Hostname, Service } from './service.ts';
import type { ServiceIndex } from './service-index.ts';
import type { MeshSettings } from './settings.ts';
import type { VirtualServiceIndex } from './virtual-service-index.ts';
import { visibilityOf } from './visibility.ts';

/** Names of subsets by the host of the DestinationRules that define them, sorted. */
type Subsets = ReadonlyMap<string, readonly string[]>;

/** What VirtualServices name and is not there. */
export interface References {
  readonly problems: readonly Problem[];
  readonly subsets: Subsets;
  readonly checked: Derived<VirtualService, readonly Problem[]>;
}

export type ReferenceInputs = readonly [
  virtualServices: VirtualServiceIndex['qualified']['values'],
  services: ServiceIndex['byHost'],
  rules: DestinationRuleIndex['qualified']['values'],
  gateways: ConfigContents['Gateway'],
  settings: MeshSettings,
];

type Use = 'request' | 'mirror' | 'connection';

/** What happens to traffic for a cluster that does not exist; istiod sends such routes too. */
const consequence: Readonly<Record<Use, string>> = {
  request: 'requests there get 503 (NC, no cluster)',
  mirror: 'nothing is mirrored',
  connection: 'connections there are closed',
};

interface DestinationReference {
  readonly path: string;
  readonly to: Destination;
  readonly use: Use;
}

const destinationsOf = memo(({ spec }: VirtualService): readonly DestinationReference[] => {
  const found: DestinationReference[] = [];
  const add = (path: string, to: Destination | undefined, use: Use): void => {
    if (to?.host) found.push({ path, to, use });
  };
  spec.http?.forEach((route, i) => {
    const at = `spec.http[${i}]`;
    route.route?.forEach(({ destination }, j) => {
      add(`${at}.route[${j}].destination`, destination, 'request');
    });
    add(`${at}.mirror`, route.mirror, 'mirror');
    route.mirrors?.forEach(({ destination }, j) => {
      add(`${at}.mirrors[${j}].destination`, destination, 'mirror');
    });
  });
  for (const kind of ['tls', 'tcp'] as const) {
    spec[kind]?.forEach((route, i) => {
      route.route?.forEach(({ destination }, j) => {
        add(`spec.${kind}[${i}].route[${j}].destination`, destination, 'connection');
      });
    });
  }
  return found;
});

const hostsOf = memo((object: VirtualService): readonly Hostname[] => [
  ...new Set(destinationsOf(object).map(({ to }) => (to.host ?? '') as Hostname)),
]);

interface GatewayReference {
  readonly path: string;
  /** `namespace/name` */
  readonly name: string;
}

const gatewaysNamed = memo(({ spec }: VirtualService): readonly GatewayReference[] => {
  const found: GatewayReference[] = [];
  const add = (path: string, names: readonly string[] | undefined): void => {
    names?.forEach((name, i) => {
      if (name !== 'mesh') found.push({ path: `${path}[${i}]`, name });
    });
  };
  add('spec.gateways', spec.gateways);
  for (const kind of ['http', 'tls', 'tcp'] as const) {
    spec[kind]?.forEach((route, i) => {
      route.match?.forEach((match, j) => {
        add(`spec.${kind}[${i}].match[${j}].gateways`, match.gateways);
      });
    });
  }
  return found;
});

/** What a host is to those who route to it. */
interface Target {
  readonly services: readonly Service[] | undefined;
  readonly subsets: readonly string[] | undefined;
}

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

function faultOf(
  object: VirtualService,
  { path, to }: DestinationReference,
  { services, subsets }: Target,
  settings: MeshSettings,
): { readonly path: string; readonly message: string } | undefined {
  const { host = '', subset, port } = to;
  if (!services) return { path: `${path}.host`, message: `no Service of the mesh has the host ${host};` };
  const seen = services.filter(service => isSeen(object, service, settings));
  if (!seen.length) {
    const [{ namespace, visibility } = {}] = services;
    const message =
      visibility?.kind === 'none'
        ? `the host ${host} is exported to nobody: beyond namespace ${namespace}`
        : `the host ${host} is exported to no namespace that sees this VirtualService;`;
    return { path: `${path}.host`, message };
  }
  // An ExternalName Service stands for another host, whose subsets and ports count.
  if (seen.some(service => service.resolution === 'Alias')) return undefined;
  if (subset && !subsets?.includes(subset)) {
    return { path: `${path}.subset`, message: `no DestinationRule for ${host} defines the subset ${subset};` };
  }
  const number = port?.number;
  if (!number || seen.some(service => service.ports.some(known => known.port === number))) return undefined;
  const ports = [...new Set(seen.flatMap(service => service.ports.map(known => known.port)))].sort((a, b) => a - b);
  const known = ports.length ? `it has ${ports.join(', ')}` : 'it has none';
  return { path: `${path}.port.number`, message: `${host} has no port ${number} (${known});` };
}

/** `found` holds Services and subsets of each of `hostsOf`, then whether each of `gatewaysNamed` exists. */
const check = memo(
  (
    object: VirtualService,
    settings: MeshSettings,
    ...found: readonly (readonly Service[] | readonly string[] | boolean | undefined)[]
  ): readonly Problem[] => {
    const problems: Problem[] = [];
    const warn = (path: string, message: string): void => {
      problems.push({ object: object.meta.key, path: writtenPath(object, path), message, severity: 'warning' });
    };
    const hosts = hostsOf(object);
    gatewaysNamed(object).forEach(({ path, name }, i) => {
      if (!found[hosts.length * 2 + i]) warn(path, `there is no Gateway ${name}; nothing is routed there`);
    });
    for (const reference of destinationsOf(object)) {
      const at = hosts.indexOf((reference.to.host ?? '') as Hostname) * 2;
      const target = { services: found[at], subsets: found[at + 1] } as Target;
      const fault = faultOf(object, reference, target, settings);
      if (fault) warn(fault.path, `${fault.message} ${consequence[reference.use]}`);
    }
    return problems;
  },
);

const joined = memo((...lists: readonly (readonly string[])[]): readonly string[] => lists.flat());

function subsetsFor(host: string, all: Subsets, wildcards: readonly string[]): readonly string[] | undefined {
  const exact = all.get(host);
  const lists = wildcards.filter(wildcard => covers(wildcard, host)).map(wildcard => all.get(wildcard) ?? []);
  return lists.length ? joined(...(exact ? [exact, ...lists] : lists)) : exact;
}

function subsetsOf(rules: ReferenceInputs[2], previous: Subsets | undefined): Subsets {
  const found = new Map<string, Set<string>>();
  for (const { spec } of rules.values()) {
    if (!spec.subsets?.length) continue;
    const names = found.get(spec.host ?? '') ?? new Set();
    found.set(spec.host ?? '', names);
    for (const { name } of spec.subsets) names.add(name ?? '');
  }
  const lists = [...found].map(
    ([host, names]) => [host, keepList(previous?.get(host), Object.freeze([...names].sort()))] as const,
  );
  return keepMap(previous, new Map(lists));
}

const together = memo((services: object, subsets: object, gateways: object, settings: object) => ({
  services,
  subsets,
  gateways,
  settings,
}));

/**
 * Finds VirtualServices that name hosts, subsets, ports or Gateways which are not there. One is looked at again only when it, or what it
 * names, changed.
 */
export function checkReferences(
  [objects, services, rules, gateways, settings]: ReferenceInputs,
  previous: Stage<ReferenceInputs, References> | undefined,
): References {
  const last = previous?.value;
  const subsets = last && previous.inputs[2] === rules ? last.subsets : subsetsOf(rules, last?.subsets);
  const wildcards = [...subsets.keys()].filter(isWildcard).sort();
  const checked = derive(
    objects,
    together(services, subsets, gateways, settings),
    object => {
      const found = hostsOf(object).flatMap(host => [services.get(host), subsetsFor(host, subsets, wildcards)]);
      const exist = gatewaysNamed(object).map(({ name }) => {
        const [namespace = '', short = ''] = name.split('/');
        return gateways.has(objectKey('Gateway', namespace, short));
      });
      return check(object, settings, ...found, ...exist);
    },
    last?.checked,
  );
  if (last && checked.values === last.checked.values) return { ...last, subsets, checked };
  return { problems: keepList(last?.problems, [...checked.values.values()].flat()), subsets, checked };
}
