import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { LocalityLbEndpoints } from '../../../src/proto/generated/envoy/config/endpoint/v3.ts';
import type { Messages } from '../../support/translation.ts';
import { assigned, priorities } from './cluster.ts';

/** `region/zone/subzone`, as far as it is known. */
export const localityOf = ({ locality: { region, zone, sub_zone } = {} }: LocalityLbEndpoints): string =>
  [region, zone, sub_zone].filter(Boolean).join('/');

/** Shares in percent of the localities that get a cluster's traffic; undefined where localities are not weighted. */
export function localitiesOf(messages: Messages, cluster: Cluster): Readonly<Record<string, number>> | undefined {
  if (!cluster.common_lb_config?.locality_weighted_lb_config) return undefined;
  const [first = []] = priorities(assigned(messages, cluster));
  const total = first.reduce((sum, g) => sum + (g.load_balancing_weight?.value ?? 0), 0);
  const shares = first.map(g => [localityOf(g), (100 * (g.load_balancing_weight?.value ?? 0)) / total]);
  return total > 0 ? Object.fromEntries(shares) : undefined;
}
