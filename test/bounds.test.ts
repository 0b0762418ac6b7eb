import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { amountOf, bounds, boundsTable } from '../src/bounds.ts';

const readme = readFileSync(join(import.meta.dirname, '../src/README.md'), 'utf8').split('\n');

for (const [name, row] of Object.entries(bounds))
  test(`src/README.md and serve --help have the bound ${name} as it is`, () => {
    const line = `| \`${name}\` | ${amountOf(row)} | ${row.of} |`;
    assert.ok(readme.includes(line), `src/README.md, below Bounds, is to have the line\n${line}`);
    assert.ok(boundsTable().includes(`${name}\n      at most ${amountOf(row)} `));
  });
