import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Logger } from 'pino';
import type { RawObject } from '../config/raw.ts';
import type { ConfigChange } from '../config/store.ts';
import type { ConfigSource } from './source.ts';

/** The file's text is read as the ConfigMap `istio` holds it. */
const meshConfig = (mesh: string): RawObject => ({
  apiVersion: '',
  kind: 'MeshConfig',
  metadata: { name: 'istio' },
  data: { mesh },
});

/**
 * A file with the mesh's settings in YAML, followed when it changes, also where it is replaced by a rename or is mounted from a ConfigMap.
 * `synced` rejects when it cannot be read at first; later the last text that could be read stays in force.
 */
export function meshConfigFile(options: { readonly file: string; readonly log: Pick<Logger, 'warn'> }): ConfigSource {
  const file = resolve(options.file);

  async function start(emit: (change: ConfigChange) => void, signal: AbortSignal): Promise<void> {
    let changed = false;
    let reading = true;
    let text: string | undefined;
    const follow = async (): Promise<void> => {
      reading = true;
      while (changed && !signal.aborted) {
        changed = false;
        try {
          const now = await readFile(file, 'utf8');
          // Writers truncate a file before they fill it again.
          if (now === text || now === '' || signal.aborted) continue;
          text = now;
          emit({ op: 'upsert', object: meshConfig(now) });
        } catch (error) {
          options.log.warn(
            { file, err: error },
            'the mesh configuration cannot be read; its last version stays in force',
          );
        }
      }
      reading = false;
    };
    // The folder, not the file: a mounted ConfigMap changes by a link beside the file.
    const watcher = watch(dirname(file), () => {
      changed = true;
      if (!reading) void follow();
    });
    watcher.on('error', error =>
      options.log.warn({ file, err: error }, 'changes of the mesh configuration will not be seen'),
    );
    signal.addEventListener('abort', () => watcher.close(), { once: true });
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      watcher.close();
      throw error;
    }
    if (signal.aborted) return;
    emit({ op: 'replace', kind: 'MeshConfig', objects: [meshConfig(text)] });
    await follow();
  }

  return {
    name: `mesh configuration ${options.file}`,
    run: (emit, signal) => ({ synced: start(emit, signal) }),
  };
}

const isMeshConfig = (change: ConfigChange): boolean =>
  change.op === 'upsert'
    ? change.object.kind === 'MeshConfig'
    : change.op !== 'problems' && change.kind === 'MeshConfig';

/** A source without its own settings of the mesh, for when they come from a file. */
export const withoutMeshConfig = (source: ConfigSource): ConfigSource => ({
  name: source.name,
  run: (emit, signal) =>
    source.run(change => {
      if (!isMeshConfig(change)) emit(change);
    }, signal),
});
