import { watch } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Logger } from 'pino';
import type { RawObject } from '../config/raw.ts';
import type { ConfigChange } from '../config/store.ts';
import { objectKey } from '../object-key.ts';
import { readText } from './file-text.ts';
import type { ConfigSource } from './source.ts';
import { reasonOf, rest, retryAfter } from './unreadable.ts';

/** The file's text is read as the ConfigMap `istio` holds it. */
const meshConfig = (mesh: string): RawObject => ({
  apiVersion: '',
  kind: 'MeshConfig',
  metadata: { name: 'istio' },
  data: { mesh },
});

/** The file's text. Rejects with why it has none; the operating system's errors as they are. */
async function textOf(file: string): Promise<string> {
  const decoded = await readText(file);
  if ('message' in decoded) throw new Error(`line ${decoded.line}: ${decoded.message}`);
  return decoded.text;
}

/** A file that is followed. */
class Followed {
  readonly #file: string;
  readonly #key: ReturnType<typeof objectKey>;
  readonly #log: Pick<Logger, 'warn'>;
  readonly #emit: (change: ConfigChange) => void;
  readonly #signal: AbortSignal;
  #changed = false;
  #reading = true;
  #text = '';
  /** Since when it is empty, in milliseconds. */
  #empty: number | undefined;
  /** Why it cannot be read; empty where it can. */
  #failure = '';
  /** How often in a row. */
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(
    { file, log }: { readonly file: string; readonly log: Pick<Logger, 'warn'> },
    emit: (change: ConfigChange) => void,
    signal: AbortSignal,
  ) {
    this.#file = resolve(file);
    this.#key = objectKey('File', '', file);
    this.#log = log;
    this.#emit = emit;
    this.#signal = signal;
  }

  async start(): Promise<void> {
    // The folder, not the file: a mounted ConfigMap changes by a link beside the file.
    const watcher = watch(dirname(this.#file), () => this.#notice());
    watcher.on('error', error => this.#fail(`changes will not be seen: ${reasonOf(error)}`));
    const close = () => {
      watcher.close();
      clearTimeout(this.#retry);
    };
    this.#signal.addEventListener('abort', close, { once: true });
    try {
      this.#text = await textOf(this.#file);
    } catch (error) {
      close();
      throw error;
    }
    if (this.#signal.aborted) return;
    this.#emit({ op: 'replace', kind: 'MeshConfig', objects: [meshConfig(this.#text)] });
    await this.#follow();
  }

  #notice(): void {
    this.#changed = true;
    if (!this.#reading && !this.#signal.aborted) void this.#follow();
  }

  async #follow(): Promise<void> {
    this.#reading = true;
    while (this.#changed && !this.#signal.aborted) {
      this.#changed = false;
      try {
        this.#take(await textOf(this.#file));
      } catch (error) {
        this.#fail(reasonOf(error));
      }
    }
    this.#reading = false;
  }

  #take(text: string): void {
    if (this.#signal.aborted) return;
    if (text.trim() === '' && this.#text.trim() !== '') {
      this.#empty ??= performance.now();
      // Most writers empty a file before they fill it again.
      if (performance.now() - this.#empty >= rest) this.#fail('it is empty');
      else this.#again(rest);
      return;
    }
    this.#empty = undefined;
    clearTimeout(this.#retry);
    this.#failures = 0;
    this.#report('');
    if (text === this.#text) return;
    this.#text = text;
    this.#emit({ op: 'upsert', object: meshConfig(text) });
  }

  /** The last text stays in force, and the file is read again after a while: nothing tells that it can be. */
  #fail(reason: string): void {
    if (this.#signal.aborted) return;
    this.#failures++;
    this.#again(retryAfter(this.#failures));
    this.#report(reason);
  }

  #again(delay: number): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#notice(), delay).unref();
  }

  #report(failure: string): void {
    if (failure === this.#failure) return;
    this.#failure = failure;
    const object = this.#key;
    const message = `the mesh's settings cannot be read, and their last version stays in force: ${failure}`;
    if (failure) this.#log.warn({ object, reason: failure }, 'cannot be read');
    this.#emit({ op: 'problems', object, problems: failure ? [{ object, path: '', message, severity: 'error' }] : [] });
  }
}

/**
 * A file with the mesh's settings in YAML, followed when it changes, also where it is replaced by a rename or is mounted from a ConfigMap.
 * `synced` rejects when it cannot be read at first; later the last text that could be read stays in force, with a Problem of the file.
 */
export const meshConfigFile = (options: {
  readonly file: string;
  readonly log: Pick<Logger, 'warn'>;
}): ConfigSource => ({
  name: `mesh configuration ${options.file}`,
  run: (emit, signal) => ({ synced: new Followed(options, emit, signal).start() }),
});
