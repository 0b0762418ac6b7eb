import type { Problem } from '../../config/problem.ts';
import type { AuthorizationPolicy, RequestAuthentication } from '../../istio/config.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { memo } from '../../memo.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import type { Filter } from '../../proto/generated/envoy/config/listener/v3.ts';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { ProviderHosts } from '../provider-cluster.ts';
import { jwtFilters } from './jwt.ts';
import { customAuthorization, localAuthorization } from './rbac/filters.ts';

/** The filters that decide who may call a workload. */
export interface SecurityFilters {
  readonly customHttp: readonly HttpFilter[];
  readonly customTcp: readonly Filter[];
  readonly authentication: readonly HttpFilter[];
  readonly http: readonly HttpFilter[];
  readonly tcp: readonly Filter[];
  readonly problems: readonly Problem[];
}

export const NO_SECURITY: SecurityFilters = Object.freeze({
  customHttp: [],
  customTcp: [],
  authentication: [],
  http: [],
  tcp: [],
  problems: [],
});

const filtersOf = memo(
  (
    mesh: MeshSettings,
    authorizations: readonly AuthorizationPolicy[],
    authentications: readonly RequestAuthentication[],
    hosts: ProviderHosts,
    gateway: boolean,
  ): SecurityFilters => {
    const local = localAuthorization(mesh, authorizations);
    const custom = customAuthorization(mesh, authorizations, hosts);
    return Object.freeze({
      customHttp: custom.http,
      customTcp: custom.tcp,
      // A gateway may route by claims: the route has to be looked for again once they are known.
      authentication: jwtFilters(authentications, gateway),
      http: local.http,
      tcp: local.tcp,
      problems: [...custom.problems, ...local.problems],
    });
  },
);

/** The filters of the policies that select a workload. Workloads with the same policies share them. */
export const securityFilters = (
  mesh: MeshSettings,
  workload: Workload,
  hosts: ProviderHosts,
  gateway: boolean,
): SecurityFilters => {
  const { authorizationPolicies, requestAuthentications } = workload.policies;
  return filtersOf(mesh, authorizationPolicies, requestAuthentications, hosts, gateway);
};
