import type { Problem } from '../../config/problem.ts';
import type { ConfigContents } from '../../config/store.ts';
import type {
  AuthorizationPolicy,
  EnvoyFilter,
  PeerAuthentication,
  RequestAuthentication,
  Telemetry,
} from '../../istio/config.ts';
import { byAge, compare, type ObjectMeta, selects } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { one, oneList } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import type { PolicyTargetReference } from '../../proto/generated/istio/type/v1beta1.ts';

/** The policies that select a workload, each list in istiod's order: PeerAuthentications and
 * RequestAuthentications of the namespace, then the root namespace's; AuthorizationPolicies the other way round; Telemetry from the mesh's to
 * the workload's own; EnvoyFilters by priority. */
export interface WorkloadPolicies {
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly requestAuthentications: readonly RequestAuthentication[];
  readonly authorizationPolicies: readonly AuthorizationPolicy[];
  readonly telemetries: readonly Telemetry[];
  readonly envoyFilters: readonly EnvoyFilter[];
}

type Labels = Readonly<Record<string, string>>;
type ByNamespace<T> = ReadonlyMap<string, readonly T[]>;

/** Policies of the mesh by kind and namespace, oldest first. */
export interface PolicyIndex {
  /** All that are in force, oldest first. */
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly problems: readonly Problem[];
  policiesFor(namespace: string, labels: Labels): WorkloadPolicies;
}

export interface PolicyInputs {
  readonly peers: ConfigContents['PeerAuthentication'];
  readonly requests: ConfigContents['RequestAuthentication'];
  readonly authorizations: ConfigContents['AuthorizationPolicy'];
  readonly telemetries: ConfigContents['Telemetry'];
  readonly filters: ConfigContents['EnvoyFilter'];
  readonly settings: MeshSettings;
}

interface Policy {
  readonly meta: ObjectMeta;
  readonly spec: {
    readonly selector?: { readonly matchLabels?: Labels | undefined } | undefined;
    /** What EnvoyFilters have in place of a selector. */
    readonly workloadSelector?: { readonly labels?: Labels | undefined } | undefined;
    readonly targetRef?: PolicyTargetReference | undefined;
    readonly targetRefs?: readonly PolicyTargetReference[] | undefined;
  };
}

function grouped<T extends { readonly meta: ObjectMeta }>(objects: ReadonlyMap<ObjectKey, T>): ByNamespace<T> {
  return Map.groupBy([...objects.values()].sort(byAge), ({ meta }) => meta.namespace);
}

const gatewayLabel = 'gateway.networking.k8s.io/gateway-name';

const selectorOf = (spec: Policy['spec']): Labels => spec.selector?.matchLabels ?? spec.workloadSelector?.labels ?? {};

const targetsOf = ({ targetRefs, targetRef }: Policy['spec']): readonly PolicyTargetReference[] =>
  targetRefs?.length ? targetRefs : targetRef ? [targetRef] : [];

/** Whether a policy is for a workload: by its targetRefs for Kubernetes Gateways, else by its selector (istio: ShouldAttachPolicy). */
function isFor({ meta, spec }: Policy, namespace: string, labels: Labels): boolean {
  const targets = targetsOf(spec);
  if (!targets.length) return selects(selectorOf(spec), labels);
  const gateway = labels[gatewayLabel];
  return (
    gateway !== undefined &&
    meta.namespace === namespace &&
    targets.some(
      ref =>
        ref.kind === 'Gateway' &&
        ref.group === 'gateway.networking.k8s.io' &&
        ref.name === gateway &&
        (!ref.namespace || ref.namespace === namespace),
    )
  );
}

/** Whether a policy has no selector: it is for a whole namespace, or for the mesh. */
export const isWide = ({ spec }: Pick<Policy, 'spec'>): boolean => {
  for (const _ in selectorOf(spec)) return false;
  return true;
};

/** Drops all but the oldest PeerAuthentication that is for a whole namespace, as istiod does. One that only restricts goes before. */
function effectivePeers(objects: ConfigContents['PeerAuthentication']): {
  readonly list: readonly PeerAuthentication[];
  readonly problems: readonly Problem[];
} {
  const wide = new Map<string, PeerAuthentication>();
  const problems: Problem[] = [];
  const restrictingFirst = (a: PeerAuthentication, b: PeerAuthentication) =>
    Number(b.onlyRestricts ?? false) - Number(a.onlyRestricts ?? false) || byAge(a, b);
  const list = [...objects.values()].sort(restrictingFirst).filter(policy => {
    if (!isWide(policy)) return true;
    const known = wide.get(policy.meta.namespace);
    if (!known) {
      wide.set(policy.meta.namespace, policy);
      return true;
    }
    const message = `${known.meta.key} is for the whole namespace already and is used`;
    problems.push({ object: policy.meta.key, path: 'spec.selector', message, severity: 'error' });
    return false;
  });
  return { list, problems };
}

/** Root namespace, namespace and workload: what a workload's telemetry is put together from (istio: applicableTelemetries). */
function telemetriesFor(all: ByNamespace<Telemetry>, root: string, namespace: string, labels: Labels) {
  const isGeneral = (t: Telemetry): boolean => isWide(t) && !targetsOf(t.spec).length;
  const own = all.get(namespace) ?? [];
  const wide = [...new Set([root, namespace])].flatMap(ns => (all.get(ns) ?? []).find(isGeneral) ?? []);
  return [...wide, ...own.filter(t => !isGeneral(t) && isFor(t, namespace, labels))];
}

/** The index. Lists of policies keep their identity while their content does. */
export function buildPolicies(inputs: PolicyInputs): PolicyIndex {
  const { peers, requests, authorizations, telemetries, filters, settings } = inputs;
  const root = settings.rootNamespace;
  const effective = effectivePeers(peers);
  const peersBy = grouped(new Map(effective.list.map(policy => [policy.meta.key, policy])));
  const requestsBy = grouped(requests);
  const authorizationsBy = grouped(authorizations);
  const telemetriesBy = grouped(telemetries);
  const filtersBy = grouped(filters);

  const policiesFor = (namespace: string, labels: Labels): WorkloadPolicies => {
    const from = <T extends Policy>(all: ByNamespace<T>, namespaces: readonly string[]): readonly T[] =>
      [...new Set(namespaces)].flatMap(ns => (all.get(ns) ?? []).filter(policy => isFor(policy, namespace, labels)));
    const envoyFilters = [...from(filtersBy, [root, namespace])].sort(
      (a, b) =>
        (a.spec.priority ?? 0) - (b.spec.priority ?? 0) ||
        Number(a.meta.namespace !== root) - Number(b.meta.namespace !== root) ||
        a.meta.createdAt - b.meta.createdAt ||
        compare(`${a.meta.name}.${a.meta.namespace}`, `${b.meta.name}.${b.meta.namespace}`),
    );
    return one({
      peerAuthentications: oneList(from(peersBy, [namespace, root])),
      requestAuthentications: oneList(from(requestsBy, [namespace, root])),
      authorizationPolicies: oneList(from(authorizationsBy, [root, namespace])),
      telemetries: oneList(telemetriesFor(telemetriesBy, root, namespace, labels)),
      envoyFilters: oneList(envoyFilters),
    });
  };
  return {
    peerAuthentications: oneList(effective.list),
    problems: effective.problems,
    policiesFor,
  };
}
