import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Comparison } from '../support/xds-diff.ts';

interface Row {
  readonly scenarios: readonly string[];
  readonly resource: RegExp;
}

/** `*` stands for any text. */
const pattern = (text: string): RegExp =>
  new RegExp(
    `^${text
      .split('*')
      .map(part => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  );

/** The table of DIFFERENCES.md; a cell may hold an escaped `|`. */
function rows(markdown: string): readonly Row[] {
  return markdown
    .split('\n')
    .filter(line => line.startsWith('| ') && !line.startsWith('| Scenario'))
    .map(line => line.split(/(?<!\\)\|/).map(cell => cell.trim().replaceAll('\\|', '|')))
    .map(([, scenarios = '', resource = '']) => ({
      scenarios: scenarios.split(', '),
      resource: pattern(resource),
    }));
}

/** Which differences are known, and which of those that are listed do not show any more. */
export class KnownDifferences {
  readonly #rows = rows(readFileSync(join(import.meta.dirname, 'DIFFERENCES.md'), 'utf8'));
  readonly #seen = new Set<string>();

  /** `type name` of the resources that differ and are not listed. */
  unlisted(scenario: string, comparison: Comparison): readonly string[] {
    const differing = comparison.types.flatMap(t =>
      [...t.differing.keys(), ...t.missing, ...t.extra].map(name => `${t.type} ${name}`),
    );
    return differing.filter(resource => {
      const listed = this.#rows.filter(row => row.scenarios.includes(scenario) && row.resource.test(resource));
      for (const row of listed) this.#seen.add(`${scenario}: ${row.resource.source}`);
      return listed.length === 0;
    });
  }

  /** Rows that no resource of these scenarios shows. */
  outdated(scenarios: readonly string[]): readonly string[] {
    return this.#rows.flatMap(row =>
      row.scenarios
        .filter(name => scenarios.includes(name))
        .map(name => `${name}: ${row.resource.source}`)
        .filter(key => !this.#seen.has(key)),
    );
  }
}
