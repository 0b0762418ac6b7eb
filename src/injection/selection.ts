import { picks } from '../istio/label-selector.ts';
import type { LabelSelector } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { own } from '../unknown.ts';
import { annotation, labelsOf, type Pod } from './pod.ts';

/** Who is injected, where nothing else is said. */
export interface Policy {
  readonly policy: 'enabled' | 'disabled';
  /** Pods that are not injected unless they say so themselves. */
  readonly neverInjectSelector: readonly LabelSelector[];
  /** Pods that are injected unless they say otherwise themselves; never goes before always. */
  readonly alwaysInjectSelector: readonly LabelSelector[];
}

/** Namespaces that are Kubernetes' own (inject/initializer.go IgnoredNamespaces). istio-system is not one: gateways are there. */
const ignoredNamespaces: ReadonlySet<string> = new Set([
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'local-path-storage',
]);

/** The label, or else the annotation, by which a pod asks for a sidecar or for none. */
export const INJECT = 'sidecar.istio.io/inject';

const isEmpty = ({ matchLabels, matchExpressions }: LabelSelector): boolean =>
  Object.keys(matchLabels ?? {}).length === 0 && !matchExpressions?.length;

/** Why a pod of that namespace is left alone; undefined where it is injected (inject.go injectRequired). */
export function skipReason(pod: Pod, namespace: string, policy: Policy): string | undefined {
  if (pod.spec?.hostNetwork === true)
    return 'it has the network of its node (hostNetwork), whose traffic is not to be captured';
  if (ignoredNamespaces.has(namespace)) return `nothing in namespace ${namespace} is injected`;
  const labels = labelsOf(pod);
  const label = own(labels, INJECT);
  const asked = label ?? annotation(pod, INJECT);
  if (asked === 'true') return undefined;
  if (asked === 'false') return `${label === undefined ? 'annotation' : 'label'} ${INJECT} is false`;
  const matches = (selector: LabelSelector) => !isEmpty(selector) && picks(selector, labels);
  if (policy.neverInjectSelector.some(matches)) return 'its labels match neverInjectSelector';
  if (policy.alwaysInjectSelector.some(matches)) return undefined;
  return policy.policy === 'enabled' ? undefined : 'the policy is disabled, and it does not ask for a sidecar itself';
}
