/** The largest sum of weights that Envoy takes. */
export const MOST_WEIGHT = 2 ** 32 - 1;

/**
 * Weights in the same proportion whose sum Envoy takes: the very list where its sum is small enough. What has some weight keeps some.
 */
export function fittingWeights(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum <= MOST_WEIGHT) return weights;
  const scale = (MOST_WEIGHT - weights.length) / sum;
  return weights.map(weight => weight && Math.max(1, Math.floor(weight * scale)));
}
