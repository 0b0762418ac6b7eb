import { fieldsOf, isList, isObject, type JsonObject, own, textOf } from '../unknown.ts';
import type { Pod } from './pod.ts';
import type { Workload } from './workload.ts';

/** A pod in an object, or the object itself. */
export interface PodInObject {
  /** The fields that lead to it. */
  readonly path: readonly string[];
  readonly pod: Pod;
  /** Undefined for a pod, which its owner tells of. */
  readonly workload: Workload | undefined;
  /** Where its pods will be, as far as the object says; empty where it does not. */
  readonly namespace: string;
}

const at = (object: JsonObject, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, field) => own(fieldsOf(value), field), object);

/** Templates of pods, in the order in which they are looked for: a CronJob's, and that of every workload. */
const paths = [
  ['spec', 'jobTemplate', 'spec', 'template'],
  ['spec', 'template'],
] as const;

const isPod = (value: unknown): value is Pod =>
  isObject(value) && isObject(value['spec']) && isList(value['spec']['containers']);

/** Knative takes no init container and no volume of the node in its templates: the webhook injects the pods that it makes of them. */
const takesNoSidecar = (apiVersion: string): boolean => apiVersion.startsWith('serving.knative.dev/');

/** The pod that an object makes, whatever kind it is: one has a template of a pod or has none. */
export function podIn(object: JsonObject): PodInObject | undefined {
  const [apiVersion, kind] = [textOf(object['apiVersion']), textOf(object['kind'])];
  if (takesNoSidecar(apiVersion)) return undefined;
  const meta = fieldsOf(object['metadata']);
  const [name, namespace] = [textOf(meta['name']), textOf(meta['namespace'])];
  if (kind === 'Pod') return isPod(object) ? { path: [], pod: object, workload: undefined, namespace } : undefined;
  const path = paths.find(way => isPod(at(object, way)));
  if (!path) return undefined;
  const pod = at(object, path) as Pod;
  const of = { apiVersion, kind, name, namespace };
  return { path, pod, workload: of, namespace: textOf(pod.metadata?.namespace) || namespace };
}
