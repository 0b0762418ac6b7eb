import { createHash } from 'node:crypto';
import { type Comparison, canonical, type Dump, discoveryTypes, type Json } from '../support/xds-diff.ts';

const digest = (value: Json | undefined): string =>
  value === undefined ? '' : createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 16);

/**
 * Counts distinct resources over many proxies and scenarios: a resource that the reference, and we, send unchanged to many proxies counts
 * once, so that what a scenario does not touch does not hide what it does.
 */
export class Score {
  readonly #equal = new Set<string>();
  readonly #all = new Set<string>();

  add(comparison: Comparison, reference: Dump, ours: Dump): void {
    const equal = new Map(comparison.types.map(t => [t.type, new Set(t.equal)]));
    for (const type of discoveryTypes) {
      const names = new Set([...Object.keys(reference[type] ?? {}), ...Object.keys(ours[type] ?? {})]);
      for (const name of names) {
        const theirs = reference[type]?.[name];
        const key = [type, name, digest(theirs && canonical(type, theirs))];
        if (equal.get(type)?.has(name)) this.#equal.add(key.join(' '));
        else key.push(digest(ours[type]?.[name]));
        this.#all.add(key.join(' '));
      }
    }
  }

  get equal(): number {
    return this.#equal.size;
  }

  get total(): number {
    return this.#all.size;
  }

  get percent(): number {
    return this.total === 0 ? 100 : (100 * this.equal) / this.total;
  }
}
