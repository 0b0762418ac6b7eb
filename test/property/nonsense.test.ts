import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { kinds } from '../../src/config/kinds.ts';
import { type FieldSchema, schemaOf } from '../../src/proto/schema.ts';
import { istioKinds, objectOf, specOf } from './objects.ts';

/** What no field of the type can be. */
function nonsenseFor({ type, name }: FieldSchema): readonly unknown[] {
  if (type.kind === 'enum') return ['NONSENSE', -7, true];
  if (type.kind === 'message') {
    if (type.name === 'google.protobuf.Duration') return ['soon', '1', '-', 'NaNs', true];
    if (type.name.startsWith('google.protobuf.')) return [];
    return ['text', 7, true];
  }
  if (name === 'regex') return ['(', '(?<!a)b', String.raw`\1`, 'a{2000}'];
  if (type.scalar === 'string') return [7, true, {}];
  if (type.scalar === 'bool') return ['yes', 1, {}];
  if (type.scalar === 'bytes') return ['!', 7];
  return ['many', true, {}, ...(type.scalar === 'double' ? [] : [1.5])];
}

interface Place {
  readonly path: string;
  readonly wrap: (value: unknown) => unknown;
}

/** Every field of a message and of those within it, each message once; `visit` gets a way to an object that has just that field. */
function eachField(
  message: string,
  at: Place,
  seen: ReadonlySet<string>,
  visit: (field: FieldSchema, at: Place) => void,
): void {
  if (seen.has(message)) return;
  for (const field of schemaOf(message).fields) {
    const { name, shape, type } = field;
    const [path, wrap] =
      shape === 'list'
        ? [`${at.path}.${name}[0]`, (value: unknown) => at.wrap({ [name]: [value] })]
        : shape === 'map'
          ? field.keyType === 'string'
            ? [`${at.path}.${name}.k`, (value: unknown) => at.wrap({ [name]: { k: value } })]
            : [`${at.path}.${name}["7"]`, (value: unknown) => at.wrap({ [name]: { 7: value } })]
          : [`${at.path}.${name}`, (value: unknown) => at.wrap({ [name]: value })];
    visit(field, { path, wrap });
    if (type.kind === 'message' && !type.name.startsWith('google.protobuf.'))
      eachField(type.name, { path, wrap }, new Set([...seen, message]), visit);
  }
}

for (const kind of istioKinds) {
  describe(kind, () => {
    const places = new Map<string, { readonly field: FieldSchema; readonly at: Place }>();
    eachField(specOf(kind), { path: 'spec', wrap: value => value }, new Set(), (field, at) => {
      // Deep messages come up in many places, and are read by the same code.
      if (at.path.split('.').length < 8) places.set(at.path, { field, at });
    });

    test(`nonsense in each of ${places.size} fields is a problem with its path`, () => {
      for (const { field, at } of places.values()) {
        for (const nonsense of nonsenseFor(field)) {
          const { problems } = kinds[kind].parse(objectOf(kind, 'it', 'default', { spec: at.wrap(nonsense) }));
          const prefix = kind === 'MeshConfig' ? '' : 'spec.';
          const expected = prefix + at.path.slice('spec.'.length);
          assert.ok(
            problems.some(({ path, severity }) => severity === 'error' && path.startsWith(expected)),
            `${at.path}: ${JSON.stringify(nonsense)} gave ${JSON.stringify(problems.map(p => p.path))}`,
          );
        }
      }
    });
  });
}
