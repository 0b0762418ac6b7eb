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

const TOGETHER_MS = 2_000;

interface Line {
  readonly watches: Set<string>;
  changed: number;
  gone: number;
}

/**
 * The state of all list-watches, and the log lines about it: not one an attempt, nor one a watch (an API server that goes away takes thirty
 * with it), but one for each thing that happens. The same failure is said once until all watches work again.
 */
export class WatchHealth {
  readonly #log: Logger;
  readonly #statuses = new Map<string, WatchStatus>();
  /** The failures said since all watches worked. */
  readonly #said = new Set<string>();
  /** Watches by a failure that was said a moment ago of another one. */
  readonly #likewise = new Map<string, Set<string>>();
  readonly #failing = new Set<string>();
  readonly #lines = new Map<string, Line>();

  constructor(log: Logger) {
    this.#log = log;
  }

  listing(name: string): void {
    this.#update(name, { state: 'listing' });
  }

  watching(name: string, objects: number): void {
    this.#update(name, { state: 'watching', synced: true, objects });
    if (this.#works(name)) this.#say('watching the API server again', name);
  }

  absent(name: string): void {
    if (this.#statuses.get(name)?.state !== 'absent')
      this.#say('not served by the API server (no CRD), counts as empty', name);
    this.#update(name, { state: 'absent', synced: true, objects: 0 });
    this.#works(name);
  }

  objects(name: string, objects: number): void {
    const status = this.#statuses.get(name);
    if (status) this.#statuses.set(name, { ...status, objects });
  }

  failing(name: string, failure: string): void {
    this.#update(name, { state: 'failing', lastError: failure });
    this.#failing.add(name);
    if (this.#said.has(failure)) return;
    this.#said.add(failure);
    // An API server that starts refuses each kind in words of its own.
    const reason = failure.split(':', 1)[0] ?? failure;
    const likewise = this.#likewise.get(reason);
    if (likewise) {
      likewise.add(name);
      return;
    }
    this.#log.warn(
      { watch: name, err: failure },
      'a watch of the API server failed; the last known state stays in force',
    );
    const others = new Set<string>();
    this.#likewise.set(reason, others);
    setTimeout(() => {
      this.#likewise.delete(reason);
      if (others.size) this.#log.warn({ watches: [...others].sort(), err: reason }, 'further watches failed likewise');
    }, TOGETHER_MS).unref();
  }

  /** The watch could not be resumed: everything was listed again, which showed so many differences. */
  relisted(name: string, changed: number, gone: number): void {
    this.#update(name, { relists: (this.#statuses.get(name)?.relists ?? 0) + 1 });
    this.#say('listed again what the API server could not resume; only what differs is passed on', name, changed, gone);
  }

  removed(name: string): void {
    this.#statuses.delete(name);
    this.#works(name);
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

  // Whether it did not work before.
  #works(name: string): boolean {
    const failed = this.#failing.delete(name);
    if (this.#failing.size === 0) this.#said.clear();
    return failed;
  }

  // Says it of all the watches to which it happens in the next moments.
  #say(message: string, name: string, changed = 0, gone = 0): void {
    let line = this.#lines.get(message);
    if (!line) {
      const opened: Line = { watches: new Set(), changed: 0, gone: 0 };
      line = opened;
      this.#lines.set(message, line);
      setTimeout(() => {
        this.#lines.delete(message);
        const counts = opened.changed + opened.gone > 0 && { changed: opened.changed, gone: opened.gone };
        this.#log.info({ watches: [...opened.watches].sort(), ...counts }, message);
      }, TOGETHER_MS).unref();
    }
    line.watches.add(name);
    line.changed += changed;
    line.gone += gone;
  }
}
