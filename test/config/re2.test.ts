import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { regexFault } from '../../src/config/regex.ts';
import { askRe2 } from '../support/re2.ts';

const atoms =
  String.raw`a|b|é|😀|.|^|$|\d|\D|\w|\s|\S|\b|\B|\A|\z|\pL|\pN|\p{Greek}|\P{Lu}|\p{^L}|\x41|\x{10FFFF}|\x{110000}|\012|\0|\1|\8|\Q*+\E|\Q|\E|\_|\-|\.|\u0041|\Z|\k<a>|\n|\t|\a|\e|\c|\x|\xg|\x4|\x{}|\pX|\p{Foo}|\p|[[:alpha:]]|[[:^alpha:]]|[[:foo:]]|[:alpha:]|[a-z]|[^a-z]|[z-a]|[]a]|[^]a]|[a-]|[-a]|[\d-z]|[a-\d]|[\Qa\E]|[|[]|[^]|[a|[\pL]|[\x{ff}-é]|[a-b-c]|[[]|[[a]|[\b]|[\a-\e]|[^\n]|[\]]`.split(
    '|',
  );
const operators =
  '* + ? *? +? ?? {2} {2,} {2,5} {5,2} {,5} {0} {1001} {100} {30} { } {a} {2 {2}? {2,5}? *+ ** {2}{3} {01}'.split(' ');
// RE2 from 2021 does not know (?<n>a) yet; the table of regex.test.ts has it.
const openings =
  '( (?: (?i: (?P<n> (?P<m> (?P<> (?= (?! (?> (?s-i: (?-s: (?U: (?x: (?-: (?--i: (?i-: (?im: (?ii: (?P=n (?'.split(' ');
const flags = '(?i) (?s) (?U) (?m-i) (?x) (?) (?-) (?i-) (?-i)'.split(' ');

const { nested } = fc.letrec<{ nested: string }>(tie => ({
  nested: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom(...atoms),
    fc.array(tie('nested'), { maxLength: 3 }).map(parts => parts.join('')),
    fc.array(tie('nested'), { minLength: 2, maxLength: 3 }).map(parts => parts.join('|')),
    fc.tuple(fc.constantFrom(...openings), tie('nested')).map(([open, part]) => `${open}${part})`),
    fc.tuple(tie('nested'), fc.constantFrom(...operators)).map(parts => parts.join('')),
    fc.tuple(fc.constantFrom(...flags), tie('nested')).map(parts => parts.join('')),
  ),
}));

const pieces = fc
  .array(fc.constantFrom(...atoms, ...operators, ...openings, ...flags, ')', '|'), { maxLength: 8 })
  .map(parts => parts.join(''));
const characters = fc.string({ unit: fc.constantFrom(...'ab()[]{}*+?|^$\\.-,:>=!P0129xpQEzdiL '), maxLength: 14 });

const texts = [
  '',
  'a',
  'b',
  'ab',
  'aab',
  'A',
  '1',
  'a1',
  '\n',
  'a\nb',
  'é',
  '😀',
  ' a ',
  '-',
  '_',
  '.',
  '*+',
  'z',
  'abab',
];

for (const [what, expressions] of Object.entries({ nested, pieces, characters }))
  test(`RE2 takes what we take, and finds what we find: ${what}`, () => {
    const count = { taken: 0, refused: 0, found: 0 };
    fc.assert(
      fc.property(expressions, expression => {
        if (expression.length > 300 || expression.includes('(?<')) return;
        const found = askRe2(expression, texts);
        if (found === 'too large') return;
        const fault = regexFault(expression);
        assert.equal(fault === undefined, found !== undefined, `${JSON.stringify(expression)}: ${fault ?? 'taken'}`);
        count[found ? 'taken' : 'refused']++;
        if (!found) return;
        const ours = RE2JS.compile(expression);
        assert.deepEqual(
          texts.map(text => ours.matcher(text).find()),
          found,
          expression,
        );
        count.found += found.filter(Boolean).length;
      }),
      { numRuns: 1500 },
    );
    for (const [name, times] of Object.entries(count)) assert.ok(times > 100, `${name} ${times} times`);
  });

test('no expression takes more than its length times that of the text', () => {
  const text = '1.31-alpha.'.padEnd(200, '0123456789abcdef');
  for (const hard of [
    '^(([0-9a-z.-])+)+$_',
    '(a|a)*b$',
    '(.*)*x_',
    '((.?){1,30}){1,30}_',
    '(x+x+)+y'.replaceAll('x', '[0-9a-z]'),
  ])
    assert.equal(RE2JS.compile(hard).matcher(text).find(), false, hard);
});
