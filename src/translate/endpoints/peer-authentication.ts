/** Whether a server expects mutual TLS, as PeerAuthentication says (istio: AuthenticationPolicies, ComposePeerAuthentication). */

import type { PeerAuthentication } from '../../istio/config.ts';
import { byAge, selects } from '../../istio/object.ts';
import { memo, oneList } from '../../memo.ts';
import { PeerAuthentication_MutualTLS_Mode as Mode } from '../../proto/generated/istio/security/v1beta1.ts';

export type MutualTlsMode = 'DISABLE' | 'PERMISSIVE' | 'STRICT';

const modeOf = (mtls: PeerAuthentication['spec']['mtls']): MutualTlsMode | undefined => {
  switch (mtls?.mode) {
    case Mode.DISABLE:
      return 'DISABLE';
    case Mode.PERMISSIVE:
      return 'PERMISSIVE';
    case Mode.STRICT:
      return 'STRICT';
    default:
      return undefined;
  }
};

const selectorOf = (policy: PeerAuthentication): Readonly<Record<string, string>> =>
  policy.spec.selector?.matchLabels ?? {};

const isWide = (policy: PeerAuthentication): boolean => {
  for (const _ in selectorOf(policy)) return false;
  return true;
};

const byNamespace = memo((policies: readonly PeerAuthentication[]) => {
  const namespaces = new Map<string, PeerAuthentication[]>();
  for (const policy of [...policies].sort(byAge)) {
    const list = namespaces.get(policy.meta.namespace);
    if (!list) namespaces.set(policy.meta.namespace, [policy]);
    else if (!isWide(policy) || !list.some(isWide)) list.push(policy);
  }
  return namespaces;
});

/**
 * The policies that can apply to workloads of a namespace: its own and the root namespace's, oldest first. Of several that select every
 * workload of a namespace only the oldest is kept. The list keeps its identity while its policies do.
 */
export const policiesOf = memo(
  (
    policies: readonly PeerAuthentication[],
    rootNamespace: string,
    namespace: string,
  ): readonly PeerAuthentication[] => {
    const all = byNamespace(policies);
    const own = namespace === rootNamespace ? [] : (all.get(namespace) ?? []);
    return oneList([...(all.get(rootNamespace) ?? []), ...own]);
  },
);

/** The mode of a namespace as a whole, ignoring policies for single workloads: all that is known of a Service without its pods. */
export const namespaceMode = memo((policies: readonly PeerAuthentication[], rootNamespace: string): MutualTlsMode => {
  let mesh: MutualTlsMode = 'PERMISSIVE';
  let namespace: MutualTlsMode | undefined;
  for (const policy of policies) {
    if (!isWide(policy)) continue;
    if (policy.meta.namespace === rootNamespace) mesh = modeOf(policy.spec.mtls) ?? 'PERMISSIVE';
    else namespace = modeOf(policy.spec.mtls);
  }
  return namespace ?? mesh;
});

/** The mode of one workload's port: port, then workload, namespace and mesh; PERMISSIVE where nothing says. */
export function workloadMode(
  policies: readonly PeerAuthentication[],
  rootNamespace: string,
  labels: Readonly<Record<string, string>>,
  port: number,
): MutualTlsMode {
  let workload: PeerAuthentication | undefined;
  for (const policy of policies) {
    if (isWide(policy) || policy.meta.namespace === rootNamespace) continue;
    if (selects(selectorOf(policy), labels)) {
      workload = policy;
      break;
    }
  }
  const own = modeOf(workload?.spec.mtls) ?? namespaceMode(policies, rootNamespace);
  return modeOf(workload?.spec.portLevelMtls?.[port]) ?? own;
}
