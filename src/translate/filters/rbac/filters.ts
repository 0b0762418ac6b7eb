import type { Problem } from '../../../config/problem.ts';
import type { AuthorizationPolicy } from '../../../istio/config.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { extension } from '../../../proto/any.ts';
import type { Filter } from '../../../proto/generated/envoy/config/listener/v3.ts';
import { type RBAC, RBAC_Action } from '../../../proto/generated/envoy/config/rbac/v3.ts';
import type { HttpFilter } from '../../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import { AuthorizationPolicy_Action as Action } from '../../../proto/generated/istio/security/v1beta1.ts';
import type { ProviderHosts } from '../../provider-cluster.ts';
import { HTTP_RBAC, NETWORK_RBAC } from '../well-known.ts';
import { type Authorizer, authorizer, httpAuthorizer, networkAuthorizer } from './ext-authz.ts';
import { isDryRun, ruleSet, shadowPrefix } from './policies.ts';

interface Rules {
  readonly rules?: RBAC | undefined;
  readonly shadow_rules?: RBAC | undefined;
  readonly shadow_rules_stat_prefix?: string | undefined;
}

const httpRbac = (rules: Rules): HttpFilter =>
  extension(HTTP_RBAC, 'envoy.extensions.filters.http.rbac.v3.RBAC', rules);

const networkRbac = (rules: Rules): Filter =>
  extension(NETWORK_RBAC, 'envoy.extensions.filters.network.rbac.v3.RBAC', { ...rules, stat_prefix: 'tcp.' });

/** Filters and what was wrong with the policies that they are made from. */
export interface Authorization {
  readonly http: readonly HttpFilter[];
  readonly tcp: readonly Filter[];
  readonly problems: readonly Problem[];
}

const trustDomainsOf = (mesh: MeshSettings): readonly string[] => [
  mesh.trustDomain,
  ...(mesh.config.trustDomainAliases ?? []),
];

const withAction = (policies: readonly AuthorizationPolicy[], action: Action) =>
  policies.filter(p => (p.spec.action ?? Action.ALLOW) === action);

/**
 * What policies of an action mean together. ALLOW policies of which it is not sure that they are in force allow nothing beside others, because
 * the others might be all; where one of them is the only policy its rules hold, because it may be in force or none.
 */
const certain = (policies: readonly AuthorizationPolicy[], action: Action): readonly AuthorizationPolicy[] =>
  action === Action.ALLOW && policies.filter(p => !isDryRun(p)).length > 1
    ? policies.map(p => (p.onlyRestricts ? { ...p, spec: { ...p.spec, rules: [] } } : p))
    : policies;

/** The filters of AUDIT, DENY and ALLOW policies, in that order: what is denied cannot be allowed again (istio: authz Builder.build). */
export function localAuthorization(mesh: MeshSettings, policies: readonly AuthorizationPolicy[]): Authorization {
  const http: HttpFilter[] = [];
  const tcp: Filter[] = [];
  const problems: Problem[] = [];
  for (const action of [Action.AUDIT, Action.DENY, Action.ALLOW]) {
    const chosen = certain(withAction(policies, action), action);
    if (chosen.length === 0) continue;
    const rulesFor = (onTcp: boolean): Rules => {
      const set = ruleSet(chosen, action, { tcp: onTcp, trustDomains: trustDomainsOf(mesh) });
      problems.push(...set.problems);
      return {
        rules: set.enforced,
        shadow_rules: set.dryRun,
        shadow_rules_stat_prefix: shadowPrefix(set.dryRun),
      };
    };
    http.push(httpRbac(rulesFor(false)));
    tcp.push(networkRbac(rulesFor(true)));
  }
  return { http, tcp, problems };
}

/** Rules under which every request that would have been asked for is denied: the authorizer cannot be asked. */
const deniedAll = (rules: RBAC | undefined): RBAC => ({
  action: RBAC_Action.DENY,
  policies: Object.fromEntries(
    Object.entries(rules?.policies ?? {}).map(([name, p]) => [`${name}-deny-due-to-bad-CUSTOM-action`, p]),
  ),
});

/**
 * The filters of CUSTOM policies: RBAC finds out whether a policy matches, and only then the authorizer is asked. Where the authorizer is
 * not to be had the request is denied. Istio has one authorizer a workload; of several none is trusted (istio: authz Builder.buildHTTP).
 */
export function customAuthorization(
  mesh: MeshSettings,
  policies: readonly AuthorizationPolicy[],
  hosts: ProviderHosts,
): Authorization {
  const chosen = withAction(policies, Action.CUSTOM);
  const names = [...new Set(chosen.map(p => p.spec.provider?.name ?? ''))].sort();
  const http: HttpFilter[] = [];
  const tcp: Filter[] = [];
  const problems: Problem[] = [];
  for (const name of names) {
    const own = chosen.filter(p => (p.spec.provider?.name ?? '') === name);
    const prefix = name === '' ? 'istio-ext-authz-' : `istio-ext-authz-${name}-`;
    const found: Authorizer =
      names.length > 1
        ? { problem: `a workload can have one external authorizer, not ${names.join(', ')}` }
        : authorizer(name, mesh.config.extensionProviders ?? [], hosts);
    const setFor = (onTcp: boolean) =>
      ruleSet(own, Action.CUSTOM, { tcp: onTcp, trustDomains: trustDomainsOf(mesh), prefix });
    const onHttp = setFor(false);
    const onTcp = setFor(true);
    problems.push(...onHttp.problems);
    if (found.problem !== undefined) {
      http.push(httpRbac({ rules: deniedAll(onHttp.enforced) }));
      tcp.push(networkRbac({ rules: deniedAll(onTcp.enforced) }));
      for (const { meta } of own) {
        const message = `${found.problem}: requests of this policy are denied`;
        problems.push({ object: meta.key, path: 'spec.provider.name', message, severity: 'error' });
      }
      continue;
    }
    const asks = (set: typeof onHttp): Rules => ({
      shadow_rules: set.enforced ?? { action: RBAC_Action.DENY },
      rules: set.dryRun,
      shadow_rules_stat_prefix: 'istio_ext_authz_',
    });
    http.push(httpRbac(asks(onHttp)), httpAuthorizer(found.http));
    // An authorizer that speaks HTTP knows nothing of bare connections.
    if (found.tcp) tcp.push(networkRbac(asks(onTcp)), networkAuthorizer(found.tcp));
  }
  return { http, tcp, problems };
}
