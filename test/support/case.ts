import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { World } from '../../src/world.ts';
import { type Objects, readObjects, readYaml, yamlFiles } from './folder.ts';
import { member } from './json.ts';
import type { NamedProxy } from './proxies.ts';

const repository = join(import.meta.dirname, '..', '..');
const casesFolder = join(repository, 'test', 'cases');

/** Files of a case that are not objects. */
const aside = ['case.yaml', 'proxies.yaml', 'meshconfig.yaml', 'calls.yaml', 'problems.yaml'];

/** A folder of `test/cases`, whose README says what is in it. */
export interface CaseFolder {
  readonly name: string;
  readonly folder: string;
  /** Whether its objects are all that there is, rather than brought into the base mesh: then its output is kept beside it. */
  readonly alone: boolean;
  /** Its own objects, without the settings of the mesh. */
  readonly objects: Objects;
  /** The file with the settings of the mesh, where it has one. */
  readonly meshConfig: string | undefined;
  /** The file that says what calls come to, where there is one. */
  readonly calls: string | undefined;
}

/** A mesh, and the proxies in it that are asked for. */
export interface Case {
  readonly name: string;
  readonly folder: string;
  readonly proxies: readonly NamedProxy[];
  readonly objects: Objects;
  world(): World;
}

const texts = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);

const fileIn = (folder: string, name: string): string | undefined => {
  const file = join(folder, name);
  return existsSync(file) ? file : undefined;
};

/** The names of all cases. */
export const caseNames = (): readonly string[] =>
  readdirSync(casesFolder, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort();

/** Whether a case stands alone; see {@link CaseFolder}. */
export const isAlone = (name: string): boolean => existsSync(join(casesFolder, name, 'case.yaml'));

/** Reads a case. */
export function caseFolder(name: string): CaseFolder {
  const folder = join(casesFolder, name);
  const own = yamlFiles(folder).filter(file => !aside.includes(basename(file)));
  const inputs = texts(member(readYaml(join(folder, 'case.yaml')), 'inputs'));
  const shared = inputs.flatMap(input => yamlFiles(join(repository, input)));
  const read = [readObjects(folder, own), ...shared.map(file => readObjects(dirname(file), [file]))];
  return {
    name,
    folder,
    alone: isAlone(name),
    objects: { objects: read.flatMap(({ objects }) => objects), problems: read.flatMap(({ problems }) => problems) },
    meshConfig: fileIn(folder, 'meshconfig.yaml'),
    calls: fileIn(folder, 'calls.yaml'),
  };
}
