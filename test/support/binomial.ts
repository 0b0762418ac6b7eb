/** ln(n!), exactly enough for counting. */
function logFactorial(n: number): number {
  let sum = 0;
  for (let i = 2; i <= n; i++) sum += Math.log(i);
  return sum;
}

/**
 * Between which counts the successes of `n` trials lie, each with probability `p`, but for one case in a million: half of those below, half
 * above. What lies outside is a fault and not bad luck.
 */
export function binomialBounds(n: number, p: number, outside = 1e-6): { readonly low: number; readonly high: number } {
  const whole = logFactorial(n);
  const probability = (k: number): number =>
    Math.exp(whole - logFactorial(k) - logFactorial(n - k) + k * Math.log(p) + (n - k) * Math.log(1 - p));
  let low = 0;
  for (let tail = probability(0); tail < outside / 2 && low < n; tail += probability(low)) low++;
  let high = n;
  for (let tail = probability(n); tail < outside / 2 && high > 0; tail += probability(high)) high--;
  return { low, high };
}
