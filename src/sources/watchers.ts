import { type BigIntStats, type FSWatcher, watch } from 'node:fs';
import { codeOf, reasonOf } from './unreadable.ts';

/** Of folders of one name: what tells them apart. */
export const identityOf = ({ dev, ino, birthtimeNs }: BigIntStats): string => `${dev}:${ino}:${birthtimeNs}`;

/** One watcher for each folder: it sees files written, replaced by a rename, made and removed in it. */
export class Watchers {
  readonly #notice: () => void;
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher; readonly identity: string }>();

  #closed = false;

  constructor(notice: () => void) {
    this.#notice = notice;
  }

  has(path: string, identity: string): boolean {
    return this.#watchers.get(path)?.identity === identity;
  }

  /** `concerns`: whether a change of this name is to be noticed. Gives the reason where there can be no watcher. */
  watch(path: string, identity: string, concerns: (name: string | null) => boolean = () => true): string | undefined {
    if (this.#closed || this.has(path, identity)) return undefined;
    // A folder of the same name that is another one; the old one's watcher will never see anything again.
    this.#unwatch(path);
    try {
      const watcher = watch(path, (_, name) => concerns(name) && this.#notice());
      watcher.on('error', () => this.#unwatch(path));
      this.#watchers.set(path, { watcher, identity });
      return undefined;
    } catch (error) {
      return codeOf(error) === 'ENOENT' ? undefined : reasonOf(error);
    }
  }

  /** Ends all others. */
  keep(is: (path: string) => boolean): void {
    for (const path of [...this.#watchers.keys()]) if (!is(path)) this.#unwatch(path);
  }

  close(): void {
    this.#closed = true;
    this.keep(() => false);
  }

  #unwatch(path: string): void {
    this.#watchers.get(path)?.watcher.close();
    this.#watchers.delete(path);
  }
}
