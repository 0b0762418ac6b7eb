import type { RawObject } from '../../config/raw.ts';

/** What a new list says that was not known. */
export interface ListDifference {
  readonly changed: readonly RawObject[];
  readonly gone: readonly { readonly namespace: string; readonly name: string }[];
}

/** Which version of each object of a collection has been told: no more than it takes to tell news from repetition. */
export class KnownObjects {
  readonly #versions = new Map<string, string>();

  get size(): number {
    return this.#versions.size;
  }

  /** Takes note of an object; whether this version of it had not been told. */
  note({ metadata: { namespace = '', name, resourceVersion, uid } }: RawObject): boolean {
    const key = `${namespace}/${name}`;
    // The uid, because a CRD or an etcd that was made again may count from the start.
    const version = `${resourceVersion}/${uid}`;
    if (this.#versions.get(key) === version) return false;
    this.#versions.set(key, version);
    return true;
  }

  /** Forgets an object; whether it was known. */
  forget(namespace: string, name: string): boolean {
    return this.#versions.delete(`${namespace}/${name}`);
  }

  /** Takes note of a whole list: what in it is news, and what it lacks. */
  replace(objects: readonly RawObject[]): ListDifference {
    const missing = new Set(this.#versions.keys());
    const changed: RawObject[] = [];
    for (const object of objects) {
      missing.delete(`${object.metadata.namespace ?? ''}/${object.metadata.name}`);
      if (this.note(object)) changed.push(object);
    }
    const gone = [...missing].map(key => {
      this.#versions.delete(key);
      const slash = key.indexOf('/');
      return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
    });
    return { changed, gone };
  }
}
