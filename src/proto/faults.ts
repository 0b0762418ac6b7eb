import { findType } from './bundle.ts';
import { envoyChecks } from './envoy-checks.ts';
import type { Any, Duration } from './generated/google/protobuf.ts';
import type { TypedStruct } from './generated/udpa/type/v1.ts';
import { fromEnvoyJson } from './json-reader.ts';
import { type AnyMessage, decodeMessage, type MessageName, type MessageTypes } from './message.ts';
import type { Step } from './report.ts';
import { eitherTest, integerTest, type Rules, scalarTest, type Test } from './rules.ts';
import { type FieldSchema, type MessageSchema, schemaOf } from './schema.ts';
import { typeName } from './type-url.ts';
import { fromStruct } from './wellknown.ts';

/** Something in a message that makes Envoy refuse it. */
export interface Fault {
  /** The way to it from the message, also through Anys. */
  readonly path: readonly Step[];
  /** What is wrong, with the value: `must be at least 1, not 0`. */
  readonly message: string;
  /** The first minor version of Envoy 1 that takes it; absent where none does. */
  readonly since?: number;
}

/** A path as Envoy writes it: `virtual_hosts[0].routes[1].match`. */
export const pathText = (path: readonly Step[]): string =>
  path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text ? `${text}.${step}` : step;
  }, '');

/** One walk over a message. */
interface Walk {
  /** Where it is; its own list, which changes as it goes. */
  readonly path: Step[];
  readonly faults: Fault[];
  /** Whether Anys are looked into: those that {@link recordFaults} has seen need not be. */
  readonly intoAnys: boolean;
  /** The type of messages that {@link recordFaults} has seen. */
  readonly apart: string;
}

const report = (walk: Walk, message: string, since?: number): void => {
  walk.faults.push({ path: [...walk.path], message, ...(since !== undefined && { since }) });
};

const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
};

const ANY = 'google.protobuf.Any';
const DURATION = 'google.protobuf.Duration';
const WRAPPER = /^google\.protobuf\.(Double|Float|U?Int(?:32|64)|Bool|String|Bytes)Value$/;

const numbersOf = ({ type }: FieldSchema): ReadonlyMap<number, string> | undefined =>
  type.kind === 'enum' ? type.byNumber : undefined;

const zeroOf = ({ type }: FieldSchema): unknown => {
  if (type.kind === 'enum') return 0;
  if (type.kind === 'message') return undefined;
  switch (type.scalar) {
    case 'string':
      return '';
    case 'bytes':
      return new Uint8Array();
    case 'bool':
      return false;
    default:
      return 0;
  }
};

/** The seconds that 64 bits of nanoseconds hold: Envoy takes no longer durations, and none below zero (DurationUtil). */
const MOST_SECONDS = 9_223_372_036;

function durationTest(rules: Rules): Test<Duration> {
  const test = scalarTest(rules);
  return ({ seconds = 0, nanos = 0 }) => {
    if (seconds < 0 || nanos < 0) return 'must not be negative';
    if (seconds >= MOST_SECONDS) return `must be below ${MOST_SECONDS}s`;
    const fault = test?.(seconds + nanos / 1e9);
    return fault && `${fault}s`;
  };
}

const WRAPPED_ZEROS: Readonly<Record<string, unknown>> = { Bool: false, String: '', Bytes: new Uint8Array() };

/** What is asked of a value that is there. */
type Check = (value: unknown, walk: Walk) => void;

const tested =
  (test: Test<unknown>): Check =>
  (value, walk) => {
    const fault = test(value);
    if (fault) report(walk, `${fault}, not ${shown(value)}`);
  };

function durationCheck(rules: Rules): Check {
  const test = durationTest(rules);
  return (value, walk) => {
    const { seconds = 0, nanos = 0 } = value as Duration;
    const fault = test(value as Duration);
    if (fault) report(walk, `${fault}, not ${seconds + nanos / 1e9}s`);
  };
}

function wrapperCheck(rules: Rules, type: string, zero: unknown): Check | undefined {
  const test = eitherTest(integerTest(type), scalarTest(rules));
  const check = test && tested(test);
  return check && ((value, walk) => check((value as AnyMessage)['value'] ?? zero, walk));
}

function anyCheck(rules: Rules): Check {
  const test = scalarTest(rules);
  return (value, walk) => {
    const fault = test?.((value as Any).type_url ?? '');
    if (fault) report(walk, `${fault}, not ${(value as Any).type_url}`);
    checkAny(value as Any, walk);
  };
}

/** What is asked of one value, be it an item; undefined where nothing is. */
function itemCheck(type: FieldSchema['type'], rules: Rules): Check | undefined {
  if (type.kind !== 'message') {
    const test =
      type.kind === 'enum' ? scalarTest(rules, type.byNumber) : eitherTest(integerTest(type.scalar), scalarTest(rules));
    return test && tested(test);
  }
  if (type.name === DURATION) return durationCheck(rules);
  if (type.name === ANY) return anyCheck(rules);
  const [, wrapped] = WRAPPER.exec(type.name) ?? [];
  if (wrapped) return wrapperCheck(rules, wrapped.toLowerCase(), WRAPPED_ZEROS[wrapped] ?? 0);
  if (rules.skip || !mayFail(type.name)) return undefined;
  const { name } = type;
  return (value, walk) => {
    if (walk.apart === name) reportKnown(value as AnyMessage, walk);
    else checkOf(name)(value as AnyMessage, walk);
  };
}

const NO_RULES: Rules = {};

function listCheck(rules: Rules, item: Check | undefined): Check | undefined {
  const { min_items: least = 0, max_items: most = Number.POSITIVE_INFINITY, unique, ignore_empty } = rules;
  if (!least && most === Number.POSITIVE_INFINITY && !unique && !item) return undefined;
  return (value, walk) => {
    const items = value as readonly unknown[];
    if (!items.length && ignore_empty) return;
    if (items.length < least) report(walk, `must have at least ${least} items, not ${items.length}`);
    if (items.length > most) report(walk, `must have at most ${most} items, not ${items.length}`);
    if (unique && new Set(items).size < items.length) report(walk, 'must not have an item twice');
    if (!item) return;
    for (let i = 0; i < items.length; i++) {
      walk.path.push(i);
      item(items[i], walk);
      walk.path.pop();
    }
  };
}

function mapCheck(rules: Rules, item: Check | undefined): Check | undefined {
  const { min_pairs: least = 0, max_pairs: most = Number.POSITIVE_INFINITY, keys, ignore_empty } = rules;
  const key = keys && scalarTest(keys);
  if (!least && most === Number.POSITIVE_INFINITY && !key && !item) return undefined;
  return (value, walk) => {
    const entries = Object.entries(value as AnyMessage);
    if (!entries.length && ignore_empty) return;
    if (entries.length < least) report(walk, `must have at least ${least} entries, not ${entries.length}`);
    if (entries.length > most) report(walk, `must have at most ${most} entries, not ${entries.length}`);
    for (const [at, one] of entries) {
      walk.path.push(at);
      const fault = key?.(at);
      if (fault) report(walk, `its key ${fault}`);
      item?.(one, walk);
      walk.path.pop();
    }
  };
}

function fieldCheck({ shape, type, rules = NO_RULES }: FieldSchema): Check | undefined {
  switch (shape) {
    case 'list':
      return listCheck(rules, itemCheck(type, rules.items ?? NO_RULES));
    case 'map':
      return mapCheck(rules, itemCheck(type, rules.values ?? NO_RULES));
    default:
      return itemCheck(type, rules);
  }
}

/** What is wrong with a field that is not there: in proto3 it has its zero. */
function absenceFault(field: FieldSchema): string | undefined {
  const { shape, presence, rules } = field;
  if (!rules) return undefined;
  if (shape !== 'single') {
    const least = rules.ignore_empty ? 0 : (rules.min_items ?? rules.min_pairs ?? 0);
    return least ? `must have at least ${least} items, not 0` : undefined;
  }
  if (presence) return rules.required ? 'is required' : undefined;
  const zero = zeroOf(field);
  const fault = scalarTest(rules, numbersOf(field))?.(zero);
  return fault && `${fault}, not ${shown(zero)}`;
}

/** The check of a message: what is there by field, as the fields are first seen, and what has to be there. */
function messageCheck({ name, fields, byKey, required }: MessageSchema): Check {
  const own = envoyChecks[name];
  const isTypedStruct = TYPED_STRUCT.test(name);
  const absences = fields.flatMap(field => {
    const fault = absenceFault(field);
    return fault ? [{ field: field.name, fault }] : [];
  });
  const ofFields = new Map<string, Check | undefined>();
  const checkFor = (key: string): Check | undefined => {
    if (ofFields.has(key)) return ofFields.get(key);
    const field = byKey.get(key);
    const check = field?.name === key ? fieldCheck(field) : undefined;
    ofFields.set(key, check);
    return check;
  };
  return (value, walk) => {
    const message = value as AnyMessage;
    for (const key in message) {
      const part = message[key];
      if (part === undefined || part === null) continue;
      const check = checkFor(key);
      if (!check) continue;
      walk.path.push(key);
      check(part, walk);
      walk.path.pop();
    }
    for (const { field, fault } of absences) {
      const part = message[field];
      if (part !== undefined && part !== null) continue;
      walk.path.push(field);
      report(walk, fault);
      walk.path.pop();
    }
    for (const oneof of required)
      if (!oneof.members.some(member => message[member] !== undefined && message[member] !== null))
        report(walk, `one of ${oneof.members.join(', ')} is required`);
    if (isTypedStruct) checkTypedStruct(message, walk);
    own?.(message, (path, fault, since) => {
      walk.path.push(...path);
      report(walk, fault, since);
      walk.path.length -= path.length;
    });
  };
}

const checks = new Map<string, Check>();

/** The check of a message type; made when the first of its messages is looked at. */
function checkOf(name: string): Check {
  let check = checks.get(name);
  if (!check) {
    check = messageCheck(schemaOf(name));
    checks.set(name, check);
  }
  return check;
}

const failing = new Map<string, boolean>();

/** Whether anything is asked of a message type or of what is below it. */
function mayFail(name: string): boolean {
  const seen = new Set<string>();
  const search = (type: string): boolean => {
    const known = failing.get(type);
    if (known !== undefined) return known;
    if (seen.has(type)) return false;
    seen.add(type);
    const { fields, required } = schemaOf(type);
    const found =
      type === ANY ||
      type === DURATION ||
      TYPED_STRUCT.test(type) ||
      envoyChecks[type] !== undefined ||
      required.length > 0 ||
      fields.some(({ rules, type: own }) => {
        if (rules) return true;
        return own.kind === 'message'
          ? search(own.name)
          : own.kind === 'scalar' && integerTest(own.scalar) !== undefined;
      });
    if (found) failing.set(type, true);
    return found;
  };
  const found = search(name);
  if (!found) for (const type of seen) failing.set(type, false);
  return found;
}

/** The faults of messages that were looked at before what they became a part of: of an Any, those of the message in it. */
const known = new WeakMap<object, readonly Fault[]>();

/** Whether anything was ever wrong: most often nothing is, and nothing need be looked up. */
let anyKnown = false;

function reportKnown(part: object, walk: Walk): boolean {
  const recorded = anyKnown ? known.get(part) : undefined;
  for (const fault of recorded ?? NONE) walk.faults.push({ ...fault, path: [...walk.path, ...fault.path] });
  return recorded !== undefined;
}

function checkAny(any: Any, walk: Walk): void {
  if (reportKnown(any, walk) || !walk.intoAnys) return;
  const name = typeName(any.type_url ?? '');
  if (findType(name)) checkOf(name)(decodeMessage(name, any.value ?? new Uint8Array()), walk);
}

const TYPED_STRUCT = /^(udpa\.type\.v1|xds\.type\.v3)\.TypedStruct$/;

/** What is in it is a message in the form of JSON, in which Envoy passes over fields that it does not know. */
function checkTypedStruct({ type_url = '', value }: TypedStruct, walk: Walk): void {
  const name = typeName(type_url);
  if (!findType(name)) return;
  const { value: message, problems } = fromEnvoyJson(name, value ? fromStruct(value) : {});
  walk.path.push('value');
  const invalid = problems.filter(({ kind }) => kind === 'invalid');
  for (const { path, message: text } of invalid) report(walk, path ? `${path}: ${text}` : text);
  if (!invalid.length) checkOf(name)(message, { ...walk, intoAnys: true });
  walk.path.pop();
}

const NONE: readonly Fault[] = Object.freeze([]);

function faultsOf(name: string, message: AnyMessage, intoAnys: boolean, apart: string): readonly Fault[] {
  const walk: Walk = { path: [], faults: [], intoAnys, apart };
  checkOf(name)(message, walk);
  return walk.faults.length ? walk.faults : NONE;
}

/**
 * What makes Envoy refuse a message. Of what is in its Anys, and in messages of the type `apart`, only that which {@link recordFaults}
 * found: they are looked at once, where they are made.
 */
export const findFaults = <N extends MessageName>(
  name: N,
  message: MessageTypes[N],
  apart: MessageName | '' = '',
): readonly Fault[] => faultsOf(name, message as AnyMessage, false, apart);

/** What makes Envoy refuse a message and what is in its Anys, wherever these come from. They are decoded, which costs. */
export const findAllFaults = (name: string, message: AnyMessage): readonly Fault[] => faultsOf(name, message, true, '');

/** Remembers what is wrong with a message that becomes a part of larger ones: of itself, or of an Any that it is in. */
export function recordFaults<N extends MessageName>(
  name: N,
  message: MessageTypes[N],
  part: object = message,
  apart: MessageName | '' = '',
): void {
  const faults = findFaults(name, message, apart);
  if (!faults.length) return;
  known.set(part, faults);
  anyKnown = true;
}
