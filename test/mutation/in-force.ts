/** Loaded before tests: puts the mutant in MUTANT in force, without a change of the file. */
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Mutant } from './mutants.ts';

const given = process.env['MUTANT'];
if (given) {
  const { file, start, end, after }: Mutant = JSON.parse(given);
  const mutated = pathToFileURL(join(import.meta.dirname, '../..', file)).href;
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (url !== mutated) return loaded;
      const source = String(loaded.source);
      return { ...loaded, source: source.slice(0, start) + after + source.slice(end) };
    },
  });
}
