import type { Problem } from '../../config/problem.ts';
import { memo } from '../../memo.ts';
import type { MeshSettings } from '../../model/settings.ts';
import type { Traits } from '../../model/traits.ts';
import type { Workload } from '../../model/workload.ts';
import type { Filter } from '../../proto/generated/envoy/config/listener/v3.ts';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { ProviderHosts } from '../listeners/provider-cluster.ts';

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

/** The filters of the policies that select a workload. */
export const securityFilters = memo(
  (_mesh: MeshSettings, _workload: Workload, _traits: Traits, _hosts: ProviderHosts): SecurityFilters => NO_SECURITY,
);
