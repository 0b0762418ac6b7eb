import assert from 'node:assert/strict';
import { test } from 'node:test';
import { culprits } from '../../src/translate/envoy-filter/culprits.ts';
import type { Patch } from '../../src/translate/envoy-filter/patch.ts';

/** A patch by what it does, as the letters of a text tell. */
const patchOf = (kind: string, index: number): Patch => ({
  filter: 'EnvoyFilter/default/f' as Patch['filter'],
  index,
  path: `spec.configPatches[${index}]`,
  operation: 1,
  context: 0,
  match: {},
  value: kind,
});

/**
 * What is wrong after patches: `b` is bad in itself, `d` wrongs that show once however many do them, `-` takes the end of a chain away and
 * `+` adds one: there has to be exactly one.
 */
function faultsOf(kinds: readonly unknown[]): readonly string[] {
  const count = (kind: string): number => kinds.filter(k => k === kind).length;
  const ends = Math.max(0, 1 - count('-')) + count('+');
  return [
    ...kinds.filter(k => k === 'b').map((_, i) => `bad ${i}`),
    ...(count('d') ? ['done'] : []),
    ...(ends === 1 ? [] : [`${ends} ends`]),
  ];
}

/** The patches of a text that are found at fault, and how many were applied to find them. */
function found(text: string): { readonly at: string; readonly applied: number } {
  const patches = [...text].map(patchOf);
  let applied = 0;
  const failures = culprits(patches, kept => {
    applied += kept.size;
    return faultsOf(patches.filter(patch => kept.has(patch)).map(patch => patch.value));
  });
  const failed = new Set(failures.map(({ patch }) => patch));
  assert.equal(failed.size, failures.length, 'each once');
  return { at: patches.map(patch => (failed.has(patch) ? '^' : ' ')).join(''), applied };
}

for (const [text, at] of [
  ['g', ' '],
  ['b', '^'],
  ['ggb', '  ^'],
  ['bgg', '^  '],
  ['gbgbg', ' ^ ^ '],
  ['-+b', '  ^'],
  ['-b+', ' ^ '],
  ['b-+', '^  '],
  ['-gb+gb', '  ^  ^'],
  ['-', '^'],
  ['+', '^'],
  ['g-g', ' ^ '],
  ['--', '^^'],
  ['++', '^^'],
  ['gdgdg', ' ^ ^ '],
  ['ddd', '^^^'],
  ['-+ddb', '  ^^^'],
] as const)
  test(`of ${text} the marked are at fault`, () => assert.equal(found(text).at, at));

test('one bad patch is found among any number of others, wherever it is', () => {
  for (const length of [2, 50, 300, 2000])
    for (const place of [0, 1, length >> 1, length - 1]) {
      const text = `${'g'.repeat(place)}b${'g'.repeat(length - place - 1)}`;
      assert.equal(found(text).at, text.replaceAll('g', ' ').replace('b', '^'));
    }
});

test('to find many takes a bounded number of trials', () => {
  for (const kind of ['b', 'd', '-', 'bg', 'dg', 'bgdg'])
    for (const length of [10, 100, 1000, 4000]) {
      const text = kind.repeat(length / kind.length);
      const { at, applied } = found(text);
      for (const [i, letter] of [...text].entries()) if (letter !== 'g') assert.equal(at[i], '^', `${kind} ${length}`);
      assert.ok(applied < Math.max(120_000, 80 * length), `${kind} ${length}: ${applied}`);
    }
});
