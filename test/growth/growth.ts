import assert from 'node:assert/strict';

/** The CPU time of a run, in milliseconds. */
function cost(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/**
 * Work on sixteen times as much takes about sixteen times as long; were it the square, it would be 256 times. What takes less than a tenth of a
 * second is not told apart from noise. What looks like the square is measured again, and with twice as much: noise is not there each time.
 */
export function assertLinear(what: string, work: (n: number) => () => void, n: number): void {
  const found: string[] = [];
  const isLinear = (size: number): boolean => {
    const [small, large] = [cost(work(size)), cost(work(16 * size))];
    found.push(`${size} take ${small} ms and ${16 * size} take ${large} ms`);
    return large < 40 * small + 100;
  };
  assert.ok([n, n, 2 * n].some(isLinear), `${what}: ${found.join(', ')}`);
}
