import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RawObject } from '../../src/config/raw.ts';
import { readObjects, yamlFiles } from '../support/folder.ts';
import { type Family, inFamily } from './family.ts';

const here = import.meta.dirname;
export const baseFolder = join(here, 'base');
const scenarioFolder = join(here, 'scenarios');

/** Files of a scenario that are not objects. */
const aside = ['proxies.yaml', 'meshconfig.yaml'];

/**
 * A folder with the objects that are brought into the base mesh (`input.yaml`), the proxies that are looked at (`proxies.yaml`) and, where
 * the mesh's settings matter, a `meshconfig.yaml` in place of the base's.
 */
export interface Scenario {
  readonly name: string;
  readonly folder: string;
  readonly objects: readonly RawObject[];
  readonly meshConfig: string;
  /** Changes with every input that could change what istiod says. */
  readonly hash: string;
}

const objectFiles = (folder: string): readonly string[] =>
  yamlFiles(folder).filter(file => !aside.some(name => file.endsWith(`/${name}`)));

/** Where the folder's MeshConfig is, or the base's. */
const meshConfigOf = (folder: string): string => {
  const own = join(folder, 'meshconfig.yaml');
  return existsSync(own) ? own : join(baseFolder, 'meshconfig.yaml');
};

/** Reads a scenario as it is in a cluster of a family. Throws where its YAML is broken. */
export function scenario(name: string, reference: string, family: Family = 'ipv4'): Scenario {
  const folder = join(scenarioFolder, name);
  const { objects, problems } = readObjects(folder, objectFiles(folder));
  const [problem] = problems.filter(p => p.severity === 'error');
  if (problem) throw new Error(`${name}: ${problem.object} ${problem.path}: ${problem.message}`);
  const hash = createHash('sha256').update(reference);
  if (family !== 'ipv4') hash.update(family);
  for (const file of [...yamlFiles(baseFolder), ...yamlFiles(folder)]) hash.update(readFileSync(file));
  return {
    name,
    folder,
    objects: inFamily(objects, family),
    meshConfig: meshConfigOf(folder),
    hash: hash.digest('hex').slice(0, 24),
  };
}

const bases = new Map<Family, readonly RawObject[]>();

/** The objects of the mesh that every scenario is brought into. */
export function baseObjects(family: Family): readonly RawObject[] {
  let objects = bases.get(family);
  if (!objects) {
    const files = yamlFiles(baseFolder).filter(file => !file.endsWith('/meshconfig.yaml'));
    objects = inFamily(readObjects(baseFolder, files).objects, family);
    bases.set(family, objects);
  }
  return objects;
}

/** The names of all scenarios; those with settings of their own come last, since istiod takes a while to follow them. */
export function scenarioNames(): readonly string[] {
  const names = readdirSync(scenarioFolder, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort();
  const hasMesh = (name: string): boolean => existsSync(join(scenarioFolder, name, 'meshconfig.yaml'));
  return [...names.filter(name => !hasMesh(name)), ...names.filter(hasMesh)];
}
