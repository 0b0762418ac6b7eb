import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `condition` holds; fails with `what` it waited for after `ms`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms = 10_000,
  what = condition.toString(),
): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(20);
  }
}
