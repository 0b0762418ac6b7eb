import assert from 'node:assert/strict';
import { test } from 'node:test';
import { regexFault } from '../../src/config/regex.ts';

const taken = String.raw`a|.*|/api/v[0-9]+/.*|(?i)foo|(?P<n>a)|(?<n>a)|[[:alpha:]]|\d+\.\d|^(.*?;)?(user=jason)(;.*)?$|a{2,5}?|a{,5}|x{|[]a]|[^]a]
[a-]|[\d-z]|\pL\p{Greek}\P{^Lu}|\Qa.*\E+|(?:ab)*|(?i:x)|(?-s).|\x{10FFFF}\x41\012|[\x00-\x{ff}]|\z\A\b|é+|(?s).*|[😀-😎]|(?U-i)a|{01}|(?)|a(?i)+|a*(?i)*|(a{30}){30}|\_\-`;
const refused = String.raw`(?=a)|(?!a)|(?<=a)|(?<!a)|\1|(a)\1|*|a**|a{2}{3}|a{1001}|a{5,2}|(|a)|[a|[z-a]|\|\Z|\k<a>|(?>a)|[[:foo:]]|(a{1000}){2}
(?P<n>a)(?P<n>b)|(?P=n)|\u0041|[a-\d]|(?<|(?|(*a)|a+++|\p{Foo}|(?x)a|\8|(?P<a b>c)|\x{110000}|a{2,1}|(((a{100}){100}){100})`;

for (const regex of taken.split(/[|\n]/)) {
  test(`RE2 takes ${regex}`, () => assert.equal(regexFault(regex), undefined));
}
for (const regex of refused.split(/[|\n]/)) {
  test(`RE2 refuses ${regex}`, () => assert.notEqual(regexFault(regex), undefined));
}

test('alternatives may be empty, and what repeats may not be', () => {
  for (const regex of ['', '|', 'a||b', '(|a)', '()*']) assert.equal(regexFault(regex), undefined, regex);
  for (const regex of ['|*', '(+)', '^|?']) assert.notEqual(regexFault(regex), undefined, regex);
});

test('depth is limited, not the stack', () => {
  assert.equal(regexFault(`${'('.repeat(900)}${')'.repeat(900)}`), undefined);
  assert.notEqual(regexFault('('.repeat(100_000)), undefined);
});
