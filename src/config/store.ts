import type { RemoteKeys } from '../istio/remote-keys.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import { PersistentMap } from '../persistent-map.ts';
import { equal, freeze } from './json.ts';
import { type KindCounts, KindTable } from './kind-table.ts';
import { type Kind, type KindTypes, kindNames, kindOf, kinds } from './kinds.ts';
import type { Problem } from './problem.ts';
import type { RawObject } from './raw.ts';

/** What a source says has changed. */
export type ConfigChange =
  /** These are all objects of the kind that the source has; what is missing is gone from it. */
  | { readonly op: 'replace'; readonly kind: Kind; readonly objects: readonly RawObject[] }
  | { readonly op: 'upsert'; readonly object: RawObject }
  | { readonly op: 'delete'; readonly kind: Kind; readonly namespace: string; readonly name: string }
  /**
   * All that the source itself finds wrong about something (a file that is no YAML: `File/<path>`); an empty list takes it back. These
   * stand beside what parsing finds.
   */
  | { readonly op: 'problems'; readonly object: ObjectKey; readonly problems: readonly Problem[] }
  /** What is known now of the keys at a URL that a RequestAuthentication names; undefined: nobody names it any more. */
  | { readonly op: 'keys'; readonly url: string; readonly keys: RemoteKeys | undefined };

/**
 * All valid objects and all problems at one moment; never changes. A kind's map keeps its identity until an object of that kind changes, and
 * an object keeps its identity until its content changes. Everything is deeply frozen.
 */
export type ConfigContents = {
  readonly [K in Kind]: ReadonlyMap<ObjectKey, KindTypes[K]>;
} & {
  readonly problems: ReadonlyMap<ObjectKey, readonly Problem[]>;
  /** What was fetched for RequestAuthentications, by URL. */
  readonly remoteKeys: ReadonlyMap<string, RemoteKeys>;
};

/**
 * The checked objects of all sources. The newest valid version of an object is in force; of a version that is not
 * valid and restricts it is what its parser makes of it. No source takes away what another one has.
 */
export class ConfigStore {
  /** The sources by precedence. */
  readonly #sources: string[];
  readonly #tables: { readonly [K in Kind]: KindTable<K> };
  /** What the sources themselves find wrong, by source. */
  readonly #reported = new Map<string, Map<ObjectKey, readonly Problem[]>>();
  #problemsChanged = true;
  #remoteKeys: PersistentMap<string, RemoteKeys> = PersistentMap.of();
  #contents: ConfigContents | undefined;

  /** `sources`: their names, the first of those that have an object has its say. One that is not among them comes last. */
  constructor(sources: readonly string[] = []) {
    this.#sources = [...sources];
    const tables = kindNames.map(kind => [kind, new KindTable(kinds[kind], this.#sources)]);
    this.#tables = Object.fromEntries(tables);
  }

  /** Takes a change of a source in; says whether `contents()` differs by it. Constant time an object. */
  apply(change: ConfigChange, source = ''): boolean {
    if (!this.#sources.includes(source)) this.#sources.push(source);
    const changed = this.#apply(change, source);
    if (changed) this.#contents = undefined;
    return changed;
  }

  #apply(change: ConfigChange, source: string): boolean {
    switch (change.op) {
      case 'replace': {
        const objects = change.objects.filter(object => kindOf(object) === change.kind);
        return this.#tables[change.kind].replace(objects, source);
      }
      case 'upsert': {
        const kind = kindOf(change.object);
        return kind !== undefined && this.#tables[kind].upsert(change.object, source);
      }
      case 'delete':
        return this.#tables[change.kind].delete(objectKey(change.kind, change.namespace, change.name), source);
      case 'problems': {
        const reported = this.#reported.get(source) ?? new Map<ObjectKey, readonly Problem[]>();
        if (equal(reported.get(change.object) ?? [], change.problems)) return false;
        this.#reported.set(source, reported);
        if (change.problems.length) reported.set(change.object, freeze(change.problems));
        else reported.delete(change.object);
        this.#problemsChanged = true;
        return true;
      }
      case 'keys': {
        const { url, keys } = change;
        const known = this.#remoteKeys.get(url);
        if (known?.jwks === keys?.jwks && known?.failure === keys?.failure && !known === !keys) return false;
        this.#remoteKeys = this.#remoteKeys.with([[url, keys && freeze(keys)]]);
        return true;
      }
    }
  }

  /** What is in force now. The same value until something changes. */
  contents(): ConfigContents {
    this.#contents ??= this.#view();
    return this.#contents;
  }

  /** The same, but for kinds of which nothing new is to be seen yet: they are as in `before`, and so are all problems. */
  contentsWithout(kinds: ReadonlySet<Kind>, before: ConfigContents): ConfigContents {
    if (!kinds.size) return this.contents();
    const views = kindNames.map(kind => [kind, kinds.has(kind) ? before[kind] : this.#tables[kind].view()]);
    return Object.freeze({
      ...Object.fromEntries(views),
      problems: before.problems,
      remoteKeys: this.#remoteKeys,
    }) as unknown as ConfigContents;
  }

  /** What has happened to the objects of each kind. */
  counts(): ReadonlyMap<Kind, KindCounts> {
    return new Map(kindNames.map(kind => [kind, this.#tables[kind].counts]));
  }

  /** Does a part of what `contents()` will have to, where there is much of it. */
  prepare(): void {
    for (const kind of kindNames) this.#tables[kind].prepare();
  }

  #problems: ReadonlyMap<ObjectKey, readonly Problem[]> = new Map();

  #view(): ConfigContents {
    const tables = kindNames.map(kind => this.#tables[kind]);
    if (this.#problemsChanged || tables.some(table => table.problemsChanged)) {
      const problems = new Map<ObjectKey, readonly Problem[]>();
      for (const found of [...this.#reported.values(), ...tables.map(table => table.problems())])
        for (const [key, list] of found) {
          const known = problems.get(key);
          problems.set(key, known ? [...known, ...list] : list);
        }
      this.#problems = problems;
      this.#problemsChanged = false;
    }
    const views = Object.fromEntries(kindNames.map(kind => [kind, this.#tables[kind].view()]));
    return Object.freeze({
      ...views,
      problems: this.#problems,
      remoteKeys: this.#remoteKeys,
    }) as unknown as ConfigContents;
  }
}
