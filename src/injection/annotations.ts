import { isCidr } from '../config/address.ts';
import { hostFault, isDnsLabel } from '../config/host.ts';
import { isDeeperThan } from '../config/json.ts';
import { checkProxySettings } from '../config/parse/proxy-settings.ts';
import { regexFault } from '../config/regex.ts';
import { Report } from '../config/report.ts';
import { reserved } from '../istio/reserved-ports.ts';
import { defaultProxyConfig } from '../istio/settings.ts';
import { objectKey } from '../object-key.ts';
import { milliseconds, parseDuration } from '../proto/duration.ts';
import { fieldsOf, isList, isObject, type Json, jsonIn, own, textOf } from '../unknown.ts';
import { annotationPath, annotationsOf, type Pod, type StringMap } from './pod.ts';
import { PROXY_CONFIG, readProxyConfig } from './proxy-config.ts';
import { exceeds, quantity } from './quantity.ts';
import { containerFault, DEEPEST } from './shape.ts';

/** What is wrong with a value, in words that say what was expected; undefined where nothing is. */
type Check = (value: string) => string | undefined;

const oneOf =
  (...values: readonly string[]): Check =>
  value =>
    values.includes(value) ? undefined : `expected one of ${values.join(', ')}`;

/** Go's words for true and false. */
const boolean: Check = value => (truth(value) === undefined ? 'expected true or false' : undefined);

/** A truth value as Go's strconv.ParseBool reads it; undefined where it is none. */
export function truth(value: string): boolean | undefined {
  if (/^(1|t|T|true|TRUE|True)$/.test(value)) return true;
  return /^(0|f|F|false|FALSE|False)$/.test(value) ? false : undefined;
}

const isNumber = (text: string, max: number): boolean => /^\d+$/.test(text) && Number(text) <= max;

/** What a field of a probe can be. */
const int32: Check = value =>
  isNumber(value, 2 ** 31 - 1) ? undefined : `expected a whole number, 0 to ${2 ** 31 - 1}, such as 15`;

const port: Check = value => (isNumber(value.trim(), 65535) ? undefined : `'${value}' is no port; expected 0 to 65535`);

/** Where the kubelet asks: a port that the proxy does not have for something else already; 0 is none. */
const statusPort: Check = value => {
  const number = Number(value.trim());
  if (port(value) || number === 15020 || !reserved(number)) return port(value);
  return `${reserved(number)}; expected another port, such as 15020`;
};

const ports: Check = value =>
  value.trim() === ''
    ? undefined
    : first(value.trim().split(','), item => port(item) && `'${item}' is no port; expected such as 8080,9090`);

const cidr: Check = value =>
  isCidr(value)
    ? undefined
    : `'${value}' is no range of addresses; expected such as 10.0.0.0/8, or several with commas between, without spaces`;

/** What a list with commas has for items; there may be none. */
const each =
  (check: Check): Check =>
  value =>
    value === '' ? undefined : first(value.split(','), check);

const cidrs = each(cidr);

const orAll =
  (check: Check): Check =>
  value =>
    value === '*' ? undefined : check(value);

const interfaces = each(item =>
  /^[a-zA-Z][a-zA-Z0-9_.-]{0,14}$/.test(item.trim())
    ? undefined
    : `'${item}' is no name of a network interface; expected such as eth1, 15 letters at most`,
);

const amount: Check = value =>
  (quantity(value) ?? -1) < 0 ? 'expected a quantity of Kubernetes, 0 or more, such as 100m or 128Mi' : undefined;

/** What a text of JSON holds; undefined where there is none, or what is deeper than any pod. */
function shallowJson(text: string): Json | undefined {
  const json = jsonIn(text);
  return isDeeperThan(DEEPEST, json) ? undefined : json;
}

/** An object of JSON whose fields are objects, or a list of objects with names, which Istio's samples have. */
const objects: Check = value => {
  const expected = 'expected an object of JSON, by the names of volumes, such as {"certs":{"mountPath":"/certs"}}';
  const json = shallowJson(value);
  const isRead = isList(json)
    ? json.every(item => isObject(item) && typeof item['name'] === 'string')
    : isObject(json) && Object.values(json).every(isObject);
  return isRead ? undefined : expected;
};

/** What `sidecar.istio.io/userVolume` holds. */
const volumes: Check = value =>
  objects(value) ??
  first(Object.keys(JSON.parse(value)), name =>
    isDnsLabel(name) ? undefined : `'${name}' is not the name of a volume`,
  );

/** What `sidecar.istio.io/userVolumeMount` holds. */
const mounts: Check = value => {
  const fault = objects(value);
  if (fault !== undefined) return fault;
  const json = JSON.parse(value);
  return first(Object.keys(json), name =>
    textOf(fieldsOf(json[name])['mountPath']) ? undefined : `'${name}' has no mountPath`,
  );
};

/** The name of a ConfigMap. */
const configMap: Check = value => {
  const fault = value === value.toLowerCase() ? hostFault(value) : 'it has capitals';
  return fault && `it is not the name of a ConfigMap (${fault})`;
};

/** What `proxy.istio.io/overrides` holds. */
const overrides: Check = value => {
  const json = shallowJson(value);
  if (!isObject(json)) return 'expected an object of JSON';
  for (const field of ['containers', 'initContainers']) {
    const list = json[field] ?? [];
    if (!isList(list)) return `${field}: expected a list of containers`;
    for (const [i, item] of list.entries()) {
      const fault = containerFault(item, `${field}[${i}]`);
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
};

const levels = 'trace|debug|info|warning|warn|error|critical|off';
const level = new RegExp(`^(${levels})?$`);
const levelOfComponent = new RegExp(`^[\\w.-]+:(${levels})$`);

/** How loud the proxy is, in all and by component. */
const logLevel: Check = value =>
  value.split(',').every(item => level.test(item) || levelOfComponent.test(item))
    ? undefined
    : `expected a level (${levels.replaceAll('|', ', ')}), with or without levels of components, such as info,http:debug`;

const componentLogLevel: Check = value =>
  value === '' || value.split(',').every(item => levelOfComponent.test(item))
    ? undefined
    : 'expected levels of components, such as http:debug,router:trace';

/** An object of JSON with anything. */
const object: Check = value => (isObject(shallowJson(value)) ? undefined : 'expected an object of JSON');

/** The first fault of a list. */
const first = (items: readonly string[], check: Check): string | undefined =>
  items.map(check).find(fault => fault !== undefined);

const proxyConfig: Check = value => {
  const { value: config, faults } = readProxyConfig(value, defaultProxyConfig);
  if (faults[0]) return faults[0];
  const report = new Report(objectKey('Pod', '', ''));
  checkProxySettings(config, PROXY_CONFIG, report);
  return report.problems.map(({ path, message }) => `${path.slice(PROXY_CONFIG.length + 1)}: ${message}`)[0];
};

/** `HOST:PORT` of a control plane. */
const discoveryAddress: Check = value => {
  const report = new Report(objectKey('Pod', '', ''));
  checkProxySettings({ ...defaultProxyConfig, discoveryAddress: value }, '', report);
  return report.problems[0]?.message;
};

/** How often Envoy may flush its statistics. */
const flushInterval: Check = value => {
  const duration = parseDuration(value);
  const fits = duration && milliseconds(duration) >= 1 && milliseconds(duration) < 300_000;
  return fits ? undefined : 'expected a duration of 1ms to less than 5m, such as 10s';
};

/** When Envoy forgets statistics that nothing counts. */
const evictionInterval: Check = value => {
  const duration = parseDuration(value);
  return duration && milliseconds(duration) >= 1 ? undefined : 'expected a duration, such as 60s';
};

/** Bounds of buckets by the beginnings of histograms' names. */
const buckets: Check = value => {
  const rises = (bounds: unknown): boolean =>
    isList(bounds) &&
    bounds.length > 0 &&
    bounds.every((bound, i) => typeof bound === 'number' && bound > Number(bounds[i - 1] ?? 0));
  const json = shallowJson(value);
  return isObject(json) && Object.values(json).every(rises)
    ? undefined
    : 'expected an object of JSON with rising numbers above 0, such as {"cluster.":[1,5,10]}';
};

const regexps = each(regex => (regex ? regexFault(regex) : 'an empty expression'));

/** Annotations that are checked before anything is injected (inject/validate.go), and those whose value a template could not use. */
const checks: { readonly [name: string]: Check } = {
  'sidecar.istio.io/interceptionMode': oneOf('REDIRECT', 'TPROXY', 'NONE'),
  'status.sidecar.istio.io/port': statusPort,
  'readiness.status.sidecar.istio.io/initialDelaySeconds': int32,
  'readiness.status.sidecar.istio.io/periodSeconds': int32,
  'readiness.status.sidecar.istio.io/failureThreshold': int32,
  'traffic.sidecar.istio.io/includeOutboundIPRanges': orAll(cidrs),
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': cidrs,
  'traffic.sidecar.istio.io/includeInboundPorts': orAll(ports),
  'traffic.sidecar.istio.io/excludeInboundPorts': ports,
  'traffic.sidecar.istio.io/includeOutboundPorts': orAll(ports),
  'traffic.sidecar.istio.io/excludeOutboundPorts': ports,
  'traffic.sidecar.istio.io/excludeInterfaces': interfaces,
  'traffic.sidecar.istio.io/kubevirtInterfaces': interfaces,
  'istio.io/reroute-virtual-interfaces': interfaces,
  'prometheus.istio.io/merge-metrics': boolean,
  [PROXY_CONFIG]: proxyConfig,
  'sidecar.istio.io/proxyCPU': amount,
  'sidecar.istio.io/proxyMemory': amount,
  'sidecar.istio.io/proxyCPULimit': amount,
  'sidecar.istio.io/proxyMemoryLimit': amount,
  'sidecar.istio.io/userVolume': volumes,
  'sidecar.istio.io/userVolumeMount': mounts,
  'sidecar.istio.io/bootstrapOverride': configMap,
  'sidecar.istio.io/logLevel': logLevel,
  'sidecar.istio.io/componentLogLevel': componentLogLevel,
  'sidecar.istio.io/discoveryAddress': discoveryAddress,
  'sidecar.istio.io/statsFlushInterval': flushInterval,
  'sidecar.istio.io/statsEvictionInterval': evictionInterval,
  'sidecar.istio.io/statsHistogramBuckets': buckets,
  'sidecar.istio.io/statsInclusionRegexps': regexps,
  'apm.datadoghq.com/env': object,
  'proxy.istio.io/overrides': overrides,
};

/** As much of a text as tells which it is. */
const short = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}...` : text);

/** Reports annotations that cannot be followed: the pod is refused with them. */
export function checkAnnotations(pod: Pod, report: Report): void {
  const annotations: StringMap = annotationsOf(pod);
  for (const [name, check] of Object.entries(checks)) {
    const value = own(annotations, name);
    const fault = value === undefined ? undefined : check(value);
    if (fault !== undefined) report.error(annotationPath(name), `'${short(value ?? '')}': ${short(fault)}`);
  }
  for (const resource of ['CPU', 'Memory']) checkLimit(`sidecar.istio.io/proxy${resource}`, annotations, report);
  checkEviction(annotations, report);
}

/** Reports an eviction that is not after so many flushes, which Envoy does not start with. */
function checkEviction(annotations: StringMap, report: Report): void {
  const name = 'sidecar.istio.io/statsEvictionInterval';
  const [evicts, flushes] = [name, 'sidecar.istio.io/statsFlushInterval'].map(of =>
    milliseconds(parseDuration(own(annotations, of) ?? '5s') ?? {}),
  );
  if (own(annotations, name) !== undefined && evicts && flushes && evicts % flushes)
    report.error(annotationPath(name), `'${own(annotations, name)}': expected a multiple of ${flushes}ms`);
}

/** Reports a request of more than its limit, which no container can have. */
function checkLimit(name: string, annotations: StringMap, report: Report): void {
  const [request, limit] = [own(annotations, name), own(annotations, `${name}Limit`)];
  if (request === undefined || limit === undefined) return;
  if (exceeds(request, limit))
    report.error(annotationPath(name), `'${request}': it is more than its limit, ${name}Limit: ${limit}`);
}
