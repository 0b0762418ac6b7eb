import { fieldsOf, type JsonObject } from '../unknown.ts';
import {
  annotation,
  annotationsOf,
  CAPTURE,
  type Container,
  changeContainer,
  containersOf,
  findContainer,
  type Handler,
  initContainersOf,
  mapContainers,
  type Pod,
  PROXY,
  type SecurityContext,
  VALIDATION,
  withMeta,
  withoutEmptyTexts,
  withSpec,
} from './pod.ts';
import { handlersOf, withHandlers } from './probes.ts';
import { exceeds } from './quantity.ts';
import { OVERRIDES } from './status.ts';
import { strategicMerge } from './strategic-merge.ts';
import type { TemplateContext } from './template.ts';
import { holds, interceptionOf } from './templates/proxy-container.ts';

const CORE_DUMP = 'enable-core-dump';

/**
 * The pod without what an API server added to containers of the image `auto` before it asked to have the pod injected: for an image without a tag that is to pull
 * it always. Nobody means that of the image that takes the place of `auto`.
 */
export const withoutAddedPolicy = (pod: Pod): Pod =>
  mapContainers(pod, container => {
    if ((container.image || 'auto') !== 'auto' || container['imagePullPolicy'] !== 'Always') return container;
    const { imagePullPolicy: _, ...others } = container;
    return others as Container;
  });

/** What the user wrote under the name of an injected container; the image `auto` stands for the injected one's. */
function userWords(container: Container): Container {
  const { image, ...others } = container;
  return { ...others, ...(image !== undefined && image !== 'auto' && { image }) } as Container;
}

/** The pod with some of its containers in the other list. */
const withMoved = (pod: Pod, toInit: readonly Container[], beside: readonly Container[]): Pod =>
  toInit.length || beside.length
    ? withSpec(pod, {
        containers: [...containersOf(pod).filter(c => !toInit.includes(c)), ...beside],
        initContainers: [...initContainersOf(pod).filter(c => !beside.includes(c)), ...toInit],
      })
    : pod;

/** The pod with what the user wrote about the sidecar's containers in the lists in which it is found again when the pod is injected once more. */
export function whereExpected(pod: Pod, native: boolean): Pod {
  const toInit = containersOf(pod).filter(({ name }) => name === CAPTURE || name === VALIDATION);
  const beside = native ? [] : initContainersOf(pod).filter(({ name }) => name === PROXY);
  return withMoved(pod, toInit, beside);
}

/** The pod with the user's own containers of injected names as the user's words, in the lists where the template has them. */
export function whereInjected(pod: Pod, template: Pod): Pod {
  const [init, others] = [initContainersOf(template), containersOf(template)].map(
    list => new Set(list.map(({ name }) => name)),
  );
  const moved = withMoved(
    pod,
    containersOf(pod).filter(({ name }) => init?.has(name)),
    initContainersOf(pod).filter(({ name }) => others?.has(name)),
  );
  return mapContainers(moved, c => (init?.has(c.name) || others?.has(c.name) ? withoutEmptyTexts(c) : c));
}

/**
 * The injected pod with the user's own containers of injected names laid over it, and an annotation that keeps them for another injection (webhook.go
 * reapplyOverwrittenContainers). `own` is the user's pod, `template` what was injected.
 */
export function layUserContainers(injected: Pod, own: Pod, template: Pod): Pod {
  const words = (list: readonly Container[], injectedOnes: readonly Container[]) =>
    injectedOnes.flatMap(({ name }) => list.filter(c => c.name === name).slice(0, 1)).map(userWords);
  const containers = words(containersOf(own), containersOf(template));
  const initContainers = words(initContainersOf(own), initContainersOf(template));
  if (!containers.length && !initContainers.length) return injected;
  const merged = strategicMerge(injected, { spec: { containers, initContainers } }) as Pod;
  const laid = [...containers, ...initContainers].reduce(
    (pod, user) => changeContainer(pod, user.name, container => asTheUserSays(container, user)),
    merged,
  );
  // It makes a sidecar of an init container, which the user may have meant it to be.
  const started = containers.some(({ name }) => name === PROXY)
    ? changeContainer(laid, PROXY, ({ restartPolicy: _, ...others }) => others as Container)
    : laid;
  const kept = { ...(containers.length && { containers }), ...(initContainers.length && { initContainers }) };
  return withMeta(started, { annotations: { ...annotationsOf(started), [OVERRIDES]: JSON.stringify(kept) } });
}

/** A merged container as the user says where a merge would say two things at once, which no API server takes. */
const asTheUserSays = (merged: Container, user: Container): Container =>
  [agreed, withOneHandlerEach, withOneSourceEach, withEachPort].reduce(
    (container, mend) => mend(container, user),
    merged,
  );

/** The variables of the user's own names have the user's value, or the source that the user names for it. */
function withOneSourceEach(container: Container, user: Container): Container {
  const own = new Map(user.env?.map(variable => [variable.name, variable]));
  const says = (name: string) => {
    const variable = own.get(name);
    return variable && (variable.value ?? variable['valueFrom']) !== undefined ? variable : undefined;
  };
  if (!own.size) return container;
  return { ...container, env: (container.env ?? []).map(variable => says(variable.name) ?? variable) } as Container;
}

/** A merge tells ports apart by their numbers alone; a gateway may have one for TCP and for UDP. */
function withEachPort(container: Container, user: Container): Container {
  const own = user.ports ?? [];
  const numbers = new Set(own.map(({ containerPort }) => containerPort));
  if (numbers.size === own.length) return container;
  const others = (container.ports ?? []).filter(({ containerPort }) => !numbers.has(containerPort));
  return { ...container, ports: [...own, ...others] } as Container;
}

const amounts = ({ resources }: Container, field: 'requests' | 'limits'): JsonObject =>
  fieldsOf(fieldsOf(resources)[field]);

/** Where the user's request is more than the template's limit, or the user's limit less than its request, both are as the user says. */
function agreed(container: Container, user: Container): Container {
  const [requests, limits] = [amounts(container, 'requests'), amounts(container, 'limits')];
  const [ownRequests, ownLimits] = [amounts(user, 'requests'), amounts(user, 'limits')];
  const more = (name: string) => exceeds(String(requests[name]), String(limits[name]));
  const apart = Object.keys(requests).filter(
    name => more(name) && Object.hasOwn(ownRequests, name) !== Object.hasOwn(ownLimits, name),
  );
  if (!apart.length) return container;
  const said = Object.fromEntries(
    apart.map(name => [name, (Object.hasOwn(ownLimits, name) ? limits : requests)[name] ?? null]),
  );
  return {
    ...container,
    resources: {
      ...fieldsOf(container['resources']),
      requests: { ...requests, ...said },
      limits: { ...limits, ...said },
    },
  };
}

const handlerKinds = ['httpGet', 'tcpSocket', 'grpc', 'exec', 'sleep'];

/** A merged handler without what the user's own does not do: one has one thing to do. */
function oneOf(merged: Handler, user: Handler | undefined): Handler {
  if (!user || !handlerKinds.some(kind => user[kind])) return merged;
  return Object.fromEntries(Object.entries(merged).filter(([field]) => !handlerKinds.includes(field) || user[field]));
}

/** The container whose probes and hooks are the user's where there are the user's. */
function withOneHandlerEach(container: Container, user: Container): Container {
  const own = handlersOf(user);
  return withHandlers(container, (handler, path) => oneOf(handler, own.get(path)));
}

/** If the user has the proxy run as another user, its traffic is still told apart by that user (webhook.go adjustInitContainerUser). */
export function followProxyUser(pod: Pod, original: Pod, context: TemplateContext): Pod {
  const { runAsUser: user, runAsGroup: group } = findContainer(original, PROXY)?.securityContext ?? {};
  if (user === undefined && group === undefined) return pod;
  const init = [CAPTURE, VALIDATION].find(name => initContainersOf(pod).some(c => c.name === name));
  if (!init) return pod;
  const tproxy = interceptionOf(context) === 'TPROXY';
  const ids = { ...(user !== undefined && { runAsUser: user }), ...(group !== undefined && { runAsGroup: group }) };
  const runAs = (name: string, who: SecurityContext): Pod =>
    changeContainer(pod, name, c => ({ ...c, securityContext: { ...c.securityContext, ...who } }));
  let after = pod;
  // TPROXY needs root.
  if (tproxy && user !== undefined) after = runAs(PROXY, { runAsUser: 0 });
  else if (!tproxy && init === VALIDATION) after = runAs(VALIDATION, ids);
  // iptables cannot tell root's traffic of the proxy from the app's.
  if (!user) return after;
  const asUser = (args: readonly string[] = []) => args.map((arg, i) => (args[i - 1] === '-u' ? String(user) : arg));
  return changeContainer(after, init, c => ({ ...c, args: asUser(c.args) }));
}

/** The containers with the one of that name first or last. */
function moved(containers: readonly Container[], name: string, to: 'first' | 'last'): readonly Container[] {
  const [found, others] = [containers.filter(c => c.name === name), containers.filter(c => c.name !== name)];
  return to === 'first' ? [...found, ...others] : [...others, ...found];
}

/**
 * In which order containers start (webhook.go reorderPod). A native sidecar goes before the user's init containers, which are in the mesh then.
 * Without one, traffic is captured after them, for there is no proxy yet; and the proxy is last, so that kubectl means the app, or first if the app waits for it.
 */
export function inStartingOrder(pod: Pod, context: TemplateContext): Pod {
  const init = initContainersOf(pod);
  const native = init.some(({ name }) => name === PROXY);
  const ordered = native
    ? [CORE_DUMP, PROXY, VALIDATION, CAPTURE].reduce((list, name) => moved(list, name, 'first'), init)
    : moved(moved(moved(init, VALIDATION, 'first'), CAPTURE, 'last'), CORE_DUMP, 'last');
  const hold = holds({ ...context, native: false });
  return withSpec(pod, {
    initContainers: ordered,
    containers: moved(containersOf(pod), PROXY, hold ? 'first' : 'last'),
  });
}

/** Whether a native sidecar is wanted: the annotation's word, else the cluster's. Where the proxy is all there is, it is no sidecar. */
export const nativeSidecar = (pod: Pod, standard: boolean): boolean => {
  const own = annotation(pod, 'sidecar.istio.io/nativeSidecar');
  return (own ? own !== 'false' : standard) && containersOf(pod).some(({ name }) => name !== PROXY);
};
