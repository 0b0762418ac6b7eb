import type { ObjectKey } from '../model/object.ts';
import type { Problem } from './problem.ts';

/** Collects what is wrong with one object while it is read. */
export class Report {
  readonly #object: ObjectKey;
  readonly #problems: Problem[] = [];

  constructor(object: ObjectKey) {
    this.#object = object;
  }

  /** The field is not in force. */
  error(path: string, message: string): void {
    this.#problems.push({ object: this.#object, path, message, severity: 'error' });
  }

  /** The field is in force, or never had an effect. */
  warning(path: string, message: string): void {
    this.#problems.push({ object: this.#object, path, message, severity: 'warning' });
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** How many errors there are: a caller compares two counts to learn whether a part is in order. */
  get errors(): number {
    let count = 0;
    for (const problem of this.#problems) if (problem.severity === 'error') count++;
    return count;
  }
}
