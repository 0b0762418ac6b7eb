import type { Json, JsonObject } from '../unknown.ts';
import {
  annotation,
  annotationsOf,
  type Container,
  containersOf,
  initContainersOf,
  labelsOf,
  type Named,
  type Pod,
  type PodSpec,
  PROXY,
  proxyVariable,
  type StringMap,
  sidecarContainers,
} from './pod.ts';
import { PROBERS, restoreProbes } from './probes.ts';
import { restoreMetrics, SCRAPE } from './prometheus.ts';
import { type Before, EMPTIED, type InjectionStatus, OVERRIDES, overridesOf, STATUS, statusOf } from './status.ts';
import { asLabel } from './templates/metadata.ts';
import { workloadOf } from './workload.ts';

/** A container that the user had, as it was: its image was `auto` if it is not there now. */
const asWritten = (container: Container): Container => ({ ...container, image: container.image ?? 'auto' });

/**
 * The pod as its author wrote it, without what its status annotation says was injected; the same pod where it was not. What cannot be told from
 * the author's own words goes too, where an injection would add it again. `workload` is the name of what the pod belongs to.
 */
export function uninject(pod: Pod, workload = workloadOf(pod, '').name): Pod {
  if ([STATUS, OVERRIDES].every(name => annotation(pod, name) === undefined)) return pod;
  const found = statusOf(pod);
  const status = found ?? nothing;
  const measured = status.before ? pod : restoreMetrics(pod, proxyVariable(pod, SCRAPE));
  const asked = found ? restoreProbes(measured, proxyVariable(pod, PROBERS)) : measured;
  const overrides = overridesOf(pod);
  const injected = new Set(found ? [...status.initContainers, ...status.containers] : sidecarContainers);
  const own = [...overrides.containers, ...overrides.initContainers].filter(({ name }) => injected.has(name));
  // The user's words about the proxy stood among the containers, unless they were those of an init container.
  const ownInit = own.filter(c =>
    c.name === PROXY ? c.restartPolicy !== undefined : overrides.initContainers.includes(c),
  );
  const beside = own.filter(c => !ownInit.includes(c));
  const [others, othersInit] = [
    containersOf(asked).filter(({ name }) => !status.containers.includes(name)),
    initContainersOf(asked).filter(({ name }) => !status.initContainers.includes(name)),
  ];
  const there = new Set([...others, ...othersInit].map(({ name }) => name));
  const again = (list: readonly Container[]) => list.filter(({ name }) => !there.has(name)).map(asWritten);
  const containers = [...others, ...again(beside)];
  const initContainers = [...othersInit, ...again(ownInit)];
  const spec: PodSpec = {
    ...asked.spec,
    containers,
    initContainers,
    volumes: volumesWithout(status, [...containers, ...initContainers], asked),
    imagePullSecrets: (asked.spec?.imagePullSecrets ?? []).filter(
      ({ name }) =>
        !status.imagePullSecrets.includes(name) || (status.before?.imagePullSecrets ?? [name]).includes(name),
    ),
  };
  const meta = { labels: labelsOf(asked), annotations: annotationsOf(asked) };
  const before = status.before ?? likelyBefore(meta, status, containers[0]?.name, workload);
  const gone = new Set<string>(EMPTIED.filter(field => !status.before?.empty.includes(field)));
  const metadata = withoutEmpty(gone, {
    ...pod.metadata,
    labels: restored(meta.labels, before.labels),
    annotations: restored(meta.annotations, { ...before.annotations, [STATUS]: null, [OVERRIDES]: null }),
  });
  return withoutEmpty(gone, { ...pod, metadata, spec: withoutEmpty(gone, restored(spec, before.spec)) });
}

/** Of a pod whose status says nothing: what was kept of the user's own containers is all that is known. */
const nothing: InjectionStatus = {
  initContainers: [],
  containers: [],
  volumes: [],
  imagePullSecrets: [],
  revision: 'default',
  before: { labels: {}, annotations: {}, spec: {}, volumes: [], imagePullSecrets: [], empty: [] },
};

/** The object with fields as they were; null is none. */
const restored = <T extends JsonObject>(object: T, before: { readonly [name: string]: Json }): T => {
  const all: JsonObject = { ...object, ...before };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined)) as T;
};

/** Without the lists and maps of these names that are empty once nothing injected is in them. */
const withoutEmpty = <T extends JsonObject>(names: ReadonlySet<string>, object: T): T =>
  Object.fromEntries(
    Object.entries(object).filter(
      ([field, value]) =>
        !(names.has(field) && value !== null && typeof value === 'object' && !Object.keys(value).length),
    ),
  ) as T;

/** The volumes without those that were injected; where it is not told which were there before, what is still mounted stays. */
function volumesWithout(status: InjectionStatus, containers: readonly Container[], pod: Pod): readonly Named[] {
  const mounted = containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
  const kept = new Set(status.before?.volumes ?? mounted);
  return (pod.spec?.volumes ?? []).filter(({ name }) => kept.has(name) || !status.volumes.includes(name));
}

/** What istiod's injection most likely found: it says neither what it changed nor what it added, but adds what follows from the rest. */
function likelyBefore(
  { labels, annotations }: { readonly labels: StringMap; readonly annotations: StringMap },
  { revision }: InjectionStatus,
  first: string | undefined,
  workload: string,
): Pick<Before, 'labels' | 'annotations' | 'spec'> {
  const made: StringMap = {
    'security.istio.io/tlsMode': 'istio',
    'service.istio.io/canonical-name': asLabel(labels['app.kubernetes.io/name'] || labels['app'] || workload),
    'service.istio.io/canonical-revision': labels['app.kubernetes.io/version'] || labels['version'] || 'latest',
  };
  const noted: StringMap = {
    'istio.io/rev': revision,
    'kubectl.kubernetes.io/default-container': first ?? '',
    'kubectl.kubernetes.io/default-logs-container': first ?? '',
  };
  const same = (map: StringMap, known: StringMap) =>
    Object.fromEntries(Object.entries(known).flatMap(([name, value]) => (map[name] === value ? [[name, null]] : [])));
  return { labels: same(labels, made), annotations: same(annotations, noted), spec: {} };
}
