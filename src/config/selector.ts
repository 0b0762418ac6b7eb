import type { LabelSelector } from '../proto/generated/istio/mesh/v1alpha1.ts';
import type { PolicyTargetReference, WorkloadSelector } from '../proto/generated/istio/type/v1beta1.ts';
import { isDnsLabel, isLabel } from './host.ts';
import { each, entry, type Report } from './report.ts';

/** Reports a selector of workloads with empty keys or wildcards; one without labels selects the whole namespace. */
export function checkSelector(
  labels: Readonly<Record<string, string>> | undefined,
  path: string,
  report: Report,
): void {
  if (!labels || Object.keys(labels).length === 0) {
    report.warning(path, 'without labels it selects every workload of the namespace');
    return;
  }
  for (const [key, value] of Object.entries(labels)) {
    const at = entry(path, key);
    if (key === '') report.error(at, 'a label needs a name');
    else if (key.includes('*') || value.includes('*')) report.error(at, `"${key}=${value}": no wildcards in selectors`);
    else if (!isLabel(key, value)) report.warning(at, `no pod can have the label "${key}=${value}": it selects none`);
  }
}

/** Those labels of a selector in which nothing is wrong: they select at least what all of them select. */
export const readableLabels = (
  labels: Readonly<Record<string, string>> | undefined,
  path: string,
  report: Report,
): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(labels ?? {}).filter(([key]) => !report.failed(entry(path, key))));

/** Reports a selector of Kubernetes' kind that the API server would refuse. */
export function checkLabelSelector(selector: LabelSelector | undefined, path: string, report: Report): void {
  each(selector?.matchExpressions, `${path}.matchExpressions`, ({ key, operator = '', values = [] }, at) => {
    if (!key) report.error(`${at}.key`, 'a label needs a name');
    if (operator === 'In' || operator === 'NotIn') {
      if (!values.length) report.error(`${at}.values`, `${operator} needs a value`);
    } else if (operator !== 'Exists' && operator !== 'DoesNotExist') {
      report.error(`${at}.operator`, `"${operator}" is none of In, NotIn, Exists and DoesNotExist`);
    } else if (values.length) report.error(`${at}.values`, `${operator} has no values`);
  });
}

/** What a policy is attached to: workloads by labels, or objects by name. */
export interface Attachment {
  readonly selector?: WorkloadSelector | undefined;
  readonly targetRef?: PolicyTargetReference | undefined;
  readonly targetRefs?: readonly PolicyTargetReference[] | undefined;
}

const targets = new Set([
  '/Service',
  'core/Service',
  'networking.istio.io/ServiceEntry',
  'gateway.networking.k8s.io/Gateway',
  'gateway.networking.k8s.io/GatewayClass',
]);

/** Reports an attachment of a policy that is ambiguous or impossible. */
export function checkAttachment(policy: Attachment, path: string, report: Report): void {
  const ways = [policy.selector, policy.targetRef, policy.targetRefs?.length].filter(Boolean).length;
  if (ways > 1) {
    const one = policy.targetRef ? 'targetRef' : 'targetRefs';
    report.error(`${path}.${one}`, 'only one of selector, targetRef and targetRefs may be set');
  }
  if (policy.selector) checkSelector(policy.selector.matchLabels, `${path}.selector.matchLabels`, report);
  if (policy.targetRef) checkTarget(policy.targetRef, `${path}.targetRef`, report);
  each(policy.targetRefs, `${path}.targetRefs`, (target, at) => checkTarget(target, at, report));
}

/**
 * To what a policy may be attached at most, where that cannot be read for sure; undefined where nothing is wrong with it. A target that
 * cannot be read may be any, so that the policy is for the namespace.
 */
export function widestAttachment(policy: Attachment, path: string, report: Report): Attachment | undefined {
  const targets = report.failed(`${path}.targetRef`) || report.failed(`${path}.targetRefs`);
  if (!targets && !report.failed(`${path}.selector`)) return undefined;
  const matchLabels = readableLabels(policy.selector?.matchLabels, `${path}.selector.matchLabels`, report);
  return { selector: targets ? undefined : { matchLabels }, targetRef: undefined, targetRefs: undefined };
}

function checkTarget(target: PolicyTargetReference, path: string, report: Report): void {
  if (!target.name) report.error(`${path}.name`, 'a target needs a name');
  if (target.namespace) report.error(`${path}.namespace`, 'a target is in the namespace of the policy');
  const kind = `${target.group ?? ''}/${target.kind ?? ''}`;
  if (!targets.has(kind)) report.error(`${path}.kind`, `"${kind}" is not a kind that policies can be attached to`);
  else if (target.kind !== 'Gateway') {
    report.warning(path, `policies for a ${target.kind} are for waypoints, which are not served: it is for nobody`);
  }
}

/** Reports what exportTo does not allow: duplicates, `*` or `~` beside others, what is no namespace. */
export function checkExportTo(
  exportTo: readonly string[] | undefined,
  namespace: string,
  none: 'noneAllowed' | 'noneForbidden',
  path: string,
  report: Report,
): void {
  const seen = new Set<string>();
  each(exportTo, path, (entry, at) => {
    const key = entry === '.' ? namespace : entry;
    if (seen.has(key)) report.error(at, `"${entry}" is there twice`);
    seen.add(key);
    if (entry === '*' || entry === '.') return;
    if (entry === '~' ? none === 'noneForbidden' : !isDnsLabel(entry)) {
      report.error(at, `"${entry}" is none of ".", "*" and a namespace`);
    }
  });
  if (seen.size < 2) return;
  if (seen.has('*')) report.error(path, '"*" (everyone) stands alone');
  if (seen.has('~')) report.error(path, '"~" (no one) stands alone');
}
