import { typeName } from './any.ts';
import { findType } from './bundle.ts';
import { parseDuration, parseGoDuration } from './duration.ts';
import { type AnyMessage, encodeMessage, type MessageName, type MessageTypes } from './message.ts';
import { readScalar } from './scalar.ts';
import { type FieldSchema, type FieldType, type MessageSchema, schemaOf, snake } from './schema.ts';
import { parseTimestamp } from './timestamp.ts';
import { type Json, value as toValue } from './wellknown.ts';

/** What was wrong in a JSON form, and where: `http[0].route[1].weight`. */
export interface JsonProblem {
  readonly path: string;
  readonly message: string;
}

/**
 * Reads the proto3 JSON form of a message from a parsed document. Strict: an unknown field, a value of the wrong type, an unknown enum value
 * or a second member of a oneof is a problem and is left out; everything else is read. Fields go by proto name or by JSON name, null is
 * absence. Durations of Istio's configuration have Go's syntax, as istiod takes them; those of Envoy have protojson's.
 */
export function fromJson<N extends MessageName>(
  name: N,
  raw: unknown,
): { readonly value: MessageTypes[N]; readonly problems: readonly JsonProblem[] } {
  const reader = new Reader();
  const value = reader.message(name, raw, '', false) ?? {};
  return { value: value as MessageTypes[N], problems: reader.problems };
}

type RawObject = Readonly<Record<string, unknown>>;

const isObject = (raw: unknown): raw is RawObject => typeof raw === 'object' && raw !== null && !Array.isArray(raw);

class Reader {
  readonly problems: JsonProblem[] = [];

  #problem(path: string, message: string): undefined {
    this.problems.push({ path, message });
    return undefined;
  }

  /** Undefined if the value as a whole was no such message. */
  message(name: string, raw: unknown, path: string, goDurations: boolean): AnyMessage | undefined {
    const special = wellKnown[name];
    if (special) {
      const read = special(raw, this, path, goDurations);
      return typeof read === 'string' ? this.#problem(path, read) : read;
    }
    if (!isObject(raw)) return this.#problem(path, `expected an object, found ${describe(raw)}`);
    return this.fields(schemaOf(name), raw, path);
  }

  fields(schema: MessageSchema, raw: RawObject, path: string): AnyMessage {
    const out: Record<string, unknown> = {};
    const takenBy = new Map<string, string>();
    for (const [key, item] of Object.entries(raw)) {
      const field = schema.byKey.get(key);
      const at = member(path, key);
      if (!field) {
        this.#problem(at, 'unknown field');
        continue;
      }
      if (item === undefined || (item === null && !holdsNull(field))) continue;
      const other = takenBy.get(field.name) ?? (field.oneof && takenBy.get(field.oneof));
      if (other) {
        this.#problem(
          at,
          field.oneof && other !== key ? `only one of ${other} and ${key} can be set` : `the same field as ${other}`,
        );
        continue;
      }
      const value = this.#field(field, item, at, schema.istioConfig);
      if (value === undefined) continue;
      out[field.name] = value;
      takenBy.set(field.name, key);
      if (field.oneof) takenBy.set(field.oneof, key);
    }
    return out;
  }

  #field(field: FieldSchema, raw: unknown, path: string, goDurations: boolean): unknown {
    switch (field.shape) {
      case 'single':
        return this.#value(field.type, raw, path, goDurations);
      case 'list':
        if (!Array.isArray(raw)) return this.#problem(path, `expected a list, found ${describe(raw)}`);
        return raw
          .map((item: unknown, i) => this.#value(field.type, item, `${path}[${i}]`, goDurations))
          .filter(item => item !== undefined);
      case 'map': {
        if (!isObject(raw)) return this.#problem(path, `expected an object, found ${describe(raw)}`);
        const entries: [string, unknown][] = [];
        for (const [key, item] of Object.entries(raw)) {
          const at = member(path, key);
          const checked = readScalar(field.keyType === 'string' ? 'string' : 'int64', key);
          if ('problem' in checked) this.#problem(at, `key: ${checked.problem}`);
          else {
            const value = this.#value(field.type, item, at, goDurations);
            if (value !== undefined) entries.push([key, value]);
          }
        }
        return Object.fromEntries(entries);
      }
    }
  }

  #value(type: FieldType, raw: unknown, path: string, goDurations: boolean): unknown {
    switch (type.kind) {
      case 'message':
        return this.message(type.name, raw, path, goDurations);
      case 'enum':
        return this.#enum(type, raw, path);
      case 'scalar': {
        const read = readScalar(type.scalar, raw);
        return 'problem' in read ? this.#problem(path, read.problem) : read.value;
      }
    }
  }

  #enum(type: FieldType & { kind: 'enum' }, raw: unknown, path: string): number | undefined {
    if (type.name === 'google.protobuf.NullValue' && raw === null) return 0;
    if (typeof raw === 'string') {
      const value = type.byName.get(raw);
      return (
        value ?? this.#problem(path, `unknown value "${raw}", expected one of ${[...type.byName.keys()].join(', ')}`)
      );
    }
    if (typeof raw !== 'number')
      return this.#problem(path, `expected one of ${[...type.byName.keys()].join(', ')}, found ${describe(raw)}`);
    return type.byNumber.has(raw) ? raw : this.#problem(path, `unknown value ${raw}`);
  }
}

const holdsNull = (field: FieldSchema): boolean =>
  field.shape === 'single' &&
  field.type.kind !== 'scalar' &&
  (field.type.name === 'google.protobuf.Value' || field.type.name === 'google.protobuf.NullValue');

function member(path: string, key: string): string {
  if (!/^[A-Za-z_@][\w@]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path ? `${path}.${key}` : key;
}

/** What a value is, in a user's words. */
function describe(raw: unknown): string {
  if (raw === null) return 'null';
  if (Array.isArray(raw)) return 'a list';
  return typeof raw === 'object' ? 'an object' : JSON.stringify(raw);
}

type ReadWellKnown = (
  raw: unknown,
  reader: Reader,
  path: string,
  goDurations: boolean,
) => AnyMessage | string | undefined;

/** The messages that have a JSON form of their own; a text is what is wrong, undefined was reported already. */
const wellKnown: Readonly<Record<string, ReadWellKnown>> = {
  'google.protobuf.Any': readAny,
  'google.protobuf.Duration': (raw, _reader, _path, goDurations) => {
    const read = typeof raw !== 'string' ? undefined : goDurations ? parseGoDuration(raw) : parseDuration(raw);
    return (
      (read as AnyMessage | undefined) ??
      `expected a duration like "${goDurations ? '1h30m' : '1.5s'}", found ${describe(raw)}`
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
  if (url === undefined && Object.keys(rest).length === 0) return {};
  if (typeof url !== 'string') return 'expected "@type" with the type of the message';
  const name = typeName(url);
  if (!findType(name)) return `unknown message type ${url}`;
  const special = wellKnown[name];
  const message = special
    ? reader.message(name, rest['value'], member(path, 'value'), false)
    : reader.fields(schemaOf(name), rest, path);
  if (!message) return undefined;
  try {
    return { type_url: url, value: encodeMessage(name, message) };
  } catch (error) {
    // The codec refuses messages nested more than 100 deep.
    return `cannot be encoded: ${error instanceof Error ? error.message : error}`;
  }
}
