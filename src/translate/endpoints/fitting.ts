import type { LocalityLbEndpoints } from '../../proto/generated/envoy/config/endpoint/v3.ts';
import { fittingWeights, MOST_WEIGHT } from '../weights.ts';

type Weighted = Pick<LocalityLbEndpoints, 'load_balancing_weight'>;

const weightOf = ({ load_balancing_weight: weight }: Weighted): number => weight?.value ?? 0;

/** The items with weights whose sum Envoy takes; the very list where it does already. */
function fitting<T extends Weighted>(items: readonly T[]): readonly T[] {
  const weights = items.map(weightOf);
  const fitted = fittingWeights(weights);
  if (fitted === weights) return items;
  return items.map((item, i) => ({
    ...item,
    load_balancing_weight: item.load_balancing_weight && { value: fitted[i] },
  }));
}

/** Localities whose weights, and those of their endpoints, have sums that Envoy takes: the very list but for huge weights. */
export function fittingLocalities(localities: readonly LocalityLbEndpoints[]): readonly LocalityLbEndpoints[] {
  const sum = (items: readonly Weighted[]): number => items.reduce((total, item) => total + weightOf(item), 0);
  if (sum(localities) <= MOST_WEIGHT && localities.every(l => sum(l.lb_endpoints ?? []) <= MOST_WEIGHT))
    return localities;
  const fitted = new Map<LocalityLbEndpoints, LocalityLbEndpoints>();
  for (const level of Map.groupBy(localities, ({ priority = 0 }) => priority).values())
    for (const [i, locality] of fitting(level).entries()) fitted.set(level[i] ?? locality, locality);
  return localities.map(locality => ({
    ...(fitted.get(locality) ?? locality),
    lb_endpoints: locality.lb_endpoints && fitting(locality.lb_endpoints),
  }));
}
