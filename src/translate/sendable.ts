import { type Problem, problemLine } from '../config/problem.ts';
import { memo } from '../memo.ts';
import type { EnvoyBuild } from '../model/proxy/traits.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import { type Fault, findAllFaults, pathText } from '../proto/faults.ts';
import type { Metadata } from '../proto/generated/envoy/config/core/v3.ts';
import type { AnyMessage, MessageTypes } from '../proto/message.ts';
import type { Step } from '../proto/report.ts';
import { configObject } from './config-metadata.ts';
import { type Mended, mend, refused } from './mend.ts';
import type { Resource, ResourceName, Translated } from './resource.ts';

const MESH_CONFIG = objectKey('MeshConfig', '', 'istio');
const NO_FAULTS: readonly Fault[] = Object.freeze([]);

const refuses = (minor: number, { since }: Fault): boolean => since === undefined || minor < since;

/** The object that the innermost message on the way to a fault says it came from. */
function objectOf(message: unknown, path: readonly Step[]): ObjectKey | undefined {
  let found: ObjectKey | undefined;
  let at = message;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) break;
    found = configObject((at as { readonly metadata?: Metadata }).metadata) ?? found;
    at = Reflect.get(at, step);
  }
  return found;
}

/** Mends a message; where something is wrong still, nothing but what stands for the whole is left. */
function mended<N extends ResourceName>(
  type: N,
  message: MessageTypes[N],
  faults: readonly Fault[],
  minor: number,
): Mended<MessageTypes[N]> {
  const isWhole = (result: MessageTypes[N] | undefined): boolean =>
    result === undefined || !findAllFaults(type, result as AnyMessage).some(fault => refuses(minor, fault));
  const first = mend(type, message, faults);
  if (isWhole(first.message)) return first;
  const last = refused(type, message, faults);
  return isWhole(last.message) ? last : { ...last, message: undefined };
}

const mendedResource = memo(
  (
    type: ResourceName,
    minor: number,
    given: Resource<MessageTypes[ResourceName]>,
  ): Translated<MessageTypes[ResourceName]> => {
    const { name, sources, faults } = given;
    const wrong = faults.filter(fault => refuses(minor, fault));
    if (!wrong.length) return { resources: [given], problems: [] };
    const { message, mendings } = mended(type, given.message, wrong, minor);
    const [first = MESH_CONFIG] = sources;
    const problems = mendings.map(({ fault, instead, withinMeshPart }): Problem => {
      const from = fault.since === undefined ? '' : ` (Envoy 1.${fault.since} takes it, this is 1.${minor})`;
      const what = withinMeshPart
        ? pathText(withinMeshPart)
        : `${type.slice(type.lastIndexOf('.') + 1)} ${name}, ${pathText(fault.path)}`;
      return {
        object: withinMeshPart ? MESH_CONFIG : (objectOf(given.message, fault.path) ?? first),
        path: '',
        message: `${what}: ${fault.message}${from}: ${instead}`,
        severity: 'error',
      };
    });
    return {
      resources: message ? [Object.freeze({ ...given, message: Object.freeze(message), faults: NO_FAULTS })] : [],
      problems,
    };
  },
);

/** What MeshConfig says is in many resources: it is said once. */
const onceEach = (problems: readonly Problem[]): readonly Problem[] =>
  problems.length > 1 ? [...new Map(problems.map(problem => [problemLine(problem), problem])).values()] : problems;

const sendableList = memo(
  (
    type: ResourceName,
    minor: number,
    list: readonly Resource<MessageTypes[ResourceName]>[],
  ): Translated<MessageTypes[ResourceName]> => {
    if (list.every(({ faults }) => faults.length === 0)) return { resources: list, problems: [] };
    const all = list.map(given => mendedResource(type, minor, given));
    return { resources: all.flatMap(r => r.resources), problems: all.flatMap(r => r.problems) };
  },
);

/** What of each part an Envoy takes: the very list where it takes all. What it refuses is mended, and where that cannot be it is not sent. */
export function sendable<N extends ResourceName>(
  type: N,
  { version: [, minor] }: EnvoyBuild,
  parts: readonly (readonly Resource<MessageTypes[N]>[])[],
): SentParts<MessageTypes[N]> {
  // What is made of a list has the type of its messages.
  const sent = parts.map(list => sendableList(type, minor || NEWEST, list) as Translated<MessageTypes[N]>);
  return {
    parts: sent.map(({ resources }) => resources),
    problems: onceEach(sent.flatMap(({ problems }) => problems)),
  };
}

/** Resources in parts, each of which proxies share that have it. */
export interface SentParts<M> {
  readonly parts: readonly (readonly Resource<M>[])[];
  readonly problems: readonly Problem[];
}

/** Taken for the version of an Envoy that does not say it. */
const NEWEST = 999;
