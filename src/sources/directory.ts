import type { BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import type { Logger } from 'pino';
import { type Clock, steadyClock } from '../clock.ts';
import { equal } from '../config/json.ts';
import { kindNames } from '../config/kinds.ts';
import type { Problem } from '../config/problem.ts';
import type { RawObject } from '../config/raw.ts';
import type { ConfigChange } from '../config/store.ts';
import { byKey, compare } from '../istio/object.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import { inSlices } from '../slices.ts';
import { readText, TooLargeError } from './file-text.ts';
import type { ManifestObject } from './found.ts';
import { wayOf } from './links.ts';
import { Manifest } from './manifest.ts';
import type { ConfigSource } from './source.ts';
import { codeOf, isThere, reasonOf, rest, retryAfter } from './unreadable.ts';
import { identityOf, Watchers } from './watchers.ts';

/** What is read: as kubectl does, in capitals, too. What kustomize makes of a folder is for kustomize, and needs neither kind nor name. */
const isManifest = (name: string): boolean =>
  /\.(?:ya?ml|json)$/i.test(name) && !/(?:^|\/)kustomization\.ya?ml$/i.test(name);

/** The objects in every `*.yaml`, `*.yml` and `*.json` file below a folder, as they are now and whenever the files change. */
export function directorySource(options: DirectoryOptions): ConfigSource {
  return {
    name: `directory ${options.folder}`,
    run: (emit, signal) => ({ synced: new Directory(options, emit, signal).start() }),
  };
}

interface DirectoryOptions {
  readonly folder: string;
  readonly log: Pick<Logger, 'warn'>;
  /** Tells how long a file has been at rest. */
  readonly clock?: Clock;
}

/**
 * A file, and what tells whether it has changed: its stamp when it was last read, the last that was seen, since when that is there, and since
 * when the file differs from what was read (undefined where it does not).
 */
class File {
  readonly manifest: Manifest;
  read = '';
  seen = '';
  since = 0;
  differs: number | undefined;
  /** Whether it is being read beside everything else. */
  reading = false;
  /** Why that did not come to an end. */
  failure: unknown;

  constructor(name: string) {
    this.manifest = new Manifest(name);
  }
}

/** All files together: the object in force for each key, and the problems of each file. */
interface World {
  readonly objects: ReadonlyMap<ObjectKey, ManifestObject>;
  readonly problems: ReadonlyMap<ObjectKey, readonly Problem[]>;
}

/** What was seen of the folder in one go. */
interface Scan {
  readonly folders: Set<string>;
  /** What tells folders apart: one that is linked in two places is read once. */
  readonly identities: Set<string>;
  readonly files: Map<string, File>;
  /** What could not be read, and why. */
  readonly unreadable: Map<ObjectKey, string>;
  /** Folders elsewhere, with the names in them that links here go through. */
  readonly passed: Map<string, Set<string>>;
}

/**
 * A file that has more bytes than this is read when it is at rest: while it is written in pieces it would be read again and again. So is one
 * that has none: most writers empty a file before they fill it again. But no file is left unread for longer than this, in milliseconds.
 */
const large = 1 << 20;
const longest = 1_000;

/** A file that has more bytes than this is read beside the others: their changes do not wait for it. It takes tens of milliseconds. */
const long = 1 << 16;

/** After so many reads without a quiet moment a folder that never rests is taken as it is. */
const patience = 10;

class Directory {
  readonly #folder: string;
  /** The folder as it was named. */
  readonly #name: string;
  readonly #log: Pick<Logger, 'warn'>;
  readonly #clock: Clock;
  readonly #emit: (change: ConfigChange) => void;
  readonly #signal: AbortSignal;
  readonly #watchers = new Watchers(() => this.#notice());
  #files = new Map<string, File>();
  #passed: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  #unreadable: ReadonlyMap<ObjectKey, string> = new Map();
  /** What the world was made of. */
  #parts: readonly unknown[] = [];
  #world: World = { objects: new Map(), problems: new Map() };
  #changed = false;
  #reading = true;
  /** Whether what the folder has was emitted once: before that nothing waits to be at rest. */
  #told = false;
  /** How often in a row something could not be read. */
  #failures = 0;
  #cancelLook = (): void => {};

  constructor(
    { folder, log, clock = steadyClock }: DirectoryOptions,
    emit: (change: ConfigChange) => void,
    signal: AbortSignal,
  ) {
    this.#folder = resolve(folder);
    this.#name = folder;
    this.#log = log;
    this.#clock = clock;
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
    this.#told = true;
    // A folder that was not there before: from here on it can come back.
    const outer = dirname(this.#folder);
    this.#watchers.watch(outer, '', name => name === basename(this.#folder) || this.#isPassed(outer, name));
    this.#reading = false;
    this.#lookAgain();
    if (this.#changed) this.#follow();
  }

  /** No event says that what could not be read can be read now, or that a file is at rest. */
  #lookAgain(): void {
    this.#cancelLook();
    this.#failures = this.#unreadable.size ? this.#failures + 1 : 0;
    const waiting = [...this.#files.values()].some(
      ({ manifest, differs }) => manifest.waiting || differs !== undefined,
    );
    if (!waiting && !this.#failures) return;
    const delay = waiting ? rest : retryAfter(this.#failures);
    this.#cancelLook = this.#clock.after(delay, () => this.#notice());
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
        this.#note(new Map([[this.#keyOf(this.#folder), `${reasonOf(error)}; what it had stays in force`]]));
      }
    }
    this.#reading = false;
    if (this.#signal.aborted) return;
    this.#lookAgain();
    this.#emitDifference();
    if (this.#changed) this.#follow();
  }

  #keyOf(path: string): ObjectKey {
    return objectKey('File', '', relative(this.#folder, path) || this.#name);
  }

  /** Keeps what could not be read, and logs what is new of it. */
  #note(unreadable: ReadonlyMap<ObjectKey, string>): void {
    for (const [object, reason] of unreadable) {
      if (this.#unreadable.get(object) !== reason) this.#log.warn({ object, reason }, 'cannot be read');
    }
    this.#unreadable = unreadable;
  }

  #emitDifference(): void {
    const parts = [...this.#files].flatMap(([path, { manifest }]): unknown[] => [path, manifest.contents]);
    for (const [key, reason] of this.#unreadable) parts.push(key, reason);
    // A scan that finds nothing new looks at no object.
    if (parts.length === this.#parts.length && parts.every((part, i) => part === this.#parts[i])) return;
    this.#parts = parts;
    const before = this.#world;
    const now = this.#combine();
    this.#world = now;
    for (const [key, { kind, object }] of before.objects) {
      if (now.objects.has(key)) continue;
      this.#emit({ op: 'delete', kind, namespace: object.metadata.namespace ?? '', name: object.metadata.name });
    }
    for (const [key, { object }] of now.objects)
      if (before.objects.get(key)?.object !== object) this.#emit({ op: 'upsert', object });
    for (const object of before.problems.keys())
      if (!now.problems.has(object)) this.#emit({ op: 'problems', object, problems: [] });
    for (const [object, problems] of now.problems)
      if (!equal(before.problems.get(object), problems)) this.#emit({ op: 'problems', object, problems });
  }

  /** Of an object in several files the first file's is in force, by path. */
  #combine(): World {
    const objects = new Map<ObjectKey, ManifestObject>();
    const owners = new Map<ObjectKey, string>();
    const problems = new Map<ObjectKey, Problem[]>();
    for (const [path, { manifest }] of [...this.#files].sort(byKey)) {
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
      // Of a file, or of an object that an API server would not take.
      for (const problem of found) problems.set(problem.object, [...(problems.get(problem.object) ?? []), problem]);
    }
    for (const [object, message] of this.#unreadable) {
      const problem: Problem = { object, path: '', message: `cannot be read: ${message}`, severity: 'error' };
      problems.set(object, [problem, ...(problems.get(object) ?? [])]);
    }
    if (!objects.size && !problems.size) {
      const object = this.#keyOf(this.#folder);
      const message = 'nothing is read from this folder: it has no object in a *.yaml, *.yml or *.json file';
      problems.set(object, [{ object, path: '', message, severity: 'warning' }]);
    }
    return { objects, problems };
  }

  /** Reads every file that is new or changed, and forgets those that are gone. Throws when the folder itself cannot be read. */
  async #scan(): Promise<void> {
    const scan: Scan = {
      folders: new Set(),
      identities: new Set(),
      files: new Map(),
      unreadable: new Map(),
      passed: new Map(),
    };
    this.#passed = scan.passed;
    await this.#scanFolder(this.#folder, scan, await stat(this.#folder, { bigint: true }));
    await this.#watchPassed(scan);
    this.#files = scan.files;
    this.#note(scan.unreadable);
    const outer = dirname(this.#folder);
    this.#watchers.keep(path => scan.folders.has(path) || scan.passed.has(path) || path === outer);
    // Events of the files just read are still in the loop's queue: they belong to this change.
    await new Promise(done => setImmediate(done));
  }

  async #scanFolder(path: string, scan: Scan, status: BigIntStats): Promise<void> {
    const identity = identityOf(status);
    // A link to a folder that was seen already would be read twice, or for ever.
    if (scan.identities.has(identity)) return;
    scan.identities.add(identity);
    scan.folders.add(path);
    // Before the listing, so that nothing that comes after it is missed.
    const unwatched = this.#watchers.watch(path, identity);
    if (unwatched) scan.unreadable.set(this.#keyOf(path), `changes in this folder are seen late: ${unwatched}`);
    // Hidden files are editors' and version control's, and the inner side of a mounted ConfigMap.
    const listed = (await readdir(path, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'));
    const links = listed.filter(entry => entry.isSymbolicLink());
    for (const way of await Promise.all(links.map(({ name }) => wayOf(join(path, name)))))
      for (const [folder, name] of way) scan.passed.set(folder, (scan.passed.get(folder) ?? new Set()).add(name));
    const entries = listed.map(({ name }) => name).sort(compare);
    // All at once: one after the other, each would wait for a turn of the event loop, and a change for as many as there are files.
    const at = this.#clock.now();
    const states = await Promise.allSettled(entries.map(entry => stat(join(path, entry), { bigint: true })));
    for (const [i, entry] of entries.entries()) {
      if (this.#signal.aborted) return;
      const inner = join(path, entry);
      try {
        const state = states[i];
        if (state?.status !== 'fulfilled') throw state?.reason;
        const found = state.value;
        if (found.isDirectory()) await this.#scanFolder(inner, scan, found);
        else if (isManifest(entry) && !found.isFile()) throw new Error('it is a pipe, a socket or a device, no file');
        else if (isManifest(entry)) await this.#readFile(inner, found, at, scan);
      } catch (error) {
        await this.#keep(inner, error, scan);
      }
    }
  }

  #isPassed(folder: string, name: string | null): boolean {
    return name === null || (this.#passed.get(folder)?.has(name) ?? false);
  }

  /** What links lead to changes elsewhere: watches that, too, and looks once more where it did not before. */
  async #watchPassed({ folders, passed, unreadable }: Scan): Promise<void> {
    for (const folder of passed.keys()) {
      if (folders.has(folder) || folder === dirname(this.#folder)) continue;
      const status = await stat(folder, { bigint: true }).catch(() => undefined);
      // Another one than where everything in the folder is of concern.
      const identity = status && `passed ${identityOf(status)}`;
      if (!identity || this.#watchers.has(folder, identity)) continue;
      const reason = this.#watchers.watch(folder, identity, name => this.#isPassed(folder, name));
      if (reason) unreadable.set(this.#keyOf(folder), `changes in this folder are seen late: ${reason}`);
      this.#changed = true;
    }
  }

  /** What is there and cannot be read keeps what it had. */
  async #keep(path: string, error: unknown, { files, unreadable }: Scan): Promise<void> {
    // Gone since it was listed: its going is an event of its own.
    if (codeOf(error) === 'ENOENT' && !(await isThere(path))) return;
    const name = relative(this.#folder, path);
    for (const [known, file] of this.#files) {
      if (known === name || known.startsWith(`${name}/`)) files.set(known, file);
    }
    // A link that leads nowhere could have been to a folder, but not if it looks like a file of another kind.
    if (isManifest(name) || extname(name) === '' || codeOf(error) !== 'ENOENT')
      unreadable.set(this.#keyOf(path), reasonOf(error));
  }

  /** `now` is before `status`, and `since` after the one that it counts from: a loop that was busy between them is no rest. */
  async #readFile(path: string, status: BigIntStats, now: number, { files, unreadable }: Scan): Promise<void> {
    const name = relative(this.#folder, path);
    const file = this.#files.get(name) ?? new File(name);
    files.set(name, file);
    const stamp = `${status.dev}:${status.ino}:${status.size}:${status.mtimeNs}:${status.ctimeNs}`;
    if (file.seen !== stamp) {
      file.seen = stamp;
      file.since = this.#clock.now();
    }
    if (file.failure) {
      const { failure } = file;
      file.failure = undefined;
      throw failure;
    }
    if (file.reading) return this.#stillUnreadable(path, unreadable);
    if (file.read === stamp && !file.manifest.waiting) return;
    const atRest = now - file.since >= rest;
    if (file.read !== stamp) file.differs ??= now;
    const mayWait = this.#told && (status.size === 0n || status.size > large);
    if (mayWait && !atRest && now - (file.differs ?? now) < longest) return;
    const reading = this.#take(file, path, status, atRest);
    if (!this.#told || status.size <= long) return reading;
    this.#stillUnreadable(path, unreadable);
    file.reading = true;
    void reading
      .catch((error: unknown) => {
        file.failure = error;
      })
      .finally(() => {
        file.reading = false;
        this.#notice();
      });
  }

  /** What could not be read, and is being read now, is unreadable until that has come to an end. */
  #stillUnreadable(path: string, unreadable: Map<ObjectKey, string>): void {
    const key = this.#keyOf(path);
    const reason = this.#unreadable.get(key);
    if (reason !== undefined) unreadable.set(key, reason);
  }

  async #take(file: File, path: string, status: BigIntStats, atRest: boolean): Promise<void> {
    const { seen } = file;
    try {
      await inSlices(file.manifest.updating(await readText(path), atRest), this.#signal);
    } catch (error) {
      if (!(error instanceof TooLargeError)) throw error;
      file.manifest.fail(`${error.message}: split it`);
    } finally {
      file.differs = undefined;
    }
    // The file system's clock ticks slowly: what was written this instant may be written again under the same stamp.
    file.read = Date.now() - Number(status.ctimeMs) < 100 ? '' : seen;
  }

  #close(): void {
    this.#cancelLook();
    this.#watchers.close();
  }
}
