import { isObject, own } from '../unknown.ts';
import { entry, type Report } from './report.ts';

/**
 * Typed access to fields of unchecked objects. Each takes the object, the field's name and the path of the object; a field that is absent or
 * null gives the empty value, one of a wrong type gives that too, with a problem.
 */
export type Fields = Readonly<Record<string, unknown>>;

const none: Fields = Object.freeze({});
const empty: readonly never[] = Object.freeze([]);

/** Whether a value is an object with fields. */
export const isFields = (value: unknown): value is Fields => isObject(value) && !ArrayBuffer.isView(value);

const join = (at: string, name: string): string => (at ? `${at}.${name}` : name);

const wrong = (report: Report, at: string, name: string, expected: string, value: unknown): void =>
  report.error(join(at, name), `expected ${expected}, found ${described(value)}`);

/** A value as a short word for people: `"abc"`, `12`, `a list`. */
export function described(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return JSON.stringify(value) ?? String(value);
}

/** A field of a type; `otherwise` where it is absent, and with a problem where it is something else. */
function field<T>(
  from: Fields,
  name: string,
  is: (value: unknown) => value is T,
  expected: string,
  otherwise: T,
  at: string,
  report: Report,
): T {
  const value = own(from, name);
  if (value === undefined || value === null) return otherwise;
  if (is(value)) return value;
  wrong(report, at, name, expected, value);
  return otherwise;
}

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean';

/** A nested object. */
export const fields = (from: Fields, name: string, at: string, report: Report): Fields =>
  field(from, name, isFields, 'an object', none, at, report);

const list = (from: Fields, name: string, at: string, report: Report): readonly unknown[] =>
  field(from, name, isList, 'a list', empty, at, report);

/** A list of objects, each with its path; items that are no objects are left out. */
export function items(from: Fields, name: string, at: string, report: Report): readonly (readonly [Fields, string])[] {
  const found: (readonly [Fields, string])[] = [];
  list(from, name, at, report).forEach((item, i) => {
    if (isFields(item)) found.push([item, `${join(at, name)}[${i}]`]);
    else wrong(report, at, `${name}[${i}]`, 'an object', item);
  });
  return found;
}

/** A string. */
export const text = (from: Fields, name: string, at: string, report: Report): string =>
  field(from, name, isText, 'a string', '', at, report);

/** One of some words; `otherwise` when absent or something else. */
export function word<const W extends string>(
  from: Fields,
  name: string,
  words: readonly W[],
  otherwise: W,
  at: string,
  report: Report,
): W {
  const value = own(from, name);
  if (value === undefined || value === null || value === '') return otherwise;
  const known = words.find(w => w === value);
  if (known === undefined) wrong(report, at, name, `one of ${words.join(', ')}`, value);
  return known ?? otherwise;
}

/** A list of strings. */
export function texts(from: Fields, name: string, at: string, report: Report): readonly string[] {
  const found = list(from, name, at, report).filter((item, i): item is string => {
    if (isText(item)) return true;
    wrong(report, at, `${name}[${i}]`, 'a string', item);
    return false;
  });
  // A list that grew has room for sixteen more, which is most of the memory of a short one; a copy has none.
  return found.slice();
}

/** A whole number from `least` to `most`; 0 when absent. */
export function integer(from: Fields, name: string, least: number, most: number, at: string, report: Report): number {
  const isWithin = (value: unknown): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
  return field(from, name, isWithin, `a whole number from ${least} to ${most}`, 0, at, report);
}

/** A boolean; `otherwise` when absent. */
export const flag = (from: Fields, name: string, otherwise: boolean, at: string, report: Report): boolean =>
  field(from, name, isFlag, 'true or false', otherwise, at, report);

/** A map of strings. */
export function textMap(from: Fields, name: string, at: string, report: Report): Readonly<Record<string, string>> {
  const value = fields(from, name, at, report);
  for (const key in value) {
    if (typeof value[key] === 'string' && key !== '__proto__') continue;
    const entries = Object.entries(value).filter(([k, v]) => {
      if (typeof v === 'string') return true;
      report.error(
        entry(join(at, name), k),
        `expected a string (numbers and booleans need quotes), found ${described(v)}`,
      );
      return false;
    });
    return Object.fromEntries(entries) as Readonly<Record<string, string>>;
  }
  return value as Readonly<Record<string, string>>;
}
