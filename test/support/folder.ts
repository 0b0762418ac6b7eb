import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parse } from 'yaml';
import type { Problem } from '../../src/config/problem.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { type ConfigContents, ConfigStore } from '../../src/config/store.ts';
import { Manifest } from '../../src/sources/manifest.ts';

/** The objects of files, in the order of the files and documents, and what is wrong with the files themselves. */
export interface Objects {
  readonly objects: readonly RawObject[];
  readonly problems: readonly Problem[];
}

/** Reads YAML files below `root` (`meshconfig.yaml` is the MeshConfig). Later folders may refer to the same objects as earlier ones: the first counts. */
export function readObjects(root: string, files: readonly string[]): Objects {
  const objects = new Map<string, RawObject>();
  const problems: Problem[] = [];
  for (const file of files) {
    const manifest = new Manifest(relative(root, file));
    manifest.update(readFileSync(file));
    problems.push(...manifest.contents.problems);
    for (const [key, { object }] of manifest.contents.objects) if (!objects.has(key)) objects.set(key, object);
  }
  return { objects: [...objects.values()], problems };
}

/** Every `*.yaml` directly in a folder, sorted. */
export const yamlFiles = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter(name => name.endsWith('.yaml'))
    .sort()
    .map(name => join(folder, name));

/** What a store holds after it was given the objects in this order. */
export function contentsOf({ objects, problems }: Objects): ConfigContents {
  const store = new ConfigStore();
  for (const object of objects) store.apply({ op: 'upsert', object });
  for (const problem of problems) {
    const found = problems.filter(other => other.object === problem.object);
    store.apply({ op: 'problems', object: problem.object, problems: found });
  }
  return store.contents();
}

/** A YAML file as a value; undefined where there is none. */
export function readYaml(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
