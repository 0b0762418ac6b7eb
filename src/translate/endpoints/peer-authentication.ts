/** Whether a server expects mutual TLS, as PeerAuthentication says (istio: AuthenticationPolicies, ComposePeerAuthentication). */

import type { PeerAuthentication } from '../../istio/config.ts';
import { byAge, selects } from '../../istio/object.ts';
import { addTo } from '../../lists.ts';
import { memo, oneList } from '../../memo.ts';
import { isWide } from '../../model/policies/policies.ts';
import { PeerAuthentication_MutualTLS_Mode as Mode } from '../../proto/generated/istio/security/v1beta1.ts';

/** How a port of a workload takes mutual TLS: only it, it and plaintext, or not at all. */
export type MutualTlsMode = 'DISABLE' | 'PERMISSIVE' | 'STRICT';

const MODES: Readonly<Partial<Record<Mode, MutualTlsMode>>> = {
  [Mode.DISABLE]: 'DISABLE',
  [Mode.PERMISSIVE]: 'PERMISSIVE',
  [Mode.STRICT]: 'STRICT',
};

/** The mode that a policy sets; undefined where it leaves that to wider ones. */
export const modeOf = (mtls: PeerAuthentication['spec']['mtls']): MutualTlsMode | undefined =>
  MODES[mtls?.mode ?? Mode.UNSET];

const byNamespace = memo((policies: readonly PeerAuthentication[]) => {
  const namespaces = new Map<string, PeerAuthentication[]>();
  for (const policy of [...policies].sort(byAge)) {
    const { namespace } = policy.meta;
    if (!isWide(policy) || !namespaces.get(namespace)?.some(isWide)) addTo(namespaces, namespace, policy);
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
  const workload = policies.find(
    policy =>
      !isWide(policy) &&
      policy.meta.namespace !== rootNamespace &&
      selects(policy.spec.selector?.matchLabels ?? {}, labels),
  );
  const own = modeOf(workload?.spec.mtls) ?? namespaceMode(policies, rootNamespace);
  return modeOf(workload?.spec.portLevelMtls?.[port]) ?? own;
}
