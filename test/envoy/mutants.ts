import type { Fault } from '../../src/proto/faults.ts';
import { findAllFaults } from '../../src/proto/faults.ts';
import { fromJson } from '../../src/proto/json.ts';
import type { AnyMessage } from '../../src/proto/message.ts';
import type { Rules } from '../../src/proto/rules.ts';
import { type FieldSchema, schemaOf } from '../../src/proto/schema.ts';
import { typeName } from '../../src/proto/type-url.ts';
import type { Json } from '../../src/unknown.ts';
import { original } from './original.ts';

const BOOTSTRAP = 'envoy.config.bootstrap.v3.Bootstrap';
/** A bootstrap that differs from the original in one value. */
export interface Mutant {
  readonly path: string;
  readonly json: Json;
  /** What we find wrong with it. */
  readonly faults: readonly Fault[];
}

const around = (n: number, step = 1): readonly number[] => [n - step, n, n + step];
const least = (n: number): readonly number[] => (n > 0 ? around(n) : [n]);

/** Values at the ends of what the rules of a number allow, and of its type. */
function numbers(rules: Rules, type: string): readonly number[] {
  const ends = [rules.gt, rules.gte, rules.lt, rules.lte, rules.const].filter(n => typeof n === 'number');
  const signed = !type.startsWith('u');
  return [0, ...ends.flatMap(end => around(end)), 2 ** 31, 2 ** 32 - 1, 2 ** 32, ...(signed ? [-1] : [])].filter(
    n => (signed || n >= 0) && (!type.includes('32') || n < (signed ? 2 ** 31 : 2 ** 32)),
  );
}

const texts = (rules: Rules): readonly string[] => [
  '',
  ...(rules.min_len ? ['a'.repeat(Math.max(0, rules.min_len - 1))] : []),
  ...(rules.max_len ? least(rules.max_len).map(n => 'a'.repeat(n)) : []),
  ...(rules.max_bytes ? least(rules.max_bytes).map(n => 'a'.repeat(n)) : []),
  'a b',
  'ü',
  'a\nb',
  'a\u0001b',
  'a:b/c?d#e',
];

const seconds = (rules: Rules): readonly string[] =>
  [
    0,
    ...[rules.gt, rules.gte, rules.lt, rules.lte].filter(n => n !== undefined).flatMap(n => around(n, 0.0005)),
    -1,
    9223372035,
    9223372037,
    315576000000,
  ].map(n => `${n}s`);

function scalarValues({ type, rules = {} }: Pick<FieldSchema, 'type' | 'rules'>): readonly Json[] {
  if (type.kind === 'enum') return [...type.byNumber.keys(), 77];
  if (type.kind === 'message') {
    if (type.name === 'google.protobuf.Duration') return seconds(rules);
    const wrapped = /^google\.protobuf\.(\w+)Value$/.exec(type.name)?.[1]?.toLowerCase();
    if (wrapped === 'string') return texts(rules);
    if (wrapped && /int|float|double/.test(wrapped)) return numbers(rules, wrapped);
    return [];
  }
  switch (type.scalar) {
    case 'string':
      return texts(rules);
    case 'bool':
      return [true, false];
    case 'bytes':
      return [''];
    default:
      return numbers(rules, type.scalar);
  }
}

const isFields = (json: Json | undefined): json is { readonly [key: string]: Json } =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

const put = (fields: { readonly [key: string]: Json }, key: string, value: Json | undefined): Json => {
  const { [key]: _, ...rest } = fields;
  return value === undefined ? rest : { ...rest, [key]: value };
};

/** Every value that a message can have in place of its own by a change of one field. */
function* mutations(
  name: string,
  json: { readonly [key: string]: Json },
  path: string,
): Generator<readonly [string, Json]> {
  for (const field of schemaOf(name).fields) {
    const at = `${path}.${field.name}`;
    const value = json[field.name];
    const rules = field.rules ?? {};
    if (value !== undefined) yield [`${at} absent`, put(json, field.name, undefined)];
    const siblings = field.oneof ? schemaOf(name).fields.filter(f => f.oneof === field.oneof) : [];
    const cleared = siblings.reduce<{ readonly [key: string]: Json }>(
      (rest, f) => put(rest, f.name, undefined) as typeof rest,
      json,
    );
    if (field.shape === 'single') {
      for (const other of scalarValues(field))
        yield [`${at} = ${JSON.stringify(other).slice(0, 40)}`, put(cleared, field.name, other)];
      if (
        field.type.kind === 'message' &&
        value === undefined &&
        !scalarValues(field).length &&
        !/Any$|Struct$|Value$|Empty$/.test(field.type.name)
      )
        yield [`${at} = {}`, put(cleared, field.name, {})];
    } else if (field.shape === 'list') {
      const items = Array.isArray(value) ? (value as readonly Json[]) : [];
      if (items.length) yield [`${at} = []`, put(json, field.name, [])];
      if (rules.max_items !== undefined && items[0] !== undefined && rules.max_items < 20)
        yield [
          `${at} has ${rules.max_items + 1}`,
          put(
            json,
            field.name,
            Array.from({ length: rules.max_items + 1 }, () => items[0] ?? null),
          ),
        ];
      if (rules.unique && items[0] !== undefined) yield [`${at} twice`, put(json, field.name, [items[0], items[0]])];
      for (const other of scalarValues({ type: field.type, rules: rules.items ?? {} }))
        yield [`${at} = [${JSON.stringify(other).slice(0, 40)}]`, put(json, field.name, [other])];
    }
    yield* inside(field, value, at, inner => put(json, field.name, inner));
  }
}

function* inside(
  field: FieldSchema,
  value: Json | undefined,
  at: string,
  whole: (value: Json) => Json,
): Generator<readonly [string, Json]> {
  if (field.type.kind !== 'message' || value === undefined) return;
  const one = function* (json: Json, path: string, outer: (value: Json) => Json): Generator<readonly [string, Json]> {
    if (!isFields(json) || field.type.kind !== 'message') return;
    const type = field.type.name === 'google.protobuf.Any' ? typeName(String(json['@type'])) : field.type.name;
    if (/^google\.protobuf/.test(type)) return;
    for (const [where, inner] of mutations(type, json, path)) yield [where, outer(inner)];
  };
  if (field.shape === 'list' && Array.isArray(value)) {
    const items = value as readonly Json[];
    for (const [i, item] of items.entries()) yield* one(item, `${at}[${i}]`, inner => whole(items.with(i, inner)));
  } else if (field.shape === 'map' && isFields(value)) {
    for (const [key, item] of Object.entries(value))
      yield* one(item, `${at}[${key}]`, inner => whole({ ...value, [key]: inner }));
  } else yield* one(value, at, whole);
}

/** What we find wrong with a bootstrap. */
export function faultsOf(json: Json): readonly Fault[] | undefined {
  const { value, problems } = fromJson(BOOTSTRAP, json);
  return problems.length ? undefined : findAllFaults(BOOTSTRAP, value as AnyMessage);
}

/** Every mutant of the original that can be read. */
export function* mutants(): Generator<Mutant> {
  if (!isFields(original)) return;
  for (const [path, json] of mutations(BOOTSTRAP, original, '')) {
    if (!path.startsWith('.static_resources.')) continue;
    const faults = faultsOf(json);
    if (faults) yield { path: path.replace('.static_resources.', ''), json, faults };
  }
}
