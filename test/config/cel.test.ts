import assert from 'node:assert/strict';
import { test } from 'node:test';
import { celFault } from '../../src/config/cel.ts';

const sound = [
  'response.code >= 400',
  `"outbound|80||x" in [a, b] && !has(request.headers)`,
  'a.b[0].contains(x.y) ? -1 : {"k": [1, 2,], 3: true}',
  `r'\\d+' + """multi
line""" + b"\\x00"`,
  `connection.mtls == true || !(request.url_path.startsWith('/a') // why
   && true)`,
  '1u + 0x1F * 2.5e-3 - .5',
  '.a.b.matches("^a+$") && size(a) > 0 && request.time.getHours("UTC") == 1',
  'xds.cluster_name == "x" && response.code in [200, 201]',
];
for (const expression of sound) test(`taken: ${expression}`, () => assert.equal(celFault(expression), undefined));

const wrong = [
  '',
  '(',
  'x y z',
  'a ==',
  '1 2',
  "'open",
  'a ? b',
  'a..b',
  'a &&& b',
  '[1',
  '{1}',
  'if',
  '"\\q"',
  'a = b',
  '#',
  'f(1)',
  'a.b(1)',
  'has(a)',
  "has(a['b'])",
  'a.matches("(")',
  'a.all(x, x)',
  'size()',
  'a{b: 1}',
];
for (const expression of wrong) test(`refused: ${expression}`, () => assert.notEqual(celFault(expression), undefined));
