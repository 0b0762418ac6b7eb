/**
 * A reporter beside the usual one: says at the end which tests were left out and why, which with CI=true is a failure, and fails where a
 * file or a suite has no test at all, as when the list that it makes tests from is empty.
 */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

const isCi = process.env['CI'] === 'true';

export default async function* leftOut(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skipped: string[] = [];
  const empty: string[] = [];
  /** How many tests of a suite that ends have been announced: the runner says it just before the end. */
  let planned = 0;
  for await (const { type, data } of events) {
    if (type === 'test:plan') planned = data.count;
    if (type === 'test:summary' && data.file && data.counts.tests + data.counts.suites === 0) empty.push(data.file);
    if (type !== 'test:pass') continue;
    const { name, file = name, details, skip } = data;
    if (skip !== undefined)
      skipped.push(`${relative('.', file)}: ${name}: ${skip === true ? 'no reason given' : skip}`);
    else if (details.type === 'suite' && planned === 0) empty.push(`${relative('.', file)}: ${name}`);
    planned = 0;
  }
  for (const what of skipped) yield `left out: ${what}\n`;
  for (const what of empty) yield `has no test: ${relative('.', what)}\n`;
  if (skipped.length && isCi) yield 'With CI=true every test has to run.\n';
  if (empty.length || (skipped.length && isCi)) process.exitCode = 1;
}
