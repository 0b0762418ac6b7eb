import { annotation, type Container, findContainer, own, type Pod, PROXY } from './pod.ts';
import { isList, isObject } from './strategic-merge.ts';

/** The annotation that says what was injected; there is none in a pod that was not. */
export const STATUS = 'sidecar.istio.io/status';

/** Containers that the user had under the name of an injected one, as they were; so that the pod can be injected once more. */
export const OVERRIDES = 'proxy.istio.io/overrides';

/** Names of what was injected. */
export interface InjectionStatus {
  readonly initContainers: readonly string[];
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
  readonly imagePullSecrets: readonly string[];
  readonly revision: string;
}

const lists = ['initContainers', 'containers', 'volumes', 'imagePullSecrets'] as const;

const parsed = (text: string | undefined): unknown => {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** What an earlier injection says that it added; undefined where there was none, or its words cannot be read. */
export function statusOf(pod: Pod): InjectionStatus | undefined {
  const json = parsed(annotation(pod, STATUS));
  if (!isObject(json)) return undefined;
  const names = (list: unknown) => (isList(list) ? list.filter(name => typeof name === 'string') : []);
  const [initContainers, containers, volumes, imagePullSecrets] = lists.map(list => names(own(json, list)));
  const revision = json['revision'];
  return {
    initContainers: initContainers ?? [],
    containers: containers ?? [],
    volumes: volumes ?? [],
    imagePullSecrets: imagePullSecrets ?? [],
    revision: typeof revision === 'string' ? revision : 'default',
  };
}

/** The status annotation: what a patch adds, by name; an empty list is null, as Go writes it. */
export function statusText(patch: Pod, revision: string): string {
  const names = lists.map(list => {
    const items = patch.spec?.[list] ?? [];
    return [list, items.length ? items.map(({ name }) => name) : null] as const;
  });
  return JSON.stringify({ ...Object.fromEntries(names), revision: revision || 'default' });
}

/** The user's own containers under names of injected ones. */
export interface Overrides {
  readonly containers: readonly Container[];
  readonly initContainers: readonly Container[];
}

export function overridesOf(pod: Pod): Overrides {
  const json = parsed(annotation(pod, OVERRIDES));
  const containers = (list: unknown) =>
    isList(list) ? list.filter((c): c is Container => isObject(c) && typeof c['name'] === 'string') : [];
  const found = isObject(json) ? json : {};
  return { containers: containers(found['containers']), initContainers: containers(found['initContainers']) };
}

/** The value of a variable of the proxy's container, where that was injected. */
export const proxyVariable = (pod: Pod, name: string): string | undefined =>
  findContainer(pod, PROXY)?.env?.find(variable => variable.name === name)?.value;
