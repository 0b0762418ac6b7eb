import type { Logger } from 'pino';

/** How the list-watch of one collection is doing. */
export interface WatchStatus {
  /** The kind, or for a part of one `Secret/namespace/name`. */
  readonly name: string;
  /** `listing`: not yet told; `watching`: up to date; `absent`: its CRD is not installed; `failing`: the last known state is kept. */
  readonly state: 'listing' | 'watching' | 'absent' | 'failing';
  /** Whether it has been listed once (or found absent). */
  readonly synced: boolean;
  readonly objects: number;
  /** The last failure, kept after recovery. */
  readonly lastError?: string;
  /** Milliseconds since 1970 of the last change of `state`. */
  readonly since: number;
  /** How often everything was listed again because the watch could not be resumed. */
  readonly relists: number;
}

const TOGETHER_MS = 500;

/**
 * The state of all list-watches, and the log lines about it: one line a transition, not one an attempt, and one for all the watches that it
 * happens to within half a second (an API server that goes away takes thirty watches with it).
 */
export class WatchHealth {
  readonly #log: Logger;
  readonly #statuses = new Map<string, WatchStatus>();
  /** The failures logged since a watch last worked. */
  readonly #told = new Map<string, Set<string>>();
  readonly #lines = new Map<string, { readonly level: 'info' | 'warn'; readonly watches: Set<string> }>();

  constructor(log: Logger) {
    this.#log = log;
  }

  listing(name: string): void {
    this.#update(name, { state: 'listing' });
  }

  watching(name: string, objects: number): void {
    const recovered = this.#told.delete(name);
    this.#update(name, { state: 'watching', synced: true, objects });
    if (recovered) this.#say('info', 'watching the API server again', name);
  }

  absent(name: string): void {
    if (this.#statuses.get(name)?.state !== 'absent')
      this.#say('info', 'not served by the API server (no CRD): counts as empty until it is', name);
    this.#told.delete(name);
    this.#update(name, { state: 'absent', synced: true, objects: 0 });
  }

  objects(name: string, objects: number): void {
    const status = this.#statuses.get(name);
    if (status) this.#statuses.set(name, { ...status, objects });
  }

  failing(name: string, failure: string): void {
    this.#update(name, { state: 'failing', lastError: failure });
    const told = this.#told.get(name) ?? new Set();
    if (told.has(failure)) return;
    this.#told.set(name, told.add(failure));
    this.#say('warn', `a watch failed, its last state stays in force: ${failure}`, name);
  }

  /** The watch could not be resumed: everything was listed again, which showed so many differences. */
  relisted(name: string, changed: number, gone: number): void {
    this.#update(name, { relists: (this.#statuses.get(name)?.relists ?? 0) + 1 });
    this.#say('info', 'listed again, because the API server no longer knew where the watch had been', name);
    if (changed + gone > 0) this.#log.info({ watch: name, changed, gone }, 'the new list differs from what was known');
  }

  removed(name: string): void {
    this.#statuses.delete(name);
    this.#told.delete(name);
  }

  /** All list-watches by name. */
  statuses(): readonly WatchStatus[] {
    return [...this.#statuses.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #update(name: string, change: Partial<WatchStatus>): void {
    const before = this.#statuses.get(name) ?? {
      name,
      state: 'listing',
      synced: false,
      objects: 0,
      since: Date.now(),
      relists: 0,
    };
    const since = change.state && change.state !== before.state ? Date.now() : before.since;
    this.#statuses.set(name, { ...before, ...change, since });
  }

  #say(level: 'info' | 'warn', message: string, name: string): void {
    const line = this.#lines.get(message);
    if (line) {
      line.watches.add(name);
      return;
    }
    const watches = new Set([name]);
    this.#lines.set(message, { level, watches });
    setTimeout(() => {
      this.#lines.delete(message);
      this.#log[level]({ watches: [...watches].sort() }, message);
    }, TOGETHER_MS).unref();
  }
}
