import { kindOf } from '../config/kinds.ts';
import type { ConfigChange } from '../config/store.ts';

/** A change and when it arrived, in milliseconds of the clock. */
export interface Arrival {
  readonly change: ConfigChange;
  /** The source that says so. */
  readonly source: string;
  readonly at: number;
}

/** What a change is about; the whole kind's is the beginning of its objects'. */
const subjectOf = (change: ConfigChange): string => {
  switch (change.op) {
    case 'replace':
      return `${change.kind} `;
    case 'upsert': {
      const { namespace = '', name } = change.object.metadata;
      return `${kindOf(change.object)} ${namespace}/${name}`;
    }
    case 'delete':
      return `${change.kind} ${change.namespace}/${change.name}`;
    case 'problems':
      return `problems ${change.object}`;
    case 'keys':
      return `keys ${change.url}`;
  }
};

/** Whose change it is, and about what: of two with the same key the newer one alone counts. */
export const keyOf = ({ source, change }: Pick<Arrival, 'source' | 'change'>): string =>
  `${source}\n${subjectOf(change)}`;

/**
 * Changes that wait for the next round. Of several of one object by one source only the newest is left, so that what nobody will see is never parsed, and
 * no storm takes more memory than the objects that it is about.
 */
export class Backlog {
  readonly #arrivals = new Map<string, Arrival>();
  #since: number | undefined;
  #replaced = 0;

  /** When the first of the waiting changes arrived; undefined where none waits. */
  get since(): number | undefined {
    return this.#since;
  }

  get size(): number {
    return this.#arrivals.size;
  }

  /** How many changes made room for a newer one of the same object. */
  get replaced(): number {
    return this.#replaced;
  }

  add(change: ConfigChange, source: string, now: number): void {
    this.#since ??= now;
    const key = keyOf({ source, change });
    if (change.op === 'replace') {
      for (const known of [...this.#arrivals.keys()]) if (known.startsWith(key)) this.#arrivals.delete(known);
      this.#arrivals.set(key, { change, source, at: now });
      return;
    }
    const before = this.#arrivals.get(key);
    if (before) this.#replaced++;
    // The newest goes last: what replaces a whole kind must not come after it.
    this.#arrivals.delete(key);
    this.#arrivals.set(key, { change, source, at: before?.at ?? now });
  }

  /** All that waits, oldest first; nothing waits then. */
  take(): readonly Arrival[] {
    const taken = [...this.#arrivals.values()];
    this.#arrivals.clear();
    this.#since = undefined;
    return taken;
  }
}
