import type { Log } from './log.ts';
import type { LogLevel } from './log-level.ts';

/** What is logged about, by istiod's names of its scopes. */
const SCOPES = {
  ads: 'proxies: who connects, what each rejects',
  ca: "the mesh's certificate authority and the TLS port",
  default: 'all that has no scope of its own',
  file: 'objects from a folder',
  kube: 'objects from an API server',
  model: 'what is wrong with the objects',
} as const;

export type ScopeName = keyof typeof SCOPES;

/** A scope as it is now. */
export interface Scope {
  readonly name: string;
  readonly description: string;
  readonly level: LogLevel;
}

/** A log for each scope, whose level can be set while the program runs. */
export class LogScopes {
  readonly #logs: ReadonlyMap<string, Log>;
  readonly #root: Log;

  constructor(root: Log) {
    this.#root = root;
    const child = (name: string): Log => (name === 'default' ? root : root.child({ scope: name }));
    this.#logs = new Map(Object.keys(SCOPES).map(name => [name, child(name)]));
  }

  of(name: ScopeName): Log {
    return this.#logs.get(name) ?? this.#root;
  }

  /** All scopes by their names. */
  list(): readonly Scope[] {
    return Object.keys(SCOPES).flatMap(name => this.find(name) ?? []);
  }

  find(name: string): Scope | undefined {
    const log = this.#logs.get(name);
    return log && { name, description: SCOPES[name as ScopeName], level: log.level as LogLevel };
  }

  /** From now on; nothing where there is no such scope. */
  set(name: string, level: LogLevel): void {
    const log = this.#logs.get(name);
    if (log) log.level = level;
  }
}
