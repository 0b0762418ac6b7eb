import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { RawObject } from '../../src/config/raw.ts';
import { directorySource } from '../../src/sources/directory.ts';
import { memoryLog } from '../kubernetes/log.ts';
import { configSourceContract } from './config-source.ts';

configSourceContract('A directory', false, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'directory-'));
  const file = (object: RawObject) => join(folder, `${object.metadata.name}.yaml`);
  return {
    source: () => directorySource({ folder, log: memoryLog().log }),
    put: object => writeFile(file(object), stringify(object)),
    remove: object => unlink(file(object)),
    close: () => rm(folder, { recursive: true, force: true }),
  };
});
