import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { typeUrl } from '../../src/proto/any.ts';
import { findType } from '../../src/proto/bundle.ts';
import { type AnyMessage, encodeMessage, type MessageName } from '../../src/proto/message.ts';
import { type FieldSchema, type FieldType, schemaOf } from '../../src/proto/schema.ts';
import { struct } from '../../src/proto/wellknown.ts';

const isMessage = (line: string): line is MessageName => findType(line) !== undefined;

/** The messages that proto/roots.txt names. */
export const roots: readonly MessageName[] = readFileSync(join(import.meta.dirname, '../../proto/roots.txt'), 'utf8')
  .split('\n')
  .filter(isMessage);
// A message of Istio's configuration in an Any would be written with proto names by Go; nobody sends one.
const packed = roots.filter(name => !name.startsWith('istio.') && !name.startsWith('google.protobuf.'));

const text = fc.constantFrom('', 'a', 'Grüße', '"q"\n', '10', '<&>');
const int32 = fc.constantFrom(0, 1, -1, -(2 ** 31), 2 ** 31 - 1);
const uint32 = fc.constantFrom(0, 1, 2 ** 32 - 1);
const int64 = fc.constantFrom(0, 1, -1, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
const uint64 = fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER);
const real = [0, 1.5, -0.1, 1e21, 1e-7, 16777216, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  ...{ string: text, bool: fc.boolean(), bytes: fc.uint8Array({ maxLength: 5 }).map(bytes => Buffer.from(bytes)) },
  ...{ int32, sint32: int32, sfixed32: int32, uint32, fixed32: uint32 },
  ...{ int64, sint64: int64, sfixed64: int64, uint64, fixed64: uint64 },
  ...{ double: fc.constantFrom(...real), float: fc.constantFrom(...real.map(Math.fround)) },
};
const nanos = fc.constantFrom(0, 1, 5000, 25_000_000, 999_999_999);
const json = fc
  .jsonValue({ maxDepth: 2, noUnicodeString: true })
  .filter(value => !JSON.stringify(value).includes('__proto__'));

/** Arbitrary messages for the types whose fields hold each other in check. */
const special: Readonly<Record<string, (depth: number) => fc.Arbitrary<AnyMessage>>> = {
  'google.protobuf.Duration': () =>
    fc
      .record({ sign: fc.constantFrom(1, -1), seconds: fc.nat(100), nanos })
      .map(d => ({ seconds: d.sign * d.seconds, nanos: d.sign * d.nanos })),
  'google.protobuf.Timestamp': () => fc.record({ seconds: fc.constantFrom(0, -1, 1_700_000_000), nanos }),
  'google.protobuf.FieldMask': () => fc.constantFrom({}, { paths: ['a.b_c', 'foo_bar'] }),
  'google.protobuf.Struct': () =>
    fc.dictionary(text, json).map(object => struct(JSON.parse(JSON.stringify(object))) as AnyMessage),
  'google.protobuf.Value': () =>
    fc.constantFrom({ null_value: 0 }, { number_value: 0 }, { string_value: 'x' }, { bool_value: false }),
  'google.protobuf.Any': depth =>
    depth < 1
      ? fc.constant({ type_url: typeUrl('google.protobuf.Duration'), value: new Uint8Array() })
      : fc
          .constantFrom(...packed)
          .chain(name => message(name, 0).map(m => ({ type_url: typeUrl(name), value: encodeMessage(name, m) }))),
};

/** An arbitrary message of a type, nested as deep as said. */
export function message(name: string, depth: number): fc.Arbitrary<AnyMessage> {
  const made = special[name];
  if (made) return made(depth);
  if (depth < 0) return fc.constant({});
  const fields = schemaOf(name).fields;
  const sometimes = (f: FieldSchema) =>
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(undefined) },
      { weight: depth > 1 ? 3 : 1, arbitrary: field(f, depth - 1) },
    );
  const members = Object.fromEntries(fields.map(f => [f.name, sometimes(f)]));
  return fc.record(members).map(all => {
    const chosen = new Set<string>();
    const kept = fields.filter(
      f => all[f.name] !== undefined && (!f.oneof || (!chosen.has(f.oneof) && chosen.add(f.oneof))),
    );
    return Object.fromEntries(kept.map(f => [f.name, all[f.name]]));
  });
}

function field(f: FieldSchema, depth: number): fc.Arbitrary<unknown> {
  const item = value(f.type, depth);
  if (f.shape === 'single') return item;
  if (f.shape === 'list') return fc.array(item, { maxLength: 2 });
  return fc.dictionary(f.keyType === 'string' ? text : fc.nat(9).map(String), item, { maxKeys: 2 });
}

function value(type: FieldType, depth: number): fc.Arbitrary<unknown> {
  if (type.kind === 'message') return message(type.name, depth);
  return (
    (type.kind === 'enum' ? fc.constantFrom(...type.byNumber.keys()) : scalars[type.scalar]) ?? fc.constant(undefined)
  );
}
