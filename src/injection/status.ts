import { isDeepStrictEqual } from 'node:util';
import { fieldsOf, isObject, type Json, type JsonObject, jsonIn, listOf, own } from '../unknown.ts';
import { annotation, annotationsOf, type Container, labelsOf, type Pod, PROXY } from './pod.ts';
import { containerFault } from './shape.ts';

/** The annotation that says what was injected; there is none in a pod that was not. */
export const STATUS = 'sidecar.istio.io/status';

/** Containers that the user had under the name of an injected one, as they were; so that the pod can be injected once more. */
export const OVERRIDES = 'proxy.istio.io/overrides';

/** The annotation by which a pod chooses the image of its proxy, and by which one says its image that is not of Istio's settings. */
export const PROXY_IMAGE = 'sidecar.istio.io/proxyImage';

/** Annotations without the image, where it is said and was not chosen. */
export function chosen(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { [PROXY_IMAGE]: image, ...others } = annotations;
  const isSaid = image !== undefined && annotations[STATUS]?.includes(`"${PROXY_IMAGE}":null`);
  return isSaid ? others : annotations;
}

/** Names of what was injected. */
export interface InjectionStatus {
  readonly initContainers: readonly string[];
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
  readonly imagePullSecrets: readonly string[];
  readonly revision: string;
  /** What was there before; istiod does not say it. */
  readonly before?: Before | undefined;
}

/** What fields that were changed had before; null where they were not there. */
export interface Before {
  readonly labels: { readonly [name: string]: string | null };
  readonly annotations: { readonly [name: string]: string | null };
  /** Fields of the spec, but for lists of what has a name. */
  readonly spec: { readonly [field: string]: Json };
  /** Volumes and secrets that were there under names of injected ones. */
  readonly volumes: readonly string[];
  readonly imagePullSecrets: readonly string[];
  /** What was there with nothing in it, of the metadata and of lists: `volumes: []`. */
  readonly empty: readonly string[];
}

const lists = ['initContainers', 'containers', 'volumes', 'imagePullSecrets'] as const;

/** What may have nothing in it once nothing injected is there; and goes then, unless it was there before. */
export const EMPTIED = ['metadata', 'labels', 'annotations', 'initContainers', 'volumes', 'imagePullSecrets'] as const;

const listsOfSpec: ReadonlySet<string> = new Set(lists);

/** What an earlier injection says that it added; undefined where there was none, or its words cannot be read. */
export function statusOf(pod: Pod): InjectionStatus | undefined {
  const json = jsonIn(annotation(pod, STATUS));
  if (!isObject(json)) return undefined;
  const names = (list: unknown) => listOf(list).filter(name => typeof name === 'string');
  const { revision, before } = json;
  const fields = (value: unknown, isOne: (field: string, inner: Json | undefined) => boolean) =>
    Object.fromEntries(Object.entries(fieldsOf(value)).filter(([field, inner]) => isOne(field, inner)));
  const texts = (value: unknown) => fields(value, (_, text) => text === null || typeof text === 'string');
  return {
    initContainers: names(json['initContainers']),
    containers: names(json['containers']),
    volumes: names(json['volumes']),
    imagePullSecrets: names(json['imagePullSecrets']),
    revision: typeof revision === 'string' ? revision : 'default',
    before: isObject(before)
      ? {
          labels: texts(before['labels']) as Before['labels'],
          annotations: texts(before['annotations']) as Before['annotations'],
          spec: fields(before['spec'], field => !listsOfSpec.has(field)) as Before['spec'],
          volumes: names(before['volumes']),
          imagePullSecrets: names(before['imagePullSecrets']),
          empty: names(before['empty']),
        }
      : undefined,
  };
}

/** What of `before` is another value in `after`, sorted by name; null for what is not there. */
const changes = (before: JsonObject, after: JsonObject): { readonly [name: string]: Json } =>
  Object.fromEntries(
    [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .sort()
      .filter(name => !isDeepStrictEqual(own(before, name), own(after, name)))
      .map(name => [name, own(before, name) ?? null]),
  );

/** What is to be known of the pod before its injection to make it again. */
function beforeOf(original: Pod, injected: Pod, patch: Pod): JsonObject {
  const without = (pod: Pod) =>
    Object.fromEntries(Object.entries(pod.spec ?? {}).filter(([field]) => !listsOfSpec.has(field)));
  const { [STATUS]: _, [OVERRIDES]: __, ...annotations } = annotationsOf(injected);
  const had = (list: 'volumes' | 'imagePullSecrets') =>
    (patch.spec?.[list] ?? [])
      .map(({ name }) => name)
      .filter(name => original.spec?.[list]?.some(item => item.name === name));
  // An API server completes a budget from the containers, injected ones included.
  const { resources } = original.spec ?? {};
  const places = { metadata: original.metadata, ...original.metadata, ...original.spec };
  const all = {
    labels: changes(labelsOf(original), labelsOf(injected)),
    annotations: changes(annotationsOf(original), annotations),
    spec: { ...changes(without(original), without(injected)), ...(resources !== undefined && { resources }) },
    volumes: had('volumes'),
    imagePullSecrets: had('imagePullSecrets'),
    empty: EMPTIED.filter(field => Object.keys(own(places, field) ?? [0]).length === 0),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => Object.keys(value).length > 0));
}

/** The status annotation: what a patch added, by name, where an empty list is null as Go writes it; and what was there before. */
export function statusText(original: Pod, injected: Pod, patch: Pod, revision: string): string {
  const names = lists.map(list => {
    const items = patch.spec?.[list] ?? [];
    return [list, items.length ? items.map(({ name }) => name) : null] as const;
  });
  return JSON.stringify({
    ...Object.fromEntries(names),
    revision: revision || 'default',
    before: beforeOf(original, injected, patch),
  });
}

/** The user's own containers under names of injected ones, but for what is none. */
interface Overrides {
  readonly containers: readonly Container[];
  readonly initContainers: readonly Container[];
}

export function overridesOf(pod: Pod): Overrides {
  const { containers, initContainers } = fieldsOf(jsonIn(annotation(pod, OVERRIDES)));
  const read = (list: unknown) => listOf(list).filter((c): c is Container => containerFault(c, '') === undefined);
  return { containers: read(containers), initContainers: read(initContainers) };
}

/** Whether the user chose the image of the proxy, by a container of that name. */
export const hasOwnImage = (pod: Pod): boolean => {
  if (annotation(pod, OVERRIDES) === undefined) return false;
  const { containers, initContainers } = overridesOf(pod);
  const image = [...containers, ...initContainers].find(({ name }) => name === PROXY)?.image;
  return image !== undefined && image !== 'auto';
};
