import { dirname } from 'node:path';
import type { RawObject } from '../../src/config/raw.ts';
import { objectKey } from '../../src/model/object.ts';
import type { World } from '../../src/world.ts';
import { contentsOf, type Objects, readObjects, yamlFiles } from '../support/folder.ts';
import { worldOf } from '../support/golden.ts';
import { type NamedProxy, proxiesOf } from '../support/proxies.ts';
import { endpointSlices } from './endpoint-slices.ts';
import { baseFolder, scenario, scenarioNames } from './scenario.ts';

/** A scenario without a cluster: its objects in the base mesh, with the EndpointSlices that Kubernetes would make. */
export interface OfflineScenario {
  readonly name: string;
  readonly proxies: readonly NamedProxy[];
  readonly objects: Objects;
  world(): World;
}

const read = (file: string): readonly RawObject[] => readObjects(dirname(file), [file]).objects;

const keyOf = ({ kind, metadata }: RawObject): string => objectKey(kind, metadata.namespace ?? '', metadata.name);

/** Reads a scenario; what it brings replaces the base's object of that name. */
export function offlineScenario(name: string): OfflineScenario {
  const { folder, objects: own, meshConfig } = scenario(name, '');
  const base = yamlFiles(baseFolder)
    .filter(file => !file.endsWith('/meshconfig.yaml'))
    .flatMap(read);
  const byKey = new Map([...base, ...own].map(object => [keyOf(object), object]));
  const given = [...byKey.values()];
  const objects = { objects: [...given, ...endpointSlices(given), ...read(meshConfig)], problems: [] };
  return {
    name,
    proxies: proxiesOf(folder, contentsOf(objects)),
    objects,
    world: () => worldOf({ objects }),
  };
}

/** All scenarios. */
export const offlineScenarios = (): readonly OfflineScenario[] => scenarioNames().map(offlineScenario);
