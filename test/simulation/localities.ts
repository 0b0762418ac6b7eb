import type { Cluster } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { Locality } from '../../src/proto/generated/envoy/config/core/v3.ts';
import type { Messages } from '../support/translation.ts';
import { addressOf, assigned, priorities } from './cluster.ts';

/** How the places and weights of endpoints decide which of them get a cluster's traffic. */
export interface Localities {
  /** Shares in percent by `region/zone/subzone`, where localities are weighted. */
  readonly localities?: Readonly<Record<string, number>>;
  /** Where traffic goes once the endpoints before are ejected or gone: addresses by priority, the first one left out. */
  readonly failover?: readonly (readonly string[])[];
  /** Weights of the endpoints in their locality, where they are not all the same. */
  readonly weights?: Readonly<Record<string, number>>;
}

const nameOf = ({ region, zone, sub_zone }: Locality = {}): string =>
  [region, zone, sub_zone].filter(Boolean).join('/');

/** What places mean to a cluster. */
export function localitiesOf(messages: Messages, cluster: Cluster): Localities {
  const [first = [], ...others] = priorities(assigned(messages, cluster));
  const weighted = cluster.common_lb_config?.locality_weighted_lb_config !== undefined;
  const total = first.reduce((sum, g) => sum + (g.load_balancing_weight?.value ?? 0), 0);
  const shares = first.map(g => [nameOf(g.locality), (100 * (g.load_balancing_weight?.value ?? 0)) / total]);
  const endpoints = first.flatMap(g => g.lb_endpoints ?? []);
  const weights = endpoints.map((e): [string, number] => [addressOf(e), e.load_balancing_weight?.value ?? 1]);
  return {
    ...(weighted && total > 0 && { localities: Object.fromEntries(shares) }),
    ...(others.length > 0 && {
      failover: others.map(groups => groups.flatMap(g => (g.lb_endpoints ?? []).map(addressOf)).sort()),
    }),
    ...(weights.some(([, weight]) => weight !== weights[0]?.[1]) && { weights: Object.fromEntries(weights) }),
  };
}
