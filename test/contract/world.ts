import type { RawObject } from '../../src/config/raw.ts';
import type { ConfigChange } from '../../src/config/store.ts';

const keyOf = (kind: string, namespace: string, name: string): string => `${kind}/${namespace}/${name}`;

/** What a source has said so far: the objects that are there, and every change in order. */
export class World {
  readonly objects = new Map<string, RawObject>();
  readonly changes: ConfigChange[] = [];

  /** To be handed to `ConfigSource.run`. */
  readonly emit = (change: ConfigChange): void => {
    this.changes.push(change);
    switch (change.op) {
      case 'replace':
        for (const key of this.objects.keys()) if (key.startsWith(`${change.kind}/`)) this.objects.delete(key);
        for (const object of change.objects) this.#put(object);
        return;
      case 'upsert':
        this.#put(change.object);
        return;
      case 'delete':
        this.objects.delete(keyOf(change.kind, change.namespace, change.name));
    }
  };

  get(kind: string, namespace: string, name: string): RawObject | undefined {
    return this.objects.get(keyOf(kind, namespace, name));
  }

  /** The names of a kind's objects in a namespace, in order. */
  names(kind: string, namespace: string): readonly string[] {
    const prefix = `${kind}/${namespace}/`;
    return [...this.objects.keys()]
      .filter(key => key.startsWith(prefix))
      .map(key => key.slice(prefix.length))
      .sort();
  }

  #put(object: RawObject): void {
    this.objects.set(keyOf(object.kind, object.metadata.namespace ?? '', object.metadata.name), object);
  }
}
