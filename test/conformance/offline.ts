import { dirname } from 'node:path';
import type { RawObject } from '../../src/config/raw.ts';
import { objectKey } from '../../src/object-key.ts';
import type { World } from '../../src/world.ts';
import { contentsOf, type Objects, readObjects } from '../support/folder.ts';
import { worldOf } from '../support/golden.ts';
import { type NamedProxy, proxiesOf } from '../support/proxies.ts';
import { endpointSlices } from './endpoint-slices.ts';
import type { Family } from './family.ts';
import { baseObjects, scenario, scenarioNames } from './scenario.ts';

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
export function offlineScenario(name: string, family: Family = 'ipv4'): OfflineScenario {
  const { folder, objects: own, meshConfig } = scenario(name, '', family);
  const byKey = new Map([...baseObjects(family), ...own].map(object => [keyOf(object), object]));
  const given = [...byKey.values()];
  const objects = { objects: [...given, ...endpointSlices(given), ...read(meshConfig)], problems: [] };
  return {
    name,
    proxies: proxiesOf(folder, contentsOf(objects)),
    objects,
    world: () => worldOf({ objects }),
  };
}

/** All scenarios in a cluster of a family. */
export const offlineScenarios = (family: Family = 'ipv4'): readonly OfflineScenario[] =>
  scenarioNames().map(name => offlineScenario(name, family));
