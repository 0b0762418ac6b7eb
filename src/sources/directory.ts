import { type BigIntStats, type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Logger } from 'pino';
import { equal } from '../config/json.ts';
import { kindNames } from '../config/kinds.ts';
import type { Problem } from '../config/problem.ts';
import type { RawObject } from '../config/raw.ts';
import type { ConfigChange } from '../config/store.ts';
import { compare, type ObjectKey } from '../model/object.ts';
import { Manifest, type ManifestObject } from './manifest.ts';
import type { ConfigSource } from './source.ts';

/** The objects in every `*.yaml` and `*.yml` file below a folder, as they are now and whenever the files change. */
export function directorySource(options: {
  readonly folder: string;
  readonly log: Pick<Logger, 'warn'>;
}): ConfigSource {
  const folder = resolve(options.folder);
  return {
    name: `directory ${options.folder}`,
    run: (emit, signal) => ({ synced: new Directory(folder, options.log, emit, signal).start() }),
  };
}

/** A file as it was when it was last read; `stamp` tells whether it has changed since. */
interface File {
  readonly manifest: Manifest;
  stamp: string;
}

/** All files together: the object in force for each key, and the problems of each file. */
interface World {
  readonly objects: ReadonlyMap<ObjectKey, ManifestObject>;
  readonly problems: ReadonlyMap<ObjectKey, readonly Problem[]>;
}

/** After so many reads without a quiet moment a folder that never rests is taken as it is. */
const patience = 10;

class Directory {
  readonly #folder: string;
  readonly #log: Pick<Logger, 'warn'>;
  readonly #emit: (change: ConfigChange) => void;
  readonly #signal: AbortSignal;
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher; readonly identity: string }>();
  #files = new Map<string, File>();
  #world: World = { objects: new Map(), problems: new Map() };
  #changed = false;
  #reading = true;

  constructor(folder: string, log: Pick<Logger, 'warn'>, emit: (change: ConfigChange) => void, signal: AbortSignal) {
    this.#folder = folder;
    this.#log = log;
    this.#emit = emit;
    this.#signal = signal;
  }

  /** Reads everything once and emits it; fails when there is no such folder. Then follows changes. */
  async start(): Promise<void> {
    this.#signal.addEventListener('abort', () => this.#close(), { once: true });
    try {
      await this.#scan();
    } catch (error) {
      this.#close();
      throw error;
    }
    if (this.#signal.aborted) return this.#close();
    this.#world = this.#combine();
    for (const kind of kindNames) {
      const objects: RawObject[] = [];
      for (const found of this.#world.objects.values()) if (found.kind === kind) objects.push(found.object);
      this.#emit({ op: 'replace', kind, objects });
    }
    for (const [object, problems] of this.#world.problems) this.#emit({ op: 'problems', object, problems });
    // A folder that was not there before: from here on it can come back.
    this.#watch(dirname(this.#folder), '', name => name === basename(this.#folder));
    this.#reading = false;
    if (this.#changed) this.#follow();
  }

  #notice(): void {
    this.#changed = true;
    if (!this.#reading && !this.#signal.aborted) this.#follow();
  }

  /** Reads what has changed until nothing changes meanwhile, and emits the difference as one change. */
  async #follow(): Promise<void> {
    this.#reading = true;
    for (let reads = 0; this.#changed && reads < patience; reads++) {
      this.#changed = false;
      try {
        await this.#scan();
      } catch (error) {
        // The folder itself is gone: far more likely a slip than the wish to serve nothing.
        this.#log.warn(
          { folder: this.#folder, error: message(error) },
          'the folder cannot be read; keeping what it had',
        );
      }
    }
    this.#reading = false;
    if (this.#signal.aborted) return;
    this.#emitDifference();
    if (this.#changed) this.#follow();
  }

  #emitDifference(): void {
    const before = this.#world;
    const now = this.#combine();
    this.#world = now;
    for (const [key, { kind, object }] of before.objects) {
      if (now.objects.has(key)) continue;
      this.#emit({ op: 'delete', kind, namespace: object.metadata.namespace ?? '', name: object.metadata.name });
    }
    for (const [key, { object }] of now.objects) {
      if (before.objects.get(key)?.object !== object) this.#emit({ op: 'upsert', object });
    }
    for (const object of before.problems.keys()) {
      if (!now.problems.has(object)) this.#emit({ op: 'problems', object, problems: [] });
    }
    for (const [object, problems] of now.problems) {
      if (!equal(before.problems.get(object), problems)) this.#emit({ op: 'problems', object, problems });
    }
  }

  /** Of an object in several files the first file's is in force, by path. */
  #combine(): World {
    const objects = new Map<ObjectKey, ManifestObject>();
    const owners = new Map<ObjectKey, string>();
    const problems = new Map<ObjectKey, readonly Problem[]>();
    for (const [path, { manifest }] of [...this.#files].sort(([a], [b]) => compare(a, b))) {
      const found = [...manifest.contents.problems];
      for (const [key, object] of manifest.contents.objects) {
        const owner = owners.get(key);
        if (owner === undefined) {
          owners.set(key, path);
          objects.set(key, object);
        } else {
          const text = `${key} is also in ${owner}, which is in force`;
          found.push({ object: manifest.key, path: '', message: text, severity: 'error' });
        }
      }
      if (found.length) problems.set(manifest.key, found);
    }
    return { objects, problems };
  }

  /** Reads every file that is new or changed, and forgets those that are gone. Throws when the folder itself cannot be read. */
  async #scan(): Promise<void> {
    const folders = new Map<string, string>();
    const files = new Map<string, File>();
    await this.#scanFolder(this.#folder, folders, files);
    this.#files = files;
    for (const path of [...this.#watchers.keys()]) {
      if (!folders.has(path) && path !== dirname(this.#folder)) this.#unwatch(path);
    }
    // Events of the files just read are still in the loop's queue: they belong to this change.
    await new Promise(done => setImmediate(done));
  }

  async #scanFolder(
    path: string,
    folders: Map<string, string>,
    files: Map<string, File>,
    status: BigIntStats | undefined = undefined,
  ): Promise<void> {
    const { dev, ino, birthtimeNs } = status ?? (await stat(path, { bigint: true }));
    const identity = `${dev}:${ino}:${birthtimeNs}`;
    // A link to a folder that was seen already would be read twice, or for ever.
    for (const seen of folders.values()) if (seen === identity) return;
    folders.set(path, identity);
    // Before the listing, so that nothing that comes after it is missed.
    this.#watch(path, identity);
    for (const entry of (await readdir(path)).sort(compare)) {
      // Hidden files are editors' and version control's, and the inner side of a mounted ConfigMap.
      if (entry.startsWith('.')) continue;
      if (this.#signal.aborted) return;
      const inner = join(path, entry);
      const name = relative(this.#folder, inner);
      try {
        const found = await stat(inner, { bigint: true });
        if (found.isDirectory()) await this.#scanFolder(inner, folders, files, found);
        else if (found.isFile() && /\.ya?ml$/.test(entry)) files.set(name, await this.#readFile(name, found));
      } catch (error) {
        // Gone since it was listed: its going is an event of its own.
        if (isMissing(error)) continue;
        const known = this.#files.get(name);
        if (known) files.set(name, known);
        this.#log.warn({ path: inner, error: message(error) }, 'cannot be read');
      }
    }
  }

  async #readFile(name: string, status: BigIntStats): Promise<File> {
    const file = this.#files.get(name) ?? { manifest: new Manifest(name), stamp: '' };
    const stamp = `${status.dev}:${status.ino}:${status.size}:${status.mtimeNs}:${status.ctimeNs}`;
    if (file.stamp === stamp) return file;
    file.manifest.update(await readFile(join(this.#folder, name), 'utf8'));
    // The file system's clock ticks slowly: what was written this instant may be written again under the same stamp.
    file.stamp = Date.now() - Number(status.ctimeMs) < 100 ? '' : stamp;
    return file;
  }

  /** Every folder has a watcher of its own: it sees files written, replaced by a rename, made and removed in it. */
  #watch(path: string, identity: string, concerns: (name: string | null) => boolean = () => true): void {
    if (this.#watchers.get(path)?.identity === identity || this.#signal.aborted) return;
    // A folder of the same name that is another one; the old one's watcher will never see anything again.
    this.#unwatch(path);
    try {
      const watcher = watch(path, (_, name) => concerns(name) && this.#notice());
      watcher.on('error', () => this.#unwatch(path));
      this.#watchers.set(path, { watcher, identity });
    } catch (error) {
      if (!isMissing(error)) this.#log.warn({ path, error: message(error) }, 'changes in this folder will not be seen');
    }
  }

  #unwatch(path: string): void {
    this.#watchers.get(path)?.watcher.close();
    this.#watchers.delete(path);
  }

  #close(): void {
    for (const path of [...this.#watchers.keys()]) this.#unwatch(path);
  }
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';
