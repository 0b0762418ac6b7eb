import assert from 'node:assert/strict';
import { test } from 'node:test';
import { table } from './patch-value-cases.ts';
import { compare, keptAnswers } from './patch-value-comparison.ts';

test('values of patches are read as istiod reads them', t => {
  const answers = keptAnswers();
  const others = answers.others;
  const compared =
    compare(table, answers.table) +
    compare(
      others.map(other => other.case),
      others.map(other => other.answer),
    );
  const refused = answers.table.filter(({ error }) => error !== undefined).length;
  t.diagnostic(`${compared} values; istiod refuses ${refused} of the ${table.length} in the table`);
  assert.ok(compared > 3000 && refused > 2000 && table.length - refused > 500);
});
