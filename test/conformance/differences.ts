import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Comparison } from '../support/xds-diff.ts';
import { type Family, inIpv4, isFamily } from './family.ts';

interface Row {
  /** The family that the row is about: a difference of IPv4 shows in the others too. */
  readonly family: Family;
  readonly scenarios: readonly string[];
  readonly resource: RegExp;
  /** istiod answers now one way and now another, so that a run which does not show the difference proves nothing. */
  readonly isByChance: boolean;
}

/** `*` stands for any text. */
const pattern = (text: string): RegExp =>
  new RegExp(
    `^${text
      .split('*')
      .map(part => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  );

/** The table of DIFFERENCES.md; a cell may hold an escaped `|`, the first one begins with the family where it is one's alone (`ipv6: `). */
function rows(markdown: string): readonly Row[] {
  return markdown
    .split('\n')
    .filter(line => line.startsWith('| ') && !line.startsWith('| Scenario'))
    .map(line => line.split(/(?<!\\)\|/).map(cell => cell.trim().replaceAll('\\|', '|')))
    .map(([, scenarios = '', resource = '', difference = '']) => {
      const [, given = '', names = ''] = /^(?:(\w+): )?(.*)$/.exec(scenarios) ?? [];
      return {
        family: isFamily(given) ? given : 'ipv4',
        scenarios: names.split(', '),
        resource: pattern(resource),
        isByChance: difference.startsWith('At times:'),
      };
    });
}

const concerns = (row: Row, scenario: string, family: Family): boolean =>
  (row.family === family || row.family === 'ipv4') && row.scenarios.some(name => name === scenario || name === '*');

/** Which differences are known, and which of those that are listed do not show any more. */
export class KnownDifferences {
  readonly #rows = rows(readFileSync(join(import.meta.dirname, 'DIFFERENCES.md'), 'utf8'));
  readonly #seen = new Set<string>();

  /** `type name` of the resources that differ and are not listed. */
  unlisted(scenario: string, family: Family, comparison: Comparison): readonly string[] {
    const differing = comparison.types.flatMap(t =>
      [...t.differing.keys(), ...t.missing, ...t.extra].map(name => `${t.type} ${name}`),
    );
    return differing.filter(resource => {
      const named = inIpv4(resource);
      const listed = this.#rows.filter(row => concerns(row, scenario, family) && row.resource.test(named));
      for (const row of listed) this.#seen.add(`${scenario}: ${row.resource.source}`);
      return listed.length === 0;
    });
  }

  /** Rows that no resource of these scenarios shows, and that every run would. */
  outdated(scenarios: readonly string[], family: Family): readonly string[] {
    return this.#rows
      .filter(row => !row.isByChance)
      .flatMap(row =>
        row.scenarios
          .filter(name => row.family === family && scenarios.includes(name))
          .map(name => `${name}: ${row.resource.source}`)
          .filter(key => !this.#seen.has(key)),
      );
  }
}
