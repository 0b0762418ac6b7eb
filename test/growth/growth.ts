import assert from 'node:assert/strict';

/** The least CPU time of some runs, in milliseconds: what else the machine does adds to it, and nothing takes from it. */
function cost(work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 2; run++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

/**
 * Work on four times as much takes about four times as long; were it the square, it would be sixteen times. What takes less than a tenth of a
 * second is not told apart from noise. What looks like the square is tried with four times as much again: noise does not grow with it.
 */
export function assertLinear(what: string, work: (n: number) => () => void, n: number): void {
  let small = cost(work(n));
  const found: string[] = [];
  for (let size = n; found.length < 2; size *= 4) {
    const large = cost(work(4 * size));
    if (large < 10 * small + 100) return;
    found.push(`${size} take ${small} ms and ${4 * size} take ${large} ms`);
    small = large;
  }
  assert.fail(`${what}: ${found.join(', ')}`);
}
