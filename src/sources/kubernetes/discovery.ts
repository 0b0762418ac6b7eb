import type { ApiClient } from '../../kubernetes/api-client.ts';
import { ApiError } from '../../kubernetes/api-error.ts';
import type { Collection } from './collection.ts';

interface Look {
  readonly at: number;
  readonly plurals: Promise<ReadonlySet<string>>;
}

/** Which version of a kind the API server serves. Looks of many kinds at one group within `freshMs` share one request. */
export class Discovery {
  readonly #client: ApiClient;
  readonly #freshMs: number;
  readonly #looks = new Map<string, Look>();

  constructor(client: ApiClient, freshMs: number) {
    this.#client = client;
    this.#freshMs = freshMs;
  }

  /** The first of the collection's versions that is served; undefined when none is (its CRD is not installed). */
  async servedVersion(collection: Collection): Promise<string | undefined> {
    const { group, versions, plural } = collection;
    if (group === '') return versions[0];
    for (const version of versions) {
      const plurals = await this.#plurals(`/apis/${group}/${version}`);
      if (plurals.has(plural)) return version;
    }
    return undefined;
  }

  /** Asks anew next time: the API server has contradicted what was known about the group. */
  forget(group: string): void {
    for (const path of this.#looks.keys()) if (path.startsWith(`/apis/${group}/`)) this.#looks.delete(path);
  }

  #plurals(path: string): Promise<ReadonlySet<string>> {
    const known = this.#looks.get(path);
    if (known && performance.now() - known.at < this.#freshMs) return known.plurals;
    const plurals = this.#ask(path);
    this.#looks.set(path, { at: performance.now(), plurals });
    plurals.catch(() => this.#looks.delete(path));
    return plurals;
  }

  async #ask(path: string): Promise<ReadonlySet<string>> {
    try {
      const { resources } = (await this.#client.json(path)) as { resources?: readonly { name?: string }[] };
      return new Set(resources?.map(r => r.name ?? ''));
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return new Set();
      throw error;
    }
  }
}
