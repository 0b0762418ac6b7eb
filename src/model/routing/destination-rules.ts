import type { Problem } from '../../config/problem.ts';
import type { ConfigContents } from '../../config/store.ts';
import { type DestinationRule, writtenPath } from '../../istio/config.ts';
import { findHost, type HostTable, isWildcard, resolveShortname } from '../../istio/hosts.ts';
import { internLabels, type Labels } from '../../istio/labels.ts';
import { byAge, selects } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { addTo } from '../../lists.ts';
import { memo, type Name, oneList, oneMap } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import { type Derived, deriving } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';
import type { Hostname, Service } from '../services/service.ts';

/** The DestinationRule in force for a host: rules of one host and namespace are merged as istiod does. */
export interface EffectiveDestinationRule {
  readonly rule: DestinationRule;
  /** Every rule that was merged in. */
  readonly sources: readonly ObjectKey[];
}

/** One rule (merged where several objects name the host) with who may use it. */
interface Candidate {
  readonly effective: EffectiveDestinationRule;
  /** As written, sorted; empty: the mesh's default. */
  readonly exportTo: readonly string[];
}

type Table = HostTable<readonly Candidate[]>;

/** A candidate that further rules may join. */
interface OpenCandidate {
  readonly rules: DestinationRule[];
  /** Of the subsets so far. */
  readonly names: Set<string | undefined>;
  readonly exportTo: readonly string[];
}
interface OpenHost {
  readonly candidates: OpenCandidate[];
  /** Those with a selector, by it. */
  readonly selecting: Map<Labels, OpenCandidate>;
}
interface OpenTable {
  readonly exact: Map<string, OpenHost>;
  readonly wildcard: Map<string, OpenHost>;
}

/** The DestinationRules in force, by the namespace that they are in. */
export interface DestinationRuleIndex {
  /** For clients of the namespace itself. */
  readonly local: ReadonlyMap<string, Table>;
  /** For clients of other namespaces. */
  readonly exported: ReadonlyMap<string, Table>;
  /** Of the root namespace, for itself alone. */
  readonly rootLocal: Table;
  /** Every exact host of any table: a quick no for all the others. */
  readonly hosts: ReadonlySet<string>;
  readonly wildcards: boolean;
  /** Rules with a workloadSelector by namespace. */
  readonly selecting: ReadonlyMap<string, readonly DestinationRule[]>;
  readonly problems: readonly Problem[];
  readonly qualified: Derived<DestinationRule, DestinationRule>;
  readonly rootNamespace: string;
}

export interface DestinationRuleInputs {
  readonly objects: ConfigContents['DestinationRule'];
  readonly settings: MeshSettings;
}

const selectorOf = (rule: DestinationRule): Readonly<Record<string, string>> | undefined =>
  rule.spec.workloadSelector && (rule.spec.workloadSelector.matchLabels ?? {});

const alone: (rule: DestinationRule) => EffectiveDestinationRule = memo(rule =>
  Object.freeze({ rule, sources: Object.freeze([rule.meta.key]) }),
);

/** The rules of one host as one: a later one adds further subsets, and a policy where there is none (istio: mergeDestinationRule). */
const merged: (rules: readonly DestinationRule[]) => EffectiveDestinationRule = memo(rules => {
  const [first, ...others] = rules;
  if (!first) throw new Error('there is no rule to merge');
  const subsets = [...(first.spec.subsets ?? [])];
  const names = new Set(subsets.map(subset => subset.name));
  for (const { spec } of others) {
    const fresh = (spec.subsets ?? []).filter(subset => !names.has(subset.name));
    subsets.push(...fresh);
    for (const { name } of fresh) names.add(name);
  }
  const trafficPolicy = rules.find(({ spec }) => spec.trafficPolicy)?.spec.trafficPolicy;
  return Object.freeze({
    rule: Object.freeze({ ...first, spec: Object.freeze({ ...first.spec, subsets, trafficPolicy }) }),
    sources: Object.freeze(rules.map(rule => rule.meta.key)),
  });
});

function join(into: OpenCandidate, rule: DestinationRule, problems: Map<string, Problem>): void {
  const subsets = rule.spec.subsets ?? [];
  for (const [i, { name }] of subsets.entries()) {
    if (!into.names.has(name)) continue;
    const object = rule.meta.key;
    const path = writtenPath(rule, `spec.subsets[${i}].name`);
    const message = `${into.rules[0]?.meta.key} has a subset ${name} for the same host already; that one is used`;
    problems.set(object + path, { object, path, message, severity: 'warning' });
  }
  for (const { name } of subsets) into.names.add(name);
  into.rules.push(rule);
}

/** Adds a rule to a table: merged with rules of its host that the same namespaces see, else beside them. */
function add(
  table: OpenTable,
  rule: DestinationRule,
  exportTo: readonly string[],
  problems: Map<string, Problem>,
): void {
  const host = rule.spec.host ?? '';
  const hosts = isWildcard(host) ? table.wildcard : table.exact;
  const known: OpenHost = hosts.get(host) ?? { candidates: [], selecting: new Map() };
  hosts.set(host, known);
  const opened: OpenCandidate = { rules: [rule], names: new Set(rule.spec.subsets?.map(({ name }) => name)), exportTo };
  const selector = selectorOf(rule);
  if (selector) {
    const labels = internLabels(selector);
    const same = known.selecting.get(labels);
    if (same) join(same, rule, problems);
    else {
      known.selecting.set(labels, opened);
      known.candidates.push(opened);
    }
    return;
  }
  let separate = true;
  for (const other of known.candidates) {
    const within = other.exportTo.every(name => exportTo.includes(name));
    if (within && other.exportTo.length === exportTo.length) separate = false;
    else {
      separate = true;
      if (!within || !other.exportTo.length) continue;
    }
    const [first] = other.rules;
    if (first && !selectorOf(first)) separate = false;
    join(other, rule, problems);
  }
  if (separate) known.candidates.push(opened);
}

/** A table that nothing joins any more. */
function closed({ exact, wildcard }: OpenTable): Table {
  const close = (hosts: ReadonlyMap<string, OpenHost>): ReadonlyMap<string, readonly Candidate[]> =>
    new Map(
      [...hosts].map(([host, { candidates }]) => [
        host,
        candidates.map(({ rules: [first, ...others], exportTo }) => ({
          effective: first && !others.length ? alone(first) : merged(oneList(first ? [first, ...others] : [])),
          exportTo,
        })),
      ]),
    );
  return { exact: close(exact), wildcard: close(wildcard) };
}

const closedTables = (tables: ReadonlyMap<string, OpenTable>): ReadonlyMap<string, Table> =>
  new Map([...tables].map(([namespace, table]) => [namespace, closed(table)]));

const openTable = (): OpenTable => ({ exact: new Map(), wildcard: new Map() });

const tableOf = (tables: Map<string, OpenTable>, namespace: string): OpenTable => {
  const table = tables.get(namespace) ?? openTable();
  tables.set(namespace, table);
  return table;
};

/** Rules with a selector first, then older ones. */
const byPrecedence = (a: DestinationRule, b: DestinationRule): number =>
  Number(!selectorOf(a)) - Number(!selectorOf(b)) || byAge(a, b);

/** The index (istio: setDestinationRules). */
export function* buildDestinationRules(
  { objects, settings }: DestinationRuleInputs,
  previous: Stage<DestinationRuleInputs, DestinationRuleIndex> | undefined,
): Generator<undefined, DestinationRuleIndex> {
  const { rootNamespace, domain, config } = settings;
  const qualified = yield* deriving(
    objects,
    settings,
    rule => {
      const host = rule.spec.host && resolveShortname(rule.spec.host, rule.meta.namespace, domain);
      return host === rule.spec.host ? rule : Object.freeze({ ...rule, spec: Object.freeze({ ...rule.spec, host }) });
    },
    previous?.value.qualified,
  );
  const local = new Map<string, OpenTable>();
  const exported = new Map<string, OpenTable>();
  const rootLocal = openTable();
  const selecting = new Map<string, DestinationRule[]>();
  const hosts = new Set<string>();
  const problems = new Map<string, Problem>();
  let wildcards = false;
  for (const rule of [...qualified.values.values()].sort(byPrecedence)) {
    yield undefined;
    const { namespace } = rule.meta;
    const host = rule.spec.host ?? '';
    if (isWildcard(host)) wildcards = true;
    else hosts.add(host);
    const selector = selectorOf(rule);
    if (selector) {
      addTo(selecting, namespace, rule);
    }
    const exportTo = selector ? ['.'] : [...new Set(rule.spec.exportTo)].sort();
    const own = !exportTo.length || exportTo.some(name => name === '*' || name === '.' || name === namespace);
    if (own) add(tableOf(local, namespace), rule, exportTo, problems);
    const isPrivate = exportTo.length
      ? exportTo.length === 1 && (exportTo[0] === '.' || exportTo[0] === namespace)
      : (config.defaultDestinationRuleExportTo ?? []).includes('.');
    if (!isPrivate) add(tableOf(exported, namespace), rule, exportTo, problems);
    else if (namespace === rootNamespace) add(rootLocal, rule, exportTo, problems);
  }
  yield undefined;
  return {
    local: closedTables(local),
    exported: closedTables(exported),
    rootLocal: closed(rootLocal),
    hosts,
    wildcards,
    selecting,
    problems: oneList([...problems.values()]),
    qualified,
    rootNamespace,
  };
}

/** Rules of another namespace that are exported to the client's; undefined where that namespace has none for the host at all. */
function exportedTo(table: Table | undefined, host: Hostname, client: string): readonly Candidate[] {
  const list = table && findHost(table, host);
  return (list ?? []).filter(({ exportTo }) => !exportTo.length || exportTo.includes('*') || exportTo.includes(client));
}

/** Client's namespace, the Service's, the root's: the first that has a rule for the host (istio: PushContext.destinationRule). */
function candidates(index: DestinationRuleIndex, service: Service, client: string): readonly Candidate[] {
  const { hostname } = service;
  const ownTable = client === index.rootNamespace ? index.rootLocal : index.local.get(client);
  const own = ownTable && findHost(ownTable, hostname);
  if (own) return own;
  const ofService = exportedTo(index.exported.get(service.namespace), hostname, client);
  if (ofService.length) return ofService;
  return exportedTo(index.exported.get(index.rootNamespace), hostname, client);
}

/** The rules of the namespace whose workloadSelector selects the labels. */
export const selectingRules = (
  index: DestinationRuleIndex,
  namespace: string,
  labels: Readonly<Record<string, string>>,
): readonly DestinationRule[] =>
  oneList((index.selecting.get(namespace) ?? []).filter(rule => selects(selectorOf(rule) ?? {}, labels)));

/** The one of several rules of a host: the first with a selector that selects the proxy, else the one without. */
function choose(list: readonly Candidate[], selected: ReadonlySet<DestinationRule['meta']['key']>) {
  let general: EffectiveDestinationRule | undefined;
  for (const { effective } of list) {
    if (!selectorOf(effective.rule)) general = effective;
    else if (selected.has(effective.rule.meta.key)) return effective;
  }
  return general;
}

/** The rule in force for each Service that has one, for clients of a namespace that these rules with a selector select. */
export const rulesFor = memo(
  (
    index: DestinationRuleIndex,
    services: readonly Service[],
    selecting: readonly DestinationRule[],
    { name: namespace }: Name,
  ): ReadonlyMap<Hostname, EffectiveDestinationRule> => {
    const selected = new Set(selecting.map(rule => rule.meta.key));
    const found = new Map<Hostname, EffectiveDestinationRule>();
    for (const service of services) {
      if (found.has(service.hostname) || !(index.wildcards || index.hosts.has(service.hostname))) continue;
      const rule = choose(candidates(index, service, namespace), selected);
      if (rule) found.set(service.hostname, rule);
    }
    return oneMap(found);
  },
);
