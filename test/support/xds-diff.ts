/** JSON as proto3 messages have it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The discovery services that are compared, in the order of the report. */
export const discoveryTypes = ['cds', 'eds', 'lds', 'rds', 'nds'] as const;
export type DiscoveryType = (typeof discoveryTypes)[number];

/** What a control plane sends one proxy, as `xdsdump` and `pilotlight translate` write it: by type and resource name, with proto field names. */
export type Dump = Readonly<Partial<Record<DiscoveryType, Readonly<Record<string, Json>>>>>;

/** One place where two resources disagree; a side that has nothing there is undefined. */
export interface Difference {
  readonly path: string;
  readonly reference: Json | undefined;
  readonly ours: Json | undefined;
}

/** How the resources of one type compare, by name. */
export interface TypeComparison {
  readonly type: DiscoveryType;
  readonly reference: number;
  readonly ours: number;
  readonly equal: readonly string[];
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly differing: ReadonlyMap<string, readonly Difference[]>;
}

/** All types that either side has. `total` counts every name on either side. */
export interface Comparison {
  readonly types: readonly TypeComparison[];
  readonly equal: number;
  readonly total: number;
}

/** Filters that only Istio's own build of Envoy has: they say nothing about traffic that stock Envoy could carry. */
const istioBuildOnly = [
  'istio.metadata_exchange',
  'istio.alpn',
  'istio.stats',
  'istio_authn',
  'istio.workload_discovery',
  'peer_metadata',
  'PluginConfig',
  'MetadataExchange',
];

type JsonObject = { readonly [key: string]: Json };

const isArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !isArray(value);
const member = (value: Json | undefined, key: string): Json | undefined => (isObject(value) ? value[key] : undefined);

function isIstioBuildOnly(filter: Json): boolean {
  const config = member(filter, 'typed_config');
  const words = [member(filter, 'name'), member(config, '@type'), member(config, 'type_url')].join(' ');
  return istioBuildOnly.some(name => words.includes(name));
}

/** Text in which equal values are equal, whatever the order of their keys. */
function stable(value: Json | undefined): string {
  if (isArray(value)) return `[${value.map(stable).join()}]`;
  if (isObject(value))
    return `{${Object.keys(value)
      .sort()
      .map(key => `${JSON.stringify(key)}:${stable(value[key])}`)
      .join()}}`;
  return JSON.stringify(value ?? null);
}

const bySortKey =
  (key: (value: Json) => string) =>
  (a: Json, b: Json): number => {
    const [x, y] = [key(a), key(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  };

/** Lists whose order has no meaning to Envoy, by type and field, and what sorts them. istiod walks maps for some: their order changes from push to push. */
const unordered: Readonly<Partial<Record<DiscoveryType, Readonly<Record<string, (value: Json) => string>>>>> = {
  eds: {
    lb_endpoints: stable,
    endpoints: group => stable([member(group, 'locality') ?? {}, member(group, 'priority') ?? 0]),
  },
  // The agent's DNS proxy shuffles the addresses of an answer.
  nds: { ips: stable },
  rds: {
    domains: stable,
    query_parameters: stable,
    dynamic_metadata: stable,
    virtual_hosts: host => stable(member(host, 'name')),
  },
};

/** A copy of a resource that keeps what carries meaning for traffic: sets are sorted, filters of Istio's own Envoy build are left out. */
export function canonical(type: DiscoveryType, resource: Json, field = ''): Json {
  if (isArray(resource)) {
    const kept =
      field === 'filters' || field === 'http_filters' ? resource.filter(f => !isIstioBuildOnly(f)) : resource;
    const items = kept.map(item => canonical(type, item));
    const sortKey = unordered[type]?.[field];
    return sortKey ? items.sort(bySortKey(sortKey)) : items;
  }
  if (!isObject(resource)) return resource;
  return Object.fromEntries(Object.entries(resource).map(([key, value]) => [key, canonical(type, value, key)]));
}

function* walk(path: string, reference: Json | undefined, ours: Json | undefined): Generator<Difference> {
  if (isArray(reference) && isArray(ours)) {
    for (let i = 0; i < Math.max(reference.length, ours.length); i++)
      yield* walk(`${path}[${i}]`, reference[i], ours[i]);
  } else if (isObject(reference) && isObject(ours)) {
    for (const key of [...new Set([...Object.keys(reference), ...Object.keys(ours)])].sort())
      yield* walk(`${path}.${key}`, reference[key], ours[key]);
  } else if (reference !== ours) {
    yield { path, reference, ours };
  }
}

/** Where two resources of one type disagree; empty where they mean the same. */
export function differences(type: DiscoveryType, reference: Json, ours: Json): readonly Difference[] {
  return [...walk('', canonical(type, reference), canonical(type, ours))];
}

function compareType(
  type: DiscoveryType,
  reference: Readonly<Record<string, Json>>,
  ours: Readonly<Record<string, Json>>,
): TypeComparison {
  const equal: string[] = [];
  const missing: string[] = [];
  const differing = new Map<string, readonly Difference[]>();
  for (const name of Object.keys(reference).sort()) {
    const [expected, actual] = [reference[name], ours[name]];
    if (expected === undefined) continue;
    if (actual === undefined) {
      missing.push(name);
      continue;
    }
    const found = differences(type, expected, actual);
    if (found.length === 0) equal.push(name);
    else differing.set(name, found);
  }
  return {
    type,
    reference: Object.keys(reference).length,
    ours: Object.keys(ours).length,
    equal,
    missing,
    extra: Object.keys(ours)
      .filter(name => !Object.hasOwn(reference, name))
      .sort(),
    differing,
  };
}

/** Compares two dumps resource by resource, by name. */
export function compare(reference: Dump, ours: Dump): Comparison {
  const types = discoveryTypes
    .map(type => compareType(type, reference[type] ?? {}, ours[type] ?? {}))
    .filter(t => t.reference + t.ours > 0);
  return {
    types,
    equal: types.reduce((sum, t) => sum + t.equal.length, 0),
    total: types.reduce((sum, t) => sum + t.reference + t.extra.length, 0),
  };
}

/** Reads the JSON that `xdsdump` and `pilotlight translate` write. Throws where it is not of that shape. */
export function readDump(text: string): Dump {
  const raw: Json = JSON.parse(text);
  if (!isObject(raw)) throw new Error('a dump is an object: {"cds": {"resources": {NAME: …}}, …}');
  const dump: Partial<Record<DiscoveryType, JsonObject>> = {};
  for (const type of discoveryTypes) {
    const resources = member(raw[type], 'resources');
    if (resources === undefined || resources === null) continue;
    if (!isObject(resources)) throw new Error(`${type}.resources is not an object`);
    dump[type] = resources;
  }
  return dump;
}

const list = (names: readonly string[]): string => names.slice(0, 12).join(', ') + (names.length > 12 ? ', …' : '');
const brief = (value: Json | undefined): string =>
  value === undefined ? '<absent>' : JSON.stringify(value).slice(0, 160);

function* reportType(t: TypeComparison, shown: number): Generator<string> {
  yield `${t.type}: reference ${t.reference}, ours ${t.ours}, equal ${t.equal.length}, differing ${t.differing.size}, missing ${t.missing.length}, extra ${t.extra.length}`;
  if (t.missing.length > 0) yield `  missing: ${list(t.missing)}`;
  if (t.extra.length > 0) yield `  extra: ${list(t.extra)}`;
  const places = new Map<string, number>();
  for (const found of t.differing.values())
    for (const { path } of found) {
      const place = path.replaceAll(/\[\d+\]/g, '[]');
      places.set(place, (places.get(place) ?? 0) + 1);
    }
  for (const [place, count] of [...places].sort((a, b) => b[1] - a[1]).slice(0, shown > 0 ? 40 : 10))
    yield `  ${String(count).padStart(4)} × ${place}`;
  if (shown === 0) return;
  for (const [name, found] of [...t.differing].slice(0, 10)) {
    yield `  ~ ${name}`;
    for (const { path, reference, ours } of found.slice(0, shown))
      yield `      ${path} | ${brief(reference)} | ${brief(ours)}`;
  }
}

/** A comparison for people: a paragraph a type, with up to `shown` differences of each resource, and the score. */
export function report(comparison: Comparison, shown = 0): string {
  const { equal, total, types } = comparison;
  const score = total === 0 ? 0 : (100 * equal) / total;
  const lines = types.flatMap(t => [...reportType(t, shown)]);
  return [...lines, `score ${equal}/${total} = ${score.toFixed(1)}% of resources equal to the reference`].join('\n');
}
