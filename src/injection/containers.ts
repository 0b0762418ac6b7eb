import {
  annotation,
  annotationsOf,
  type Container,
  containersOf,
  findContainer,
  initContainersOf,
  type Pod,
  PROXY,
  withMeta,
  withSpec,
} from './pod.ts';
import { OVERRIDES } from './status.ts';
import { strategicMerge } from './strategic-merge.ts';
import type { TemplateContext } from './template.ts';
import { holds, interceptionOf } from './templates/parts.ts';

const CAPTURE = 'istio-init';
const VALIDATION = 'istio-validation';
const CORE_DUMP = 'enable-core-dump';

/** What the user wrote under the name of an injected container; the image `auto` stands for the injected one's. */
function userWords(container: Container): Container {
  const { image, ...others } = container;
  return { ...others, ...(image !== undefined && image !== 'auto' && { image }) } as Container;
}

/**
 * The injected pod with the user's own containers of injected names laid over it, and an annotation that keeps them for another injection (webhook.go
 * reapplyOverwrittenContainers). `template` is what was injected.
 */
export function layUserContainers(injected: Pod, original: Pod, template: Pod): Pod {
  const containers = containersOf(template).flatMap(({ name }) => {
    const own = containersOf(original).find(c => c.name === name);
    return own ? [userWords(own)] : [];
  });
  const initContainers = initContainersOf(template).flatMap(({ name }) => {
    const own = findContainer(original, name);
    return own ? [userWords(own)] : [];
  });
  if (!containers.length && !initContainers.length) return injected;
  const laid = strategicMerge(injected, { spec: { containers, initContainers } }) as Pod;
  const kept = { ...(containers.length && { containers }), ...(initContainers.length && { initContainers }) };
  return withMeta(laid, { annotations: { ...annotationsOf(laid), [OVERRIDES]: JSON.stringify(kept) } });
}

/** A native sidecar is an init container, wherever the user wrote about it. */
export function moveNativeProxy(pod: Pod): Pod {
  const proxy = containersOf(pod).find(({ name }) => name === PROXY);
  if (!proxy) return pod;
  return withSpec(pod, {
    containers: containersOf(pod).filter(c => c !== proxy),
    initContainers: [...initContainersOf(pod), proxy],
  });
}

const replaced = (containers: readonly Container[], name: string, change: (c: Container) => Container) =>
  containers.map(c => (c.name === name ? change(c) : c));

/** The pod with the first container of that name changed. */
export function changeContainer(pod: Pod, name: string, change: (container: Container) => Container): Pod {
  const list = containersOf(pod).some(c => c.name === name) ? 'containers' : 'initContainers';
  return withSpec(pod, { [list]: replaced(pod.spec?.[list] ?? [], name, change) });
}

/** If the user has the proxy run as another user, its traffic is still told apart by that user (webhook.go adjustInitContainerUser). */
export function followProxyUser(pod: Pod, original: Pod, context: TemplateContext): Pod {
  const { runAsUser: user, runAsGroup: group } = findContainer(original, PROXY)?.securityContext ?? {};
  if (user === undefined && group === undefined) return pod;
  const init = [CAPTURE, VALIDATION].find(name => initContainersOf(pod).some(c => c.name === name));
  if (!init) return pod;
  const tproxy = interceptionOf(context) === 'TPROXY';
  const security = (name: string, ids: { readonly runAsUser?: number; readonly runAsGroup?: number }) => (p: Pod) =>
    changeContainer(p, name, c => ({ ...c, securityContext: { ...c.securityContext, ...ids } }));
  // TPROXY needs root.
  const asRoot = tproxy && user !== undefined ? security(PROXY, { runAsUser: 0 }) : (p: Pod) => p;
  const ids = { ...(user !== undefined && { runAsUser: user }), ...(group !== undefined && { runAsGroup: group }) };
  const alike = !tproxy && init === VALIDATION ? security(VALIDATION, ids) : (p: Pod) => p;
  const after = alike(asRoot(pod));
  // iptables cannot tell root's traffic of the proxy from the app's.
  if (!user) return after;
  return changeContainer(
    after,
    init,
    c =>
      ({
        ...c,
        args: c.args?.map((arg, i) => (c.args?.[i - 1] === '-u' ? String(user) : arg)),
      }) as Container,
  );
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

/** Whether a native sidecar is wanted: the annotation's word, else the cluster's. */
export const nativeSidecar = (pod: Pod, standard: boolean): boolean => {
  const own = annotation(pod, 'sidecar.istio.io/nativeSidecar');
  return own ? own !== 'false' : standard;
};
