import { isFields } from '../support/json.ts';

/**
 * The part of a value that an expectation speaks of: of an object the members that it names, with null for one that is not there; of a list as
 * long as its own the elements, one by one; everything of anything else. Equal to the expectation where that is met.
 */
export function within(value: unknown, expectation: unknown): unknown {
  if (isFields(expectation))
    return isFields(value)
      ? Object.fromEntries(Object.entries(expectation).map(([key, of]) => [key, within(value[key] ?? null, of)]))
      : value;
  if (Array.isArray(expectation) && Array.isArray(value) && value.length === expectation.length)
    return value.map((item, index) => within(item, expectation[index]));
  return value;
}
