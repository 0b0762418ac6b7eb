import fc from 'fast-check';
import { keys, scalars } from './given.ts';

// What kubectl reads otherwise on purpose is in given.ts alone, and so is what is wrong only until a later key of the same name hides it.
const safe = (text: string): boolean => !/^1234567890|^[-+]?\.(?:inf|nan)|^~?$|null|^!!|^\*|^<<|^\[|^\{/i.test(text);

const scalar = fc.constantFrom(
  ...scalars.filter(text => !/\.(?:inf|nan)|^!!(?:int|null|bool|binary|timestamp)|\\[/]/i.test(text)),
);
const key = fc.constantFrom(...keys.filter(text => safe(text) && text.length < 100));

const indent = (depth: number): string => ' '.repeat(2 * depth);

/** A collection in block style, or a scalar; its lines after the first are indented by `depth`. */
function node(depth: number): fc.Arbitrary<string> {
  if (depth > 3) return scalar.map(text => ` ${text}`);
  const inner = fc.oneof(
    { maxDepth: 3 },
    { weight: 2, arbitrary: scalar.map(text => ` ${text}`) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
  const deeper = fc
    .tuple(inner, fc.nat(2))
    .chain(([flat]) => (flat === undefined ? node(depth + 1) : fc.constant(flat)));
  const end = fc.constantFrom('', '', '', ' # c', '#c', ' ');
  const colon = fc.constantFrom(':', ':', ':', ' :', '');
  const mapping = fc
    .array(fc.tuple(key, colon, deeper, end), { minLength: 1, maxLength: 3 })
    .map(entries =>
      entries.map(([name, sign, value, rest]) => `\n${indent(depth)}${name}${sign}${value}${rest}`).join(''),
    );
  const sequence = fc
    .tuple(
      fc.constantFrom(depth, depth, Math.max(depth - 1, 0)),
      fc.array(fc.tuple(deeper, end), { minLength: 1, maxLength: 3 }),
    )
    .map(([at, entries]) => entries.map(([value, rest]) => `\n${indent(at)}-${value}${rest}`).join(''));
  return fc.oneof(mapping, sequence);
}

const noise = [
  '',
  ' ',
  '\t',
  '\n',
  ':',
  '-',
  '"',
  "'",
  '#',
  '[',
  ']',
  '{',
  '}',
  ',',
  '&',
  '*',
  '|',
  '>',
  '\n\t',
  '\n  ',
  ': ',
  '- ',
  '\r\n',
];

/** Texts of one document, most of them YAML or nearly. */
export const yamlText: fc.Arbitrary<string> = fc
  .tuple(
    node(0),
    fc.constantFrom('\n', ''),
    fc.option(fc.tuple(fc.nat(200), fc.constantFrom(...noise), fc.nat(1)), { freq: 3 }),
  )
  .map(([text, end, edit]) => {
    const whole = text.replace(/^\n/, '') + end;
    if (!edit) return whole;
    const [at, inserted, removed] = edit;
    const characters = [...whole];
    characters.splice(at % (characters.length + 1), removed, inserted);
    return characters.join('');
  })
  .filter(text => !/^(?:---|\.\.\.|%)|0b_*[-+]|^\s*\{/m.test(text));
