import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { re2 } from '../../src/config/re2.ts';
import { regexFault } from '../../src/config/regex.ts';

/** Expressions with texts that they match, and texts that they do not. */
const table: readonly (readonly [expression: string, matched: readonly string[], other: readonly string[]])[] = [
  [String.raw`^1\.2.*`, ['1.2', '1.29.0'], ['1.3', '11.2']],
  [String.raw`^1\.(2[0-9]|3[01])\..*`, ['1.20.1', '1.31.0'], ['1.32.0', '1.2.0', '1.20']],
  ['1.31', ['1.31.0', 'x1y31'], ['1.30']],
  ['', ['', 'a'], []],
  ['^$', [''], ['a']],
  ['(?i)abc', ['xABCx', 'aBc'], ['ab']],
  ['a(?i)b|c', ['aB', 'C'], ['AB']],
  ['(?i:a)b', ['Ab'], ['AB']],
  ['(?i-i:a)b', ['ab'], ['Ab']],
  [String.raw`(?P<major>\d+)\.(?<minor>\d+)$`, ['1.31', 'v1.31'], ['1.31.x']],
  ['a{2}', ['aa', 'baab'], ['aba']],
  ['^a{2,3}$', ['aa', 'aaa'], ['a', 'aaaa']],
  ['^a{2,}?$', ['aa', 'aaaaa'], ['a']],
  ['^(ab?)*c$', ['c', 'aabac'], ['bc']],
  ['^(a|b|)+c$', ['c', 'abac'], ['d']],
  ['x{', ['x{'], ['x']],
  ['x{a}', ['x{a}'], ['x']],
  ['[[:digit:]]+-[[:^digit:]]', ['12-x'], ['12-3']],
  ['^[]a]$', [']', 'a'], ['b']],
  ['^[^]a]$', ['b', '\n'], [']', 'a']],
  ['^[a-c-]$', ['b', '-'], ['d']],
  ['^[-a]$', ['-', 'a'], ['b']],
  [String.raw`^[\d.]+$`, ['1.3'], ['1a']],
  [String.raw`^[\W]$`, ['-'], ['a']],
  [String.raw`^\s\S$`, [' a', '\ta'], ['aa', '  ']],
  [String.raw`\bb\b`, ['a b c', 'b'], ['abc']],
  [String.raw`a\Bb`, ['ab'], ['a b']],
  [String.raw`\Aa\z`, ['a'], ['a\n', 'ba']],
  ['^a$', ['a'], ['b\na']],
  ['(?m)^a$', ['b\na\nb'], ['ba']],
  ['^.$', ['a', '\u2028'], ['\n', '']],
  ['(?s)^.$', ['\n'], []],
  [String.raw`^\Qa.b\E+$`, ['a.b', 'a.bb'], ['axb', 'a.ba.b']],
  [String.raw`^\x41\x{42}\103$`, ['ABC'], ['abc']],
  [String.raw`^\pL\p{Greek}\P{L}\p{^L}$`, ['aα11'], ['aa11']],
  [String.raw`^\*\.\/$`, ['*./'], ['**/']],
  ['^é😀$', ['é😀'], ['é']],
];

for (const [expression, matched, other] of table)
  test(`/${expression}/`, () => {
    const matches = re2(expression);
    for (const text of matched) assert.ok(matches(text), JSON.stringify(text));
    for (const text of other) assert.ok(!matches(text), JSON.stringify(text));
  });

/** Expressions that mean the same to JavaScript. */
const { expression } = fc.letrec<{ expression: string }>(tie => ({
  expression: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom(
      'a',
      'b',
      '1',
      String.raw`\.`,
      '.',
      '[ab]',
      '[^a1]',
      String.raw`\d`,
      String.raw`\w`,
      '^',
      '$',
      String.raw`\b`,
      '',
    ),
    fc.array(tie('expression'), { minLength: 2, maxLength: 3 }).map(parts => parts.map(part => `(?:${part})`).join('')),
    fc.array(tie('expression'), { minLength: 2, maxLength: 3 }).map(parts => `(${parts.join('|')})`),
    fc
      .tuple(tie('expression'), fc.constantFrom('*', '+', '?', '{2}', '{0,2}', '{1,}', '*?'))
      .map(([part, times]) => `(?:${part})${times}`),
  ),
}));

test('what JavaScript’s expressions match, these match', () => {
  let matched = 0;
  fc.assert(
    fc.property(
      expression,
      fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '1', '.', '-'), maxLength: 6 }), {
        minLength: 4,
        maxLength: 4,
      }),
      (text, inputs) => {
        assert.equal(regexFault(text), undefined, text);
        const matches = re2(text);
        for (const input of inputs) {
          const wanted = new RegExp(text).test(input);
          assert.equal(matches(input), wanted, `/${text}/ ${JSON.stringify(input)}`);
          if (wanted) matched++;
        }
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(matched > 200);
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
    assert.equal(re2(hard)(text), false, hard);
});

test('whatever is right can be matched', () => {
  let right = 0;
  const piece = fc.constantFrom(
    ...String.raw`a|b|1|.|*|+|?|(|)|(?i)|(?:|(?s-m:|(?P<n>|[|]|^|$|-|{|}|{2}|{1,3}|,|\d|\S|\p{Lu}|\PN|[[:alpha:]]|[[:^word:]]|\x{1F600}|\07|\Q|\E|\b|\A|\z|😀|&|~|#|/| |\-|\]|\[`.split(
      '|',
    ),
    '|',
    '||',
    '&&',
    '--',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.string({ maxLength: 8 }), (pieces, text) => {
      const expression = pieces.join('');
      if (regexFault(expression) !== undefined) return;
      right++;
      assert.equal(typeof re2(expression)(text), 'boolean', expression);
    }),
    { numRuns: 5000 },
  );
  assert.ok(right > 500);
});
