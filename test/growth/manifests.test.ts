import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { editDocument } from '../../src/cli/edit-document.ts';
import { assertLinear } from './growth.ts';

/** A List, in which each item is given something long, as a bootstrap is, and loses something. */
function listOf(n: number, isInjected: boolean) {
  const items = Array.from({ length: n }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `pod-${i}`,
      labels: { app: `app-${i}`, [isInjected ? 'added' : 'gone']: 'x'.repeat(isInjected ? 4_000 : 4) },
    },
    spec: { containers: [{ name: 'app', image: 'app:1' }] },
  }));
  return { apiVersion: 'v1', kind: 'List', items };
}

test('changing every object of a List takes time in proportion to its text', () => {
  assertLinear(
    'a List',
    n => {
      const [before, after] = [listOf(n, false), listOf(n, true)];
      const text = `# kept\n${stringify(before)}`;
      return () => {
        const edited = editDocument(text, before, after);
        // Written anew, as it is where it would not come to the same, it has no comment.
        assert.ok(edited.startsWith('# kept\n'));
        assert.equal(edited.match(/added: x/g)?.length, n);
      };
    },
    100,
  );
});
