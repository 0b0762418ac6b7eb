/** A reporter that ends the run at the first test that fails: a mutant needs no more. */
import type { TestEvent } from 'node:test/reporters';

// biome-ignore lint/correctness/useYield: there is nothing to say but how it ended.
export default async function* firstFailure(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type } of events) if (type === 'test:fail') process.exit(1);
}
