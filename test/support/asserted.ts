/**
 * A test in which nothing was asserted fails: a loop over an empty list holds nothing. Loaded before every test file (`test/run.sh`).
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach } from 'node:test';

let count = 0;

type Check = (...args: readonly unknown[]) => unknown;

/** Counts the calls of every function of `assert`, which all test files import as one object. */
function watch(): void {
  const checks = assert as unknown as Record<string, unknown>;
  for (const [name, check] of Object.entries(checks)) {
    if (typeof check !== 'function' || /^[A-Z]|^strict$/.test(name)) continue;
    checks[name] = (...args: readonly unknown[]): unknown => {
      count++;
      return (check as Check)(...args);
    };
  }
}

// Only where test files run: the process that starts them has "tests" of its own, one for each file.
if (process.env['NODE_TEST_CONTEXT']) {
  watch();
  /** How many had been asserted when a test began. */
  const starts = new WeakMap<object, number>();
  beforeEach(test => void starts.set(test, count));
  afterEach(test => {
    if (starts.get(test) === count) throw new Error('nothing was asserted');
  });
}
