import { isObject, type Json, messageOf } from '../unknown.ts';
import { findType } from './bundle.ts';
import { parseDuration } from './duration.ts';
import { type AnyMessage, encodeMessage, type MessageName, type MessageTypes } from './message.ts';
import { describe, readMapKey, readScalar, zero } from './scalar.ts';
import { type FieldSchema, type FieldType, isAbsence, type MessageSchema, schemaOf, snake } from './schema.ts';
import { parseTimestamp } from './timestamp.ts';
import { typeName } from './type-url.ts';
import { value as toValue } from './wellknown.ts';

/** What is wrong in a JSON form, and where: `http[0].route[1].weight`. */
export interface JsonProblem {
  readonly path: string;
  readonly message: string;
  /**
   * `invalid`: Go refuses the message for it; the value is left out. `unknown field`: left out. `doubtful`: read as Go reads it, which says
   * nothing, but hardly what is meant: a null in a list, two members of a oneof, a number that no value of an enum has.
   */
  readonly kind: 'invalid' | 'unknown field' | 'doubtful';
}

/**
 * Reads a message from a parsed JSON document as istiod reads its configuration and the values of EnvoyFilters: with golang/protobuf's jsonpb
 * (v1.5.4, jsonpb/decode.go), which differs from protojson: durations have Go's syntax (`1h30m`), an enum can have any number, null is absence
 * or, in lists and maps, zero. Fields go by proto name or by JSON name. Where Go refuses a message or passes over something, a problem says
 * so, and everything else is read. More than jsonpb it takes protojson's forms of a FieldMask and of an
 * Empty in an Any.
 *
 * There is one form for what is one value: a field without presence that is zero, an empty list and an empty map are absent. Over `defaults`
 * a field that is written takes the default's place as a whole, and one that is written as zero is absent.
 */
export function fromJson<N extends MessageName>(
  name: N,
  raw: unknown,
  defaults?: MessageTypes[N],
): { readonly value: MessageTypes[N]; readonly problems: readonly JsonProblem[] } {
  const reader = new Reader();
  const over = defaults as AnyMessage | undefined;
  const value = reader.message(name, raw, '', over) ?? over ?? {};
  return { value: value as MessageTypes[N], problems: reader.problems };
}

/** The same as Envoy reads what is in a TypedStruct: durations are in seconds. */
export function fromEnvoyJson(name: string, raw: unknown): ReturnType<typeof fromJson> {
  const reader = new Reader(false);
  return { value: (reader.message(name, raw, '') ?? {}) as MessageTypes[MessageName], problems: reader.problems };
}

type RawObject = Readonly<Record<string, unknown>>;

class Reader {
  readonly problems: JsonProblem[] = [];
  /** Whether durations may be in Go's syntax. */
  readonly goDurations: boolean;

  constructor(goDurations = true) {
    this.goDurations = goDurations;
  }

  #problem(path: string, message: string, kind: JsonProblem['kind'] = 'invalid'): undefined {
    this.problems.push({ path, message, kind });
    return undefined;
  }

  /** Undefined if the value as a whole was no such message. */
  message(name: string, raw: unknown, path: string, over?: AnyMessage): AnyMessage | undefined {
    const special = wellKnown[name];
    if (special) {
      const read = special(raw, this, path);
      return typeof read === 'string' ? this.#problem(path, read) : read;
    }
    if (!isObject(raw)) return this.#problem(path, `expected an object, found ${describe(raw)}`);
    return this.fields(schemaOf(name), raw, path, over);
  }

  fields(schema: MessageSchema, raw: RawObject, path: string, over?: AnyMessage): AnyMessage {
    const out: Record<string, unknown> = { ...over };
    const members = new Map<string, FieldSchema>();
    for (const [field, key] of this.#spellings(schema, raw, path)) {
      const item = raw[key];
      if (item === undefined || (item === null && !holdsNull(field))) continue;
      const value = this.#field(field, item, member(path, key));
      if (value === undefined) continue;
      const other = field.oneof && members.get(field.oneof);
      if (field.oneof && other) {
        const [last, first] = (field.order ?? 0) > (other.order ?? 0) ? [field, other] : [other, field];
        this.#problem(member(path, key), `only one of ${other.name} and ${field.name} can be set`, 'doubtful');
        delete out[first.name];
        members.set(field.oneof, last);
        if (last !== field) continue;
      } else if (field.oneof) {
        members.set(field.oneof, field);
        for (const each of schema.fields) if (each.oneof === field.oneof) delete out[each.name];
      }
      // A list or map of which nothing could be read is not absent.
      if (isAbsence(field, field.shape === 'single' ? value : item)) delete out[field.name];
      else out[field.name] = value;
    }
    return out;
  }

  /** The key that each field is read from: where it is there by both of its names, the JSON name. */
  #spellings(schema: MessageSchema, raw: RawObject, path: string): ReadonlyMap<FieldSchema, string> {
    const keys = new Map<FieldSchema, string>();
    for (const key of Object.keys(raw)) {
      const field = schema.byKey.get(key);
      if (!field) {
        this.#problem(member(path, key), 'unknown field', 'unknown field');
        continue;
      }
      const other = keys.get(field);
      if (other !== undefined) this.#problem(member(path, key), `the same field as ${other}`, 'doubtful');
      if (other === undefined || key === field.jsonName) keys.set(field, key);
    }
    return keys;
  }

  #field(field: FieldSchema, raw: unknown, path: string): unknown {
    switch (field.shape) {
      case 'single':
        return this.#value(field, raw, path);
      case 'list':
        if (!Array.isArray(raw)) return this.#problem(path, `expected a list, found ${describe(raw)}`);
        return raw
          .map((item: unknown, i) => this.#element(field, item, `${path}[${i}]`))
          .filter(item => item !== undefined);
      case 'map': {
        if (!isObject(raw)) return this.#problem(path, `expected an object, found ${describe(raw)}`);
        const entries: [string, unknown][] = [];
        for (const [key, item] of Object.entries(raw)) {
          const at = member(path, key);
          const checked = readMapKey(field.keyType ?? 'string', key);
          const value = this.#element(field, item, at);
          if ('problem' in checked) this.#problem(at, `key: ${checked.problem}`);
          else if (value !== undefined) entries.push([String(checked.value), value]);
        }
        return Object.fromEntries(entries);
      }
    }
  }

  /** An item of a list or a value of a map: a null is zero there. */
  #element(field: FieldSchema, raw: unknown, path: string): unknown {
    const { type } = field;
    if (raw !== null || (type.kind !== 'scalar' && nullable.has(type.name))) return this.#value(field, raw, path);
    this.#problem(path, `expected ${expectedOf(type)}, found null`, 'doubtful');
    return type.kind === 'message' ? {} : type.kind === 'enum' ? 0 : zero(type.scalar);
  }

  #value({ type, spelling }: FieldSchema, raw: unknown, path: string): unknown {
    switch (type.kind) {
      case 'message':
        return this.message(type.name, raw, path);
      case 'enum':
        return this.#enum(type, raw, path);
      case 'scalar': {
        const read = readScalar(type.scalar, raw);
        if ('problem' in read) return this.#problem(path, read.problem);
        return spelling && typeof read.value === 'string' ? spelling(read.value) : read.value;
      }
    }
  }

  #enum(type: FieldType & { kind: 'enum' }, raw: unknown, path: string): number | undefined {
    if (type.name === 'google.protobuf.NullValue' && raw === null) return 0;
    const value = typeof raw === 'string' ? type.byName.get(raw) : undefined;
    if (value !== undefined) return value;
    const expected = `expected one of ${[...type.byName.keys()].join(', ')}`;
    if (typeof raw === 'string') return this.#problem(path, `unknown value "${raw}", ${expected}`);
    if (typeof raw !== 'number' || (raw | 0) !== raw) return this.#problem(path, `${expected}, found ${describe(raw)}`);
    if (type.byNumber.has(raw)) return raw;
    const unknown = `unknown value ${raw}, ${expected}`;
    // What an enum of Envoy's means is for Envoy to say; what one of Istio's means, nobody could here.
    if (type.name.startsWith('istio.')) return this.#problem(path, unknown);
    this.#problem(path, unknown, 'doubtful');
    return raw;
  }
}

const nullable: ReadonlySet<string> = new Set(['google.protobuf.Value', 'google.protobuf.NullValue']);

const holdsNull = (field: FieldSchema): boolean =>
  field.shape === 'single' && field.type.kind !== 'scalar' && nullable.has(field.type.name);

const expectedOf = (type: FieldType): string => (type.kind === 'scalar' ? `a ${type.scalar}` : type.name);

function member(path: string, key: string): string {
  if (!/^[A-Za-z_@][\w@]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path ? `${path}.${key}` : key;
}

type ReadWellKnown = (raw: unknown, reader: Reader, path: string) => AnyMessage | string | undefined;

const EMPTY = 'google.protobuf.Empty';

/** The messages that have a JSON form of their own; a text is what is wrong, undefined was reported already. */
const wellKnown: Readonly<Record<string, ReadWellKnown>> = {
  'google.protobuf.Any': readAny,
  'google.protobuf.Duration': (raw, { goDurations }) => {
    const written = typeof raw === 'string' && (goDurations || /^-?\d+(\.\d{1,9})?s$/.test(raw));
    const read = written ? parseDuration(raw) : undefined;
    return (
      (read as AnyMessage | undefined) ??
      `expected a duration like ${goDurations ? '"1h30m" or "0.5s"' : '"90s" or "0.5s", in seconds'}, found ${describe(raw)}`
    );
  },
  'google.protobuf.Timestamp': raw => {
    const read = typeof raw === 'string' ? parseTimestamp(raw) : undefined;
    return (read as AnyMessage | undefined) ?? `expected a time like "2026-01-31T12:00:00Z", found ${describe(raw)}`;
  },
  'google.protobuf.FieldMask': raw =>
    typeof raw === 'string'
      ? { paths: raw.split(',').filter(Boolean).map(snake) }
      : `expected field names joined by commas, found ${describe(raw)}`,
  [EMPTY]: (raw, reader, path) =>
    isObject(raw) ? reader.fields(schemaOf(EMPTY), raw, path) : `expected an object, found ${describe(raw)}`,
  'google.protobuf.Struct': raw =>
    isObject(raw) ? (toValue(raw as Json).struct_value as AnyMessage) : `expected an object, found ${describe(raw)}`,
  'google.protobuf.Value': raw => toValue(raw as Json) as AnyMessage,
  'google.protobuf.ListValue': raw =>
    Array.isArray(raw) ? (toValue(raw as Json).list_value as AnyMessage) : `expected a list, found ${describe(raw)}`,
  'google.protobuf.BoolValue': readWrapper('bool'),
  'google.protobuf.StringValue': readWrapper('string'),
  'google.protobuf.BytesValue': readWrapper('bytes'),
  'google.protobuf.Int32Value': readWrapper('int32'),
  'google.protobuf.UInt32Value': readWrapper('uint32'),
  'google.protobuf.Int64Value': readWrapper('int64'),
  'google.protobuf.UInt64Value': readWrapper('uint64'),
  'google.protobuf.FloatValue': readWrapper('float'),
  'google.protobuf.DoubleValue': readWrapper('double'),
};

function readWrapper(scalar: string): ReadWellKnown {
  return raw => {
    const read = readScalar(scalar, raw);
    return 'problem' in read ? read.problem : { value: read.value };
  };
}

function readAny(raw: unknown, reader: Reader, path: string): AnyMessage | string | undefined {
  if (!isObject(raw)) return `expected an object with "@type", found ${describe(raw)}`;
  const { '@type': url, ...rest } = raw;
  if (typeof url !== 'string') return 'expected "@type" with the type of the message';
  const name = typeName(url);
  if (!findType(name)) return `unknown message type ${url}`;
  const message = wellKnown[name] ? readInner(name, rest, reader, path) : reader.fields(schemaOf(name), rest, path);
  if (!message || typeof message === 'string') return message;
  try {
    return { type_url: url, value: encodeMessage(name, message) };
  } catch (error) {
    // The codec refuses messages nested more than 100 deep.
    return `cannot be encoded: ${messageOf(error)}`;
  }
}

/** A message with a JSON form of its own is the `value` of an Any. */
function readInner(name: string, raw: RawObject, reader: Reader, path: string): AnyMessage | string | undefined {
  if (name === EMPTY && !Object.keys(raw).length) return {};
  if (!('value' in raw)) return `expected "value" with the ${name}`;
  const { value } = raw;
  return value === null && !nullable.has(name) ? {} : reader.message(name, value, member(path, 'value'));
}
