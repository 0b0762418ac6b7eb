import type { Problem } from '../../../config/problem.ts';
import { type AuthorizationPolicy, writtenIndex } from '../../../istio/config.ts';
import { type Policy, type RBAC, RBAC_Action } from '../../../proto/generated/envoy/config/rbac/v3.ts';
import { AuthorizationPolicy_Action as Action } from '../../../proto/generated/istio/security/v1beta1.ts';
import { rbacPolicy } from './rule.ts';
import type { TrustDomains } from './trust-domain.ts';

/** Rules in force, and rules that are only tried: their outcome shows in metadata and traces. Undefined: no policy of that kind. */
export interface RuleSet {
  readonly enforced: RBAC | undefined;
  readonly dryRun: RBAC | undefined;
  readonly problems: readonly Problem[];
}

/** A policy without rules matches nothing: an ALLOW policy then denies all. */
const NEVER: Policy = {
  permissions: [{ not_rule: { any: true } }],
  principals: [{ not_id: { any: true } }],
};

const ENVOY_ACTION: Readonly<Record<Action, RBAC_Action>> = {
  [Action.ALLOW]: RBAC_Action.ALLOW,
  [Action.DENY]: RBAC_Action.DENY,
  [Action.AUDIT]: RBAC_Action.LOG,
  // The authorizer decides; the RBAC filter only says which policy asks for it.
  [Action.CUSTOM]: RBAC_Action.DENY,
};

/** Whether a policy is only tried. */
export const isDryRun = ({ meta }: AuthorizationPolicy): boolean =>
  /^(?:1|t|true)$/i.test(meta.annotations['istio.io/dry-run'] ?? '');

/** The RBAC rules of policies with one action, each under a name that says where it is from. */
export function ruleSet(
  policies: readonly AuthorizationPolicy[],
  action: Action,
  options: { readonly tcp: boolean; readonly trustDomains: TrustDomains; readonly prefix?: string },
): RuleSet {
  const enforced: [string, Policy][] = [];
  const dryRun: [string, Policy][] = [];
  const problems: Problem[] = [];
  for (const policy of policies) {
    const { namespace, name, key } = policy.meta;
    const into = isDryRun(policy) ? dryRun : enforced;
    const nameOf = (index: number) => `${options.prefix ?? ''}ns[${namespace}]-policy[${name}]-rule[${index}]`;
    const rules = policy.spec.rules ?? [];
    if (rules.length === 0) into.push([nameOf(0), NEVER]);
    for (const [at, rule] of rules.entries()) {
      const index = writtenIndex(policy, 'spec.rules', at);
      const made = rbacPolicy(rule, { ...options, namespace, allows: action === Action.ALLOW });
      if (made) into.push([nameOf(index), made]);
      else if (!options.tcp) {
        const message = 'it has a condition that cannot be evaluated: the rule is not in force';
        problems.push({ object: key, path: `spec.rules[${index}]`, message, severity: 'error' });
      }
    }
  }
  const rbac = (dry: boolean, made: readonly [string, Policy][]): RBAC | undefined =>
    policies.some(p => isDryRun(p) === dry)
      ? { action: ENVOY_ACTION[action], policies: Object.fromEntries(made) }
      : undefined;
  return { enforced: rbac(false, enforced), dryRun: rbac(true, dryRun), problems };
}

/** Where the outcome of tried rules is written. An enforced DENY alone has the name of ALLOW, as istiod writes it. */
export const shadowPrefix = (dryRun: RBAC | undefined): string | undefined => {
  switch (dryRun?.action ?? RBAC_Action.ALLOW) {
    case RBAC_Action.ALLOW:
      return 'istio_dry_run_allow_';
    case RBAC_Action.DENY:
      return 'istio_dry_run_deny_';
    default:
      return undefined;
  }
};
