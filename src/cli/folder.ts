import { type ConfigContents, ConfigStore } from '../config/store.ts';
import { createLog } from '../log.ts';
import { directorySource } from '../sources/directory.ts';

/** Reads the objects of a folder once. Rejects where there is no such folder. */
export async function readFolder(folder: string): Promise<ConfigContents> {
  const store = new ConfigStore();
  const reading = new AbortController();
  try {
    const source = directorySource({ folder, log: createLog('silent') });
    await source.run(change => void store.apply(change), reading.signal).synced;
    return store.contents();
  } finally {
    reading.abort();
  }
}
