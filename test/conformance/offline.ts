import { dirname } from 'node:path';
import type { RawObject } from '../../src/config/raw.ts';
import { objectKey } from '../../src/object-key.ts';
import type { Case } from '../support/case.ts';
import { contentsOf, readObjects } from '../support/folder.ts';
import { worldOf } from '../support/golden.ts';
import { proxiesOf } from '../support/proxies.ts';
import { endpointSlices } from './endpoint-slices.ts';
import type { Family } from './family.ts';
import { baseObjects, scenario, scenarioNames } from './scenario.ts';

const read = (file: string): readonly RawObject[] => readObjects(dirname(file), [file]).objects;

const keyOf = ({ kind, metadata }: RawObject): string => objectKey(kind, metadata.namespace ?? '', metadata.name);

/**
 * A scenario without a cluster: its objects in the base mesh, where they replace those of their names, with the EndpointSlices that Kubernetes
 * would make.
 */
export function offlineScenario(name: string, family: Family = 'ipv4'): Case {
  const { folder, objects: own, meshConfig } = scenario(name, '', family);
  const byKey = new Map([...baseObjects(family), ...own].map(object => [keyOf(object), object]));
  const given = [...byKey.values()];
  const objects = { objects: [...given, ...endpointSlices(given), ...read(meshConfig)], problems: [] };
  return {
    name,
    folder,
    proxies: proxiesOf(folder, contentsOf(objects)),
    objects,
    world: () => worldOf({ objects }),
  };
}

/** All scenarios in a cluster of a family. */
export const offlineScenarios = (family: Family = 'ipv4'): readonly Case[] =>
  scenarioNames().map(name => offlineScenario(name, family));
