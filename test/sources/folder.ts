import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Clock } from '../../src/clock.ts';
import { type ConfigChange, type ConfigContents, ConfigStore } from '../../src/config/store.ts';
import { objectKey } from '../../src/object-key.ts';
import { directorySource } from '../../src/sources/directory.ts';

export const log = { warn: () => {} };

/** A folder, a source over it and a store that it feeds. */
export class Folder implements AsyncDisposable {
  readonly path: string;
  readonly changes: ConfigChange[] = [];
  readonly #store = new ConfigStore();
  readonly #stop = new AbortController();

  constructor(path: string) {
    this.path = path;
  }

  /** With a clock of the test's, the time in which files are at rest is told by that. */
  static async with(files: Readonly<Record<string, string>>, clock?: Clock): Promise<Folder> {
    const folder = new Folder(join(await mkdtemp(join(tmpdir(), 'directory-')), 'config'));
    await mkdir(folder.path);
    for (const [name, text] of Object.entries(files)) await folder.write(name, text);
    return folder.#start(clock);
  }

  /** Over a folder that is there, in one that nothing else is in. */
  static over(path: string): Promise<Folder> {
    return new Folder(path).#start();
  }

  async #start(clock?: Clock): Promise<Folder> {
    const emit = (change: ConfigChange) => {
      this.changes.push(change);
      this.#store.apply(change);
    };
    await directorySource({ folder: this.path, log, ...(clock && { clock }) }).run(emit, this.#stop.signal).synced;
    return this;
  }

  async write(name: string, text: string | Buffer): Promise<void> {
    await mkdir(dirname(join(this.path, name)), { recursive: true });
    await writeFile(join(this.path, name), text);
  }

  get contents(): ConfigContents {
    return this.#store.contents();
  }

  /** The Services by name, with their first port. */
  get services(): string {
    const all = [...this.contents.Service.values()].map(({ meta, ports }) => `${meta.name}:${ports[0]?.port}`);
    return all.sort().join(' ');
  }

  problemsOf(file: string): string {
    const found = this.contents.problems.get(objectKey('File', '', file)) ?? [];
    return found.map(({ path, message }) => `${path} ${message}`.trim()).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await rm(dirname(this.path), { recursive: true });
  }
}

/** A Service. */
export const service = (name: string, port = 80) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: ${port}}]}\n`;
