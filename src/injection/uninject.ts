import {
  annotationsOf,
  type Container,
  containersOf,
  initContainersOf,
  labelsOf,
  type Pod,
  PROXY,
  type StringMap,
} from './pod.ts';
import { PROBERS, restoreProbes } from './probes.ts';
import { restoreMetrics, SCRAPE } from './prometheus.ts';
import { OVERRIDES, overridesOf, proxyVariable, STATUS, statusOf } from './status.ts';

/** A container that the user had, as it was: its image was `auto` if it is not there now. */
const asWritten = (container: Container): Container => ({ ...container, image: container.image ?? 'auto' });

/**
 * The pod as its author wrote it, without what its status annotation says was injected; the same pod where it was not. What cannot be told from
 * the author's own words goes too, where an injection would add it again.
 */
export function uninject(pod: Pod): Pod {
  const status = statusOf(pod);
  if (!status) return pod;
  const asked = restoreProbes(restoreMetrics(pod, proxyVariable(pod, SCRAPE)), proxyVariable(pod, PROBERS));
  const overrides = overridesOf(pod);
  // A native sidecar's own words stood among the containers, unless they were those of an init container.
  const before = overrides.initContainers.filter(c => c.name !== PROXY || c.restartPolicy !== undefined);
  const beside = [...overrides.containers, ...overrides.initContainers.filter(c => !before.includes(c))];
  const kept = (containers: readonly Container[], injected: readonly string[], own: readonly Container[]) => {
    const others = containers.filter(({ name }) => !injected.includes(name));
    return [...others, ...own.filter(c => !others.some(({ name }) => name === c.name)).map(asWritten)];
  };
  const containers = kept(containersOf(asked), status.containers, beside);
  const initContainers = kept(initContainersOf(asked), status.initContainers, before);
  const mounted = new Set(
    [...containers, ...initContainers].flatMap(c => (c.volumeMounts ?? []).map(({ name }) => name)),
  );
  const volumes = (pod.spec?.volumes ?? []).filter(({ name }) => mounted.has(name) || !status.volumes.includes(name));
  const { initContainers: _, volumes: __, ...others } = asked.spec ?? {};
  return withoutMeta(
    {
      ...asked,
      spec: {
        ...others,
        containers,
        ...(initContainers.length > 0 && { initContainers }),
        ...(volumes.length > 0 && { volumes }),
      },
    },
    status.revision,
    containers[0]?.name,
  );
}

/** The pod without the labels and annotations of which an injection makes the same again. */
function withoutMeta(pod: Pod, revision: string, first: string | undefined): Pod {
  const labels = labelsOf(pod);
  const named = labels['app.kubernetes.io/name'] || labels['app'];
  const made: { readonly [name: string]: string | undefined } = {
    'security.istio.io/tlsMode': 'istio',
    'service.istio.io/canonical-name': named ?? labels['service.istio.io/canonical-name'],
    'service.istio.io/canonical-revision': labels['app.kubernetes.io/version'] || labels['version'] || 'latest',
  };
  const annotations = annotationsOf(pod);
  const noted: { readonly [name: string]: string | undefined } = {
    [STATUS]: annotations[STATUS],
    [OVERRIDES]: annotations[OVERRIDES],
    'istio.io/rev': revision,
    'kubectl.kubernetes.io/default-container': first,
    'kubectl.kubernetes.io/default-logs-container': first,
  };
  const without = (map: StringMap, gone: { readonly [name: string]: string | undefined }): StringMap =>
    Object.fromEntries(Object.entries(map).filter(([name, value]) => gone[name] !== value));
  const left = { labels: without(labels, made), annotations: without(annotations, noted) };
  const { labels: _, annotations: __, ...others } = pod.metadata ?? {};
  return {
    ...pod,
    metadata: {
      ...others,
      ...(Object.keys(left.labels).length > 0 && { labels: left.labels }),
      ...(Object.keys(left.annotations).length > 0 && { annotations: left.annotations }),
    },
  };
}
