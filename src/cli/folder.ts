import { readdir } from 'node:fs/promises';
import { type ConfigContents, ConfigStore } from '../config/store.ts';
import { silentLog } from '../log/log.ts';
import { directorySource } from '../sources/directory.ts';
import { orOsError } from './os-error.ts';

/** Throws a UsageError where `--config` names no folder that can be read. */
export async function checkFolder(folder: string): Promise<void> {
  await orOsError(`--config: ${folder}`, readdir(folder));
}

/** Reads the objects of the folder that `--config` names once. Throws a UsageError where there is none. */
export async function readFolder(folder: string): Promise<ConfigContents> {
  await checkFolder(folder);
  const store = new ConfigStore();
  const reading = new AbortController();
  try {
    const source = directorySource({ folder, log: silentLog });
    await source.run(change => void store.apply(change), reading.signal).synced;
    return store.contents();
  } finally {
    reading.abort();
  }
}
