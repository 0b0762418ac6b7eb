import type { Report } from '../config/report.ts';
import { reserved } from '../istio/reserved-ports.ts';
import type { MeshConfig } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { fieldsOf, isList, isObject, type Json, jsonIn } from '../unknown.ts';
import { truth } from './annotations.ts';
import {
  annotation,
  annotationPath,
  annotationsOf,
  type Pod,
  proxyVariable,
  type StringMap,
  withMeta,
  withVariables,
} from './pod.ts';
import { metricsPort } from './proxy-config.ts';

/** Where an app says that it has metrics. */
export interface Scrape {
  readonly scrape: string;
  readonly path: string;
  readonly port: string;
  readonly targets?: readonly { readonly port: string; readonly path: string }[];
}

/** The variable in which the proxy's container has the {@link Scrape}. */
export const SCRAPE = 'ISTIO_PROMETHEUS_ANNOTATIONS';

const MERGED_PATH = '/stats/prometheus';
const SECURE_METRICS = 'prometheus.istio.io/secure-port';
const TARGETS = 'prometheus.istio.io/scrape-targets';

/** Prometheus sees annotations under such names: `prometheus.io/port` and `prometheus/io.port` are one. */
const sanitized = (name: string): string => name.replace(/[^a-zA-Z0-9_]/g, '_');

const asked = new Set(['prometheus.io/path', 'prometheus.io/port', 'prometheus.io/scrape', TARGETS].map(sanitized));

/** The annotation under any name that is the same to Prometheus. */
const toldPrometheus = (annotations: StringMap, name: string): string | undefined =>
  Object.entries(annotations).find(([key]) => sanitized(key) === sanitized(name))?.[1];

/** Annotations without those of Prometheus. */
const cleared = (annotations: StringMap): StringMap =>
  Object.fromEntries(Object.entries(annotations).filter(([name]) => !asked.has(sanitized(name))));

/** `port:path,port:path`; a path is `/metrics` where none is given. */
const targetsIn = (text: string): Scrape['targets'] => {
  const targets = text.split(',').flatMap(item => {
    const [port = '', ...path] = item.split(':');
    return item.trim() ? [{ port: port.trim(), path: path.join(':').trim() || '/metrics' }] : [];
  });
  return targets.some(({ port }) => !port) ? undefined : targets;
};

/** The pod in which Prometheus finds the app's metrics behind the proxy's, which is told where the app has them; the same pod where nothing changes. */
export function withMergedMetrics(pod: Pod, mesh: MeshConfig, report: Report): Pod {
  const annotations = annotationsOf(pod);
  const told = (name: string) => toldPrometheus(annotations, name);
  const own = truth(annotation(pod, 'prometheus.istio.io/merge-metrics') ?? '');
  const wanted = own ?? (mesh.enablePrometheusMerge ? mesh.enablePrometheusMerge.value === true : true);
  if (!wanted || truth(told('prometheus.io/scrape') ?? '') === false) return pod;
  const merged = String(metricsPort(mesh));
  if (told('prometheus.io/port') === merged) return pod;
  const targets = targetsIn(told(TARGETS) ?? '');
  const [first] = targets ?? [];
  const scrape: Scrape = {
    scrape: told('prometheus.io/scrape') ?? '',
    path: first?.path ?? told('prometheus.io/path') ?? '',
    port: first?.port ?? told('prometheus.io/port') ?? '',
    ...(targets?.length && { targets }),
  };
  for (const port of targets?.length ? targets.map(target => target.port) : scrape.port ? [scrape.port] : [])
    checkPort(port, merged, first ? TARGETS : 'prometheus.io/port', report);
  const has = scrape.scrape || scrape.path || scrape.port || scrape.targets;
  const asked = withMeta(pod, {
    annotations: {
      ...cleared(annotations),
      'prometheus.io/port': merged,
      'prometheus.io/path': MERGED_PATH,
      'prometheus.io/scrape': 'true',
    },
  });
  return has ? withVariables(asked, [{ name: SCRAPE, value: JSON.stringify(scrape) }]) : asked;
}

/** Where the proxy has its metrics on a port with mutual TLS, Prometheus is told so, unless the user did. */
export function withSecureMetrics(pod: Pod): Pod {
  const annotations = annotationsOf(pod);
  const port = proxyVariable(pod, 'ENVOY_SECURE_MERGED_METRICS_PORT');
  return toldPrometheus(annotations, SECURE_METRICS) !== undefined || !port || port === '0'
    ? pod
    : withMeta(pod, { annotations: { ...annotations, [SECURE_METRICS]: port } });
}

function checkPort(port: string, merged: string, name: string, report: Report): void {
  const at = annotationPath(name);
  const number = Number(port);
  if (!/^[+-]?\d+$/.test(port) || number < 1 || number > 65535)
    report.error(at, `'${port}' is no port; expected the app's port for metrics, 1 to 65535`);
  else if (String(number) === merged) report.error(at, `${port} is the port of the merged metrics; name the app's own`);
  else if (reserved(number)) report.error(at, `${reserved(number)}; name the app's port`);
}

/** The pod with the annotations that it had before {@link mergedMetrics}. */
export function restoreMetrics(pod: Pod, text: string | undefined): Pod {
  const annotations = annotationsOf(pod);
  if (toldPrometheus(annotations, 'prometheus.io/path') !== MERGED_PATH) return pod;
  const { scrape, path, port, targets } = readScrape(text);
  const before = {
    ...(targets?.length
      ? { [TARGETS]: targets.map(target => `${target.port}:${target.path}`).join(',') }
      : { ...(port && { 'prometheus.io/port': port }), ...(path && { 'prometheus.io/path': path }) }),
    ...(scrape && { 'prometheus.io/scrape': scrape }),
  };
  return withMeta(pod, { annotations: { ...cleared(annotations), ...before } });
}

/** Where the app has metrics, in a variable's text, as far as it can be read. */
export function readScrape(text: string | undefined): Partial<Scrape> {
  const json = fieldsOf(jsonIn(text));
  const { targets } = json;
  const told = Object.fromEntries(Object.entries(json).filter(([, value]) => typeof value === 'string'));
  return { ...told, ...(isList(targets) && { targets: targets.filter(isTarget) }) };
}

type Target = NonNullable<Scrape['targets']>[number];

const isTarget = (value: unknown): value is Json & Target =>
  isObject(value) && typeof value['port'] === 'string' && typeof value['path'] === 'string';
