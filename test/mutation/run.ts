/**
 * npm run test:mutation -- FILE... [--sample N] [--seed N] [--minutes N] [--tests FILE,FILE]
 *
 * Puts small mistakes into files of src, one at a time, and tells which of them no test notices. `--sample`: so many of all mutants, chosen
 * by `--seed`. What survives is either worth a test or does not matter; test/README.md says which.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { shuffled } from '../support/shuffle.ts';
import { type Mutant, mutantsOf } from './mutants.ts';
import { testsOf } from './noticed-by.ts';

const repository = join(import.meta.dirname, '../..');

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '10' },
    tests: { type: 'string' },
  },
});

/** Seconds. */
interface Limit {
  readonly cpu: number;
  readonly wall: number;
}

/** Whether tests pass: in one process, which ends at the first failure. `cpu` and a wall clock bound it: a mutant may loop or wait for ever. */
function pass(tests: readonly string[], mutant: Mutant | undefined, limit: Limit): boolean {
  const loaded = ['./test/support/seed.ts', './test/mutation/in-force.ts'].flatMap(file => ['--import', file]);
  const args = [
    ...loaded,
    '--test',
    '--test-isolation=none',
    '--test-reporter=./test/mutation/first-failure.ts',
    ...tests,
  ];
  const { status } = spawnSync(
    'bash',
    ['-c', 'ulimit -t "$0" && exec "$@"', String(limit.cpu), process.execPath, ...args],
    {
      cwd: repository,
      stdio: 'ignore',
      timeout: limit.wall * 1000,
      env: { ...process.env, MUTANT: mutant ? JSON.stringify(mutant) : '' },
    },
  );
  return status === 0;
}

const limits = new Map<string, Limit>();

/** Whether some tests notice a mutant. What they take without one is measured first. */
function isNoticed(mutant: Mutant, tests: readonly string[]): boolean {
  const key = tests.join();
  let limit = limits.get(key);
  if (!limit) {
    const began = performance.now();
    if (!pass(tests, undefined, { cpu: 600, wall: 600 })) throw new Error(`${key} fails as it is`);
    const wall = (performance.now() - began) / 1000;
    limit = { cpu: Math.ceil(10 + 3 * wall), wall: Math.ceil(30 + 5 * wall) };
    limits.set(key, limit);
  }
  return !pass(tests, mutant, limit);
}

const inShort = (text: string): string => text.replaceAll(/\s+/g, ' ').slice(0, 70);

const all = mutantsOf(repository, files);
const chosen = shuffled(all, Number(values.seed)).slice(0, Number(values.sample));
console.log(`${chosen.length} of ${all.length} mutants of ${files.join(' ')}`);
const deadline = performance.now() + Number(values.minutes) * 60_000;
let tried = 0;
let survived = 0;
for (const mutant of chosen) {
  if (performance.now() > deadline) break;
  tried++;
  const steps = values.tests ? [values.tests.split(',')] : testsOf(mutant.file);
  if (steps.some(tests => isNoticed(mutant, tests))) continue;
  survived++;
  console.log(`survived: ${mutant.file}:${mutant.line}: ${inShort(mutant.before)}  ->  ${inShort(mutant.after)}`);
}
console.log(`${tried} tried, ${tried - survived} noticed, ${survived} survived`);
