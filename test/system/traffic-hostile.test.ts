import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { elsewhere } from '../hostile/elsewhere.ts';

test('attacks from the address of another pod are withstood', async () => {
  const program = join(import.meta.dirname, '../hostile/short.ts');
  assert.equal(
    await elsewhere(program, ['half-messages', 'not-reading', 'silent-connections', 'http-idle', 'floods']),
    0,
  );
});
