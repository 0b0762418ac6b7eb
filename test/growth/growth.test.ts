import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { Manifest } from '../../src/sources/manifest.ts';
import { scalars } from '../yaml/given.ts';
import { assertLinear } from './growth.ts';
import { objects } from './objects.ts';
import { service, texts } from './texts.ts';

const read = (text: string) => {
  const bytes = Buffer.from(text);
  return () => new Manifest('a.yaml').update(bytes);
};

test('no text takes more than linear time', () => {
  for (const [name, text] of Object.entries(texts)) assertLinear(name, n => read(service('a') + text(n)), 2_500);
});

const pieces = [
  ' ',
  '  ',
  '\n',
  '\n  ',
  '\n  - ',
  ': ',
  ':',
  '- ',
  '? ',
  ', ',
  '#',
  ' #',
  '&a ',
  '*a',
  '!',
  '!!str ',
  '|',
  '>',
  '|\n',
  '%',
  '<<: ',
];
const piece = fc.constantFrom(
  ...pieces,
  '"',
  "'",
  '[',
  ']',
  '{',
  '}',
  '{{',
  '---\n',
  '...\n',
  '\t',
  '\r',
  '\\',
  'a',
  'kind: ',
  '\ufeff',
  ...scalars,
);

test('no piece of a text takes more than linear time when it is there again and again', () => {
  const repeated = fc.array(piece, { minLength: 1, maxLength: 5 }).map(parts => parts.join(''));
  const before = fc.constantFrom(
    '',
    '\n  ',
    '  y: ',
    '  y: [',
    '  y: {',
    '  y: "',
    '  y: |\n    ',
    '  y: &a {b: c}\n',
    '---\n',
  );
  fc.assert(
    fc.property(before, repeated, (start, part) => {
      assertLinear(JSON.stringify([start, part]), n => read(service('a') + start + part.repeat(n)), 1_250);
    }),
    { numRuns: 100 },
  );
});

test('no object takes more than linear time', () => {
  let problems = 0;
  for (const [name, object] of Object.entries(objects)) {
    const parse = (n: number) => {
      const raw = object(n);
      return () => {
        const store = new ConfigStore();
        store.apply({ op: 'upsert', object: raw });
        problems += store.contents().problems.size;
      };
    };
    assertLinear(name, parse, 2_000);
  }
  assert.ok(problems);
});

/** The list that the next version of an object has one wrong item more in, and that item. */
const mistakes: Readonly<Record<string, readonly [list: string, item: unknown]>> = {
  ra: ['jwtRules', { issuer: 1 }],
  ap: ['rules', { from: 1 }],
  apWhen: ['rules', { from: 1 }],
  vsHttp: ['http', { route: 1 }],
  sidecarEgress: ['egress', { hosts: 1 }],
  gwServers: ['servers', { port: 1 }],
};

test('no object that was right takes more than linear time once it is wrong', () => {
  let problems = 0;
  for (const [name, [list, item]] of Object.entries(mistakes)) {
    const edit = (n: number) => {
      const object = objects[name]?.(n) as RawObject;
      const spec = object.spec as Readonly<Record<string, unknown>>;
      const before = list === 'rules' ? { ...spec, action: 'DENY' } : spec;
      const versions = [before, { ...before, [list]: [...(before[list] as readonly unknown[]), item] }];
      return () => {
        const store = new ConfigStore();
        for (const version of versions) store.apply({ op: 'upsert', object: { ...object, spec: version } });
        problems += store.contents().problems.size;
      };
    };
    assertLinear(name, edit, 2_000);
  }
  assert.ok(problems);
});
