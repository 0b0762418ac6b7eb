/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** An object of JSON. Objects are never changed, only made anew. */
export interface JsonObject {
  readonly [field: string]: Json | undefined;
}

/** Whether a value of which nothing is known is an object with fields: no null, and no list. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isList = (value: unknown): value is readonly Json[] => Array.isArray(value);

/** The fields of a value; none where it is no object. */
export const fieldsOf = (value: unknown): JsonObject => (isObject(value) ? value : {});

/** The items of a value; none where it is no list. */
export const listOf = (value: unknown): readonly Json[] => (isList(value) ? value : []);

/** The text that a value is; empty where it is none. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A value of a map by its own key: a user's may be `constructor`, which every object inherits. */
export const own = <V>(map: { readonly [key: string]: V } | undefined, key: string): V | undefined =>
  map && Object.hasOwn(map, key) ? map[key] : undefined;

/** What a text says in JSON; undefined where it is none. */
export function jsonIn(text: string | undefined): Json | undefined {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What was caught, in its own words. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
