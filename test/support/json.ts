import { isFields } from '../../src/config/read.ts';

export { isFields };

/** An object of a JSON value. */
export type JsonFields = Readonly<Record<string, unknown>>;

/** The objects in a list; empty where there is no list. */
export const members = (value: unknown): readonly JsonFields[] => (Array.isArray(value) ? value.filter(isFields) : []);

/** A field of an object; undefined where there is no object. */
export const member = (value: unknown, key: string): unknown => (isFields(value) ? value[key] : undefined);

/** Calls `visit` with every object inside a JSON value, outermost first. */
export function eachObject(value: unknown, visit: (object: JsonFields) => void): void {
  if (Array.isArray(value)) for (const item of value) eachObject(item, visit);
  else if (isFields(value)) {
    visit(value);
    for (const inner of Object.values(value)) eachObject(inner, visit);
  }
}
