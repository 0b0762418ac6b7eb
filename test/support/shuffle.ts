/** A permutation of a list that depends on nothing but the seed. */
export function shuffled<T>(list: readonly T[], seed: number): readonly T[] {
  const copy = [...list];
  let state = seed;
  for (let i = copy.length - 1; i > 0; i--) {
    // Numerical Recipes' linear congruential generator: its high bits are good enough to shuffle a few objects.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    const [a, b] = [copy[i], copy[j]];
    if (a !== undefined && b !== undefined) [copy[i], copy[j]] = [b, a];
  }
  return copy;
}
