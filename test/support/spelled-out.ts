import type { Kind } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { patchMessages } from '../../src/istio/patch-value.ts';
import { typeName } from '../../src/proto/any.ts';
import { findType } from '../../src/proto/bundle.ts';
import { EnvoyFilter_ApplyTo as ApplyTo } from '../../src/proto/generated/istio/networking/v1alpha3.ts';
import { type FieldSchema, schemaOf } from '../../src/proto/schema.ts';
import { isFields, type JsonFields, member } from './json.ts';

/** The message of each kind's `spec`, where it has one. */
export const specs: Readonly<Partial<Record<Kind, string>>> = {
  MeshConfig: 'istio.mesh.v1alpha1.MeshConfig',
  VirtualService: 'istio.networking.v1alpha3.VirtualService',
  DestinationRule: 'istio.networking.v1alpha3.DestinationRule',
  Gateway: 'istio.networking.v1alpha3.Gateway',
  ServiceEntry: 'istio.networking.v1alpha3.ServiceEntry',
  WorkloadEntry: 'istio.networking.v1alpha3.WorkloadEntry',
  WorkloadGroup: 'istio.networking.v1alpha3.WorkloadGroup',
  Sidecar: 'istio.networking.v1alpha3.Sidecar',
  ProxyConfig: 'istio.networking.v1beta1.ProxyConfig',
  Telemetry: 'istio.telemetry.v1alpha1.Telemetry',
  EnvoyFilter: 'istio.networking.v1alpha3.EnvoyFilter',
  PeerAuthentication: 'istio.security.v1beta1.PeerAuthentication',
  AuthorizationPolicy: 'istio.security.v1beta1.AuthorizationPolicy',
  RequestAuthentication: 'istio.security.v1beta1.RequestAuthentication',
};

/**
 * Fields without presence in which zero is not absence: the mesh's settings are read over Istio's defaults, and these have one that is not zero
 * (istio: mesh.DefaultMeshConfig, mesh.DefaultProxyConfig).
 */
export const withDefault: ReadonlySet<string> = new Set(
  [
    ...['defaultDestinationRuleExportTo', 'defaultServiceExportTo', 'defaultVirtualServiceExportTo'],
    ...['enableTracing', 'ingressClass', 'ingressControllerMode', 'ingressService'],
    ...['proxyInboundListenPort', 'proxyListenPort', 'trustDomain'],
  ]
    .map(field => `istio.mesh.v1alpha1.MeshConfig.${field}`)
    .concat(
      [
        ...['binaryPath', 'configPath', 'controlPlaneAuthPolicy', 'discoveryAddress'],
        ...['proxyAdminPort', 'statNameLength', 'statusPort'],
      ].map(field => `istio.mesh.v1alpha1.ProxyConfig.${field}`),
    ),
);

/** The zero of a field as a user may write it; undefined for a field with presence, whose absence is written as null. */
export function zeroOf({ shape, presence, type }: FieldSchema): unknown {
  if (shape === 'list') return [];
  if (shape === 'map') return {};
  if (presence || type.kind === 'message') return undefined;
  if (type.kind === 'enum') return type.byNumber.get(0);
  return { bool: false, string: '', bytes: '' }[type.scalar] ?? 0;
}

/** Told of every field that is spelled out: `istio.networking.v1alpha3.Server.name`. */
type Told = (field: string) => void;

function valueOf(field: FieldSchema, value: unknown, told: Told): unknown {
  if (field.type.kind !== 'message') return value;
  const { name } = field.type;
  if (field.shape === 'single') return messageOf(name, value, told);
  if (field.shape === 'list') return Array.isArray(value) ? value.map(item => messageOf(name, item, told)) : value;
  if (!isFields(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, messageOf(name, item, told)]));
}

/** A message in which every absent field is written as zero, or as null where it has presence, also in the messages below it. */
export function messageOf(name: string, raw: unknown, told: Told = () => {}): unknown {
  if (!isFields(raw)) return raw;
  if (name === 'google.protobuf.Any') {
    const { '@type': url, ...rest } = raw;
    const type = typeof url === 'string' ? typeName(url) : '';
    // A message with a JSON form of its own is in the member `value`.
    if (type.startsWith('google.protobuf.') || !findType(type)) return raw;
    return { '@type': url, ...(messageOf(type, rest, told) as JsonFields) };
  }
  if (name.startsWith('google.protobuf.')) return raw;
  const { byKey, fields } = schemaOf(name);
  const out: Record<string, unknown> = {};
  const written = new Set<FieldSchema>();
  for (const [key, value] of Object.entries(raw)) {
    const field = byKey.get(key);
    out[key] = field ? valueOf(field, value, told) : value;
    if (field && value !== null && value !== undefined) written.add(field);
  }
  for (const field of fields) {
    const zero = zeroOf(field);
    const full = `${name}.${field.name}`;
    if (written.has(field) || withDefault.has(full)) continue;
    // A null can be a value of its own.
    if (zero === undefined && field.type.kind !== 'scalar' && field.type.name === 'google.protobuf.Value') continue;
    out[field.name] = zero ?? null;
    if (zero !== undefined) told(full);
  }
  return name === 'istio.networking.v1alpha3.EnvoyFilter.EnvoyConfigObjectPatch' ? patchOf(out, told) : out;
}

/** The value of a patch is a message of Envoy's API. */
function patchOf(raw: JsonFields, told: Told): JsonFields {
  const { applyTo, patch } = raw;
  const target = Object.entries(ApplyTo).find(([name, number]) => applyTo === name || applyTo === number)?.[1];
  const value = member(patch, 'value');
  if (!target || !isFields(patch) || !isFields(value)) return raw;
  return { ...raw, patch: { ...patch, value: messageOf(patchMessages[target], value, told) } };
}

/** Fields of objects of Kubernetes, by path, that the API server fills in where they are absent, or that mean the same empty or null. */
const kubernetes: Readonly<Partial<Record<Kind, Readonly<Record<string, (at: JsonFields) => unknown>>>>> = {
  Service: {
    'spec.clusterIPs': () => [],
    'spec.externalIPs': () => [],
    'spec.externalName': () => '',
    'spec.internalTrafficPolicy': () => 'Cluster',
    'spec.publishNotReadyAddresses': () => false,
    'spec.selector': () => ({}),
    'spec.sessionAffinity': () => 'None',
    'spec.trafficDistribution': () => '',
    'spec.type': () => 'ClusterIP',
    'spec.ports[].appProtocol': () => null,
    'spec.ports[].name': () => '',
    'spec.ports[].nodePort': () => 0,
    'spec.ports[].protocol': () => 'TCP',
    'spec.ports[].targetPort': ({ port }) => port,
    'status.loadBalancer.ingress': () => [],
  },
  EndpointSlice: {
    endpoints: () => [],
    ports: () => [],
    'endpoints[].conditions.ready': () => null,
    'endpoints[].conditions.serving': () => null,
    'endpoints[].conditions.terminating': () => null,
    'endpoints[].deprecatedTopology': () => ({}),
    'endpoints[].hostname': () => null,
    'endpoints[].nodeName': () => null,
    'endpoints[].targetRef': () => null,
    'endpoints[].zone': () => null,
    'ports[].appProtocol': () => null,
    'ports[].name': () => '',
    'ports[].protocol': () => 'TCP',
  },
  Endpoints: {
    subsets: () => [],
    'subsets[].addresses': () => [],
    'subsets[].notReadyAddresses': () => [],
    'subsets[].addresses[].hostname': () => '',
    'subsets[].ports[].name': () => '',
    'subsets[].ports[].protocol': () => 'TCP',
  },
  Pod: {
    'spec.hostNetwork': () => false,
    'spec.hostname': () => '',
    'spec.initContainers': () => [],
    'spec.nodeName': () => '',
    'spec.serviceAccountName': () => 'default',
    'spec.subdomain': () => '',
    'spec.containers[].ports': () => [],
    'spec.containers[].ports[].name': () => '',
    'spec.containers[].ports[].protocol': () => 'TCP',
    'status.conditions': () => [],
    'status.podIPs': () => [],
  },
  Node: { 'status.addresses': () => [] },
  Secret: { data: () => ({}), stringData: () => ({}), type: () => 'Opaque' },
};

function withPath(
  at: JsonFields,
  path: readonly string[],
  make: (at: JsonFields) => unknown,
  told: () => void,
): JsonFields {
  const [step = '', ...rest] = path;
  const list = step.endsWith('[]');
  const name = list ? step.slice(0, -2) : step;
  const value = at[name] ?? undefined;
  if (rest.length === 0) {
    if (value !== undefined) return at;
    told();
    return { ...at, [name]: make(at) };
  }
  const inner = (item: unknown): unknown => (isFields(item) ? withPath(item, rest, make, told) : item);
  if (list) return Array.isArray(value) ? { ...at, [name]: value.map(inner) } : at;
  return value === undefined || isFields(value) ? { ...at, [name]: inner(value ?? {}) } : at;
}

/** An object in which every absent field is written as the zero, or as the default of the API server, that it means. */
export function spelledOut(object: RawObject, told: Told = () => {}): RawObject {
  const kind = object.kind as Kind;
  const spec = specs[kind];
  let out: JsonFields = object;
  if (spec) out = 'spec' in object ? { ...object, spec: messageOf(spec, object['spec'], told) } : object;
  const fields = { ...kubernetes[kind], 'metadata.annotations': () => ({}), 'metadata.labels': () => ({}) };
  for (const [path, make] of Object.entries(fields))
    out = withPath(out, path.split('.'), make, () => told(`${kind}.${path}`));
  return out as RawObject;
}
