import { isIP } from 'node:net';
import { milliseconds } from '../config/duration.ts';
import { entry, type Report } from '../config/report.ts';
import type { ProxyConfig } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { annotationsOf, own, type Pod, type StringMap } from './pod.ts';
import { PROXY_CONFIG, readProxyConfig } from './proxy-config.ts';
import { quantity } from './quantity.ts';
import { reservedPorts } from './reserved-ports.ts';
import { isObject } from './strategic-merge.ts';

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

const uint32: Check = value =>
  isNumber(value, 2 ** 32 - 1) ? undefined : 'expected a whole number, 0 or more, such as 15';

const port: Check = value => (isNumber(value.trim(), 65535) ? undefined : `'${value}' is no port; expected 0 to 65535`);

/** Where the kubelet asks: a port that the proxy does not have for something else already; 0 is none. */
const statusPort: Check = value => {
  const number = Number(value.trim());
  if (port(value) || number === 15020 || !Object.hasOwn(reservedPorts, number)) return port(value);
  return `it is the proxy's own (${reservedPorts[number]}); expected another port, such as 15020`;
};

const ports: Check = value =>
  value.trim() === ''
    ? undefined
    : first(value.trim().split(','), item => port(item) && `'${item}' is no port; expected such as 8080,9090`);

const portsOrAll: Check = value => (value === '*' ? undefined : ports(value));

const cidr: Check = value => {
  const [, address = '', length = ''] = /^([^/]*)\/(0|[1-9]\d*)$/.exec(value) ?? [];
  const family = address.includes('%') ? 0 : isIP(address);
  const fits = family !== 0 && isNumber(length, family === 4 ? 32 : 128);
  return fits
    ? undefined
    : `'${value}' is no range of addresses; expected such as 10.0.0.0/8, or several with commas between, without spaces`;
};

const cidrs: Check = value => (value === '' ? undefined : first(value.split(','), cidr));

const cidrsOrAll: Check = value => (value === '*' ? undefined : cidrs(value));

const interfaces: Check = value =>
  value === ''
    ? undefined
    : first(value.split(','), item =>
        /^[a-zA-Z][a-zA-Z0-9_.-]{0,14}$/.test(item.trim())
          ? undefined
          : `'${item}' is no name of a network interface; expected such as eth1, 15 letters at most`,
      );

const amount: Check = value =>
  quantity(value) === undefined ? 'expected a quantity of Kubernetes, such as 100m or 128Mi' : undefined;

/** An object of JSON whose fields are objects. */
const objects: Check = value => {
  const expected = 'expected an object of JSON, by the names of volumes, such as {"certs":{"mountPath":"/certs"}}';
  try {
    const json: unknown = JSON.parse(value);
    return isObject(json) && Object.values(json).every(isObject) ? undefined : expected;
  } catch {
    return expected;
  }
};

/** An object of JSON with anything. */
const object: Check = value => {
  try {
    return isObject(JSON.parse(value)) ? undefined : 'expected an object of JSON';
  } catch {
    return 'expected an object of JSON';
  }
};

/** The first fault of a list. */
const first = (items: readonly string[], check: Check): string | undefined =>
  items.map(check).find(fault => fault !== undefined);

const proxyConfig: Check = value => {
  const { value: config, faults } = readProxyConfig(value);
  return faults[0] ?? proxyConfigFault(config);
};

/** What Istio's validation says of settings of a proxy (validation/agent ValidateMeshConfigProxyConfig). */
function proxyConfigFault(config: ProxyConfig): string | undefined {
  const { drainDuration, proxyAdminPort, statusPort, discoveryAddress } = config;
  if (drainDuration && milliseconds(drainDuration) % 1000) return 'drainDuration: expected whole seconds';
  for (const [name, number] of Object.entries({ proxyAdminPort, statusPort }))
    if (number !== undefined && (number < 1 || number > 65535)) return `${name}: ${number} is no port`;
  if (discoveryAddress !== undefined && !/^(\[[\da-fA-F:.]+\]|[\w.-]+):[1-9]\d{0,4}$/.test(discoveryAddress))
    return `discoveryAddress: '${discoveryAddress}' is no address; expected HOST:PORT`;
  return undefined;
}

/** Annotations that are checked before anything is injected (inject/validate.go), and those whose value a template could not use. */
const checks: { readonly [name: string]: Check } = {
  'sidecar.istio.io/interceptionMode': oneOf('REDIRECT', 'TPROXY', 'NONE'),
  'status.sidecar.istio.io/port': statusPort,
  'readiness.status.sidecar.istio.io/initialDelaySeconds': uint32,
  'readiness.status.sidecar.istio.io/periodSeconds': uint32,
  'readiness.status.sidecar.istio.io/failureThreshold': uint32,
  'traffic.sidecar.istio.io/includeOutboundIPRanges': cidrsOrAll,
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': cidrs,
  'traffic.sidecar.istio.io/includeInboundPorts': portsOrAll,
  'traffic.sidecar.istio.io/excludeInboundPorts': ports,
  'traffic.sidecar.istio.io/includeOutboundPorts': portsOrAll,
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
  'sidecar.istio.io/userVolume': objects,
  'sidecar.istio.io/userVolumeMount': objects,
  'apm.datadoghq.com/env': object,
  'proxy.istio.io/overrides': object,
};

/** Reports annotations that cannot be followed: the pod is refused with them. */
export function checkAnnotations(pod: Pod, report: Report): void {
  const annotations: StringMap = annotationsOf(pod);
  for (const [name, check] of Object.entries(checks)) {
    const value = own(annotations, name);
    const fault = value === undefined ? undefined : check(value);
    if (fault !== undefined) report.error(entry('metadata.annotations', name), `'${value}': ${fault}`);
  }
}
