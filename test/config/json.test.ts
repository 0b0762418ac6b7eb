import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equal } from '../../src/config/json.ts';

test('a field is a change whatever its name is', () => {
  for (const name of ['app', 'constructor', 'toString', 'hasOwnProperty']) {
    assert.equal(equal({}, { [name]: 'x' }), false, name);
    assert.equal(equal({ [name]: 'x' }, {}), false, name);
    assert.equal(equal({ a: undefined }, {}), true);
  }
});
