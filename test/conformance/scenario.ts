import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RawObject } from '../../src/config/raw.ts';
import { caseFolder, caseNames, isAlone } from '../support/case.ts';
import { readObjects, yamlFiles } from '../support/folder.ts';
import { type Family, inFamily } from './family.ts';

const here = import.meta.dirname;
export const baseFolder = join(here, 'base');

/** A case that is brought into the base mesh; its settings of the mesh, where it has some, stand in place of the base's. */
export interface Scenario {
  readonly name: string;
  readonly folder: string;
  readonly objects: readonly RawObject[];
  readonly meshConfig: string;
  /** Changes with every input that could change what istiod says. */
  readonly hash: string;
}

/** Reads a scenario as it is in a cluster of a family. Throws where its YAML is broken. */
export function scenario(name: string, reference: string, family: Family = 'ipv4'): Scenario {
  const { folder, objects: read, meshConfig = join(baseFolder, 'meshconfig.yaml'), calls } = caseFolder(name);
  const [problem] = read.problems.filter(p => p.severity === 'error');
  if (problem) throw new Error(`${name}: ${problem.object} ${problem.path}: ${problem.message}`);
  const hash = createHash('sha256').update(reference);
  if (family !== 'ipv4') hash.update(family);
  const asked = yamlFiles(folder).filter(file => file !== calls);
  for (const file of [...yamlFiles(baseFolder), ...asked]) hash.update(readFileSync(file));
  return {
    name,
    folder,
    objects: inFamily(read.objects, family),
    meshConfig,
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
  const names = caseNames().filter(name => !isAlone(name));
  const hasMesh = (name: string): boolean => caseFolder(name).meshConfig !== undefined;
  return [...names.filter(name => !hasMesh(name)), ...names.filter(hasMesh)];
}
