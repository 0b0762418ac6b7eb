import fc from 'fast-check';
import { type FieldSchema, schemaOf } from '../../src/proto/schema.ts';
import { byField, byScalar, durations, keyByField, mapValueByField, mostly, nonsense, type Values } from './values.ts';

/** Fields without which a message says next to nothing: they are nearly always there. */
const usual: Readonly<Record<string, readonly string[]>> = {
  VirtualService: ['hosts', 'http'],
  HTTPRoute: ['route'],
  HTTPRouteDestination: ['destination'],
  RouteDestination: ['destination'],
  HTTPMirrorPolicy: ['destination'],
  Destination: ['host'],
  TCPRoute: ['route'],
  TLSRoute: ['match', 'route'],
  TLSMatchAttributes: ['sniHosts'],
  DestinationRule: ['host', 'trafficPolicy'],
  Subset: ['name'],
  Gateway: ['servers', 'selector'],
  Server: ['port', 'hosts'],
  Port: ['number', 'protocol', 'name'],
  PortSelector: ['number'],
  ServicePort: ['number', 'protocol', 'name'],
  SidecarPort: ['number', 'protocol', 'name'],
  ServiceEntry: ['hosts', 'ports', 'resolution'],
  WorkloadEntry: ['address'],
  WorkloadGroup: ['template'],
  Sidecar: ['egress'],
  IstioEgressListener: ['hosts'],
  IstioIngressListener: ['port', 'defaultEndpoint'],
  From: ['source'],
  To: ['operation'],
  Condition: ['key', 'values'],
  JWTRule: ['issuer'],
  Telemetry: ['accessLogging', 'tracing'],
  MeshConfig: ['extensionProviders'],
  ExtensionProvider: ['name'],
  ProviderRef: ['name'],
  AccessLogging: ['providers'],
  Tracing: ['providers'],
  EnvoyExternalAuthorizationHttpProvider: ['service', 'port'],
  EnvoyExternalAuthorizationGrpcProvider: ['service', 'port'],
  ZipkinTracingProvider: ['service', 'port'],
  OpenTelemetryTracingProvider: ['service', 'port'],
  EnvoyOpenTelemetryLogProvider: ['service', 'port'],
  EnvoyHttpGrpcV3LogProvider: ['service', 'port'],
  EnvoyTcpGrpcV3LogProvider: ['service', 'port'],
  EnvoyFilter: ['configPatches'],
  EnvoyConfigObjectPatch: ['applyTo', 'patch'],
  Patch: ['operation', 'value'],
  FaultInjection: ['abort'],
  ConnectionPoolSettings: ['http', 'tcp'],
  Tunnel: ['targetHost', 'targetPort'],
  TunnelSettings: ['targetHost', 'targetPort'],
  JWTHeader: ['name'],
  ClaimToHeader: ['header', 'claim'],
  PolicyTargetReference: ['group', 'kind', 'name'],
  ServerTLSSettings: ['mode'],
  ClientTLSSettings: ['mode'],
};

const wellKnown: Readonly<Record<string, Values>> = {
  'google.protobuf.Duration': durations,
  'google.protobuf.BoolValue': mostly(fc.boolean(), nonsense),
  'google.protobuf.Struct': fc.constantFrom<unknown>(
    {},
    { a: 1 },
    { name: 'x', connect_timeout: '1s' },
    { routes: [{}] },
    [],
    'x',
  ),
  'google.protobuf.Value': fc.constantFrom<unknown>(null, 1, 'a', [], {}),
  'google.protobuf.Timestamp': fc.constantFrom<unknown>('2026-01-01T00:00:00Z', 'x'),
};
for (const scalar of ['UInt32', 'Int32', 'UInt64', 'Int64'])
  Object.assign(wellKnown, { [`google.protobuf.${scalar}Value`]: byScalar(scalar.toLowerCase()) });
for (const scalar of ['Double', 'Float'])
  Object.assign(wellKnown, { [`google.protobuf.${scalar}Value`]: byScalar('double') });
Object.assign(wellKnown, { 'google.protobuf.StringValue': byScalar('string') });

/** Fields of which mostly one is there at a time, besides the oneofs of the schema. */
const alternatives: Readonly<Record<string, readonly (readonly string[])[]>> = {
  HTTPRoute: [['route', 'redirect', 'directResponse', 'delegate']],
  HTTPRedirect: [['uri', 'prefixRewrite']],
  TrafficPolicy: [['tunnel', 'proxyProtocol']],
  AuthorizationPolicy: [['selector', 'targetRef', 'targetRefs']],
  RequestAuthentication: [['selector', 'targetRef', 'targetRefs']],
  Telemetry: [['selector', 'targetRef', 'targetRefs']],
  EnvoyFilter: [['workloadSelector', 'targetRefs']],
  ServiceEntry: [['endpoints', 'workloadSelector']],
  LocalityLoadBalancerSetting: [['distribute', 'failover', 'failoverPriority']],
};

/** Lists whose values in the table are lists themselves. */
const wholeLists = new Set(['Tracing.providers', 'AccessLogging.providers']);

const MOST_FIELDS = 4;

const named = (owner: string, { name }: FieldSchema): Values | undefined =>
  byField[`${owner}.${name}`] ?? byField[name];

function single(owner: string, field: FieldSchema, depth: number): Values {
  const { type } = field;
  if (type.kind === 'enum')
    return (
      byField[`${owner}.${field.name}`] ??
      mostly(fc.constantFrom<unknown>(...type.byName.keys()), fc.constantFrom<unknown>('NONSENSE', -1, 99, null, ''))
    );
  if (type.kind === 'scalar') return named(owner, field) ?? byScalar(type.scalar);
  const known = byField[`${owner}.${field.name}`] ?? wellKnown[type.name];
  if (known) return known;
  // A name that is a scalar elsewhere says nothing of a message.
  return mostly(message(type.name, depth - 1), fc.constantFrom<unknown>({}, null, [], 'x'));
}

function valueOf(owner: string, field: FieldSchema, depth: number): Values {
  const { name, shape } = field;
  if (shape === 'map') {
    const whole = byField[`${owner}.${name}`] ?? (keyByField[name] ? undefined : byField[name]);
    if (whole) return whole;
    const keys = keyByField[name] ?? byScalar('string');
    const values = mapValueByField[name] ?? single(owner, field, depth);
    return fc.array(fc.tuple(keys.map(String), values), { maxLength: 2 }).map(entries => Object.fromEntries(entries));
  }
  const whole = shape === 'list' && wholeLists.has(`${owner}.${name}`) ? byField[`${owner}.${name}`] : undefined;
  if (whole) return whole;
  const item = single(owner, field, depth);
  if (shape === 'list') return mostly(fc.array(item, { minLength: 1, maxLength: 3 }), fc.array(item, { maxLength: 1 }));
  return item;
}

const messages = new Map<string, Values>();

/** Values for a message in the JSON that users write: some of its fields, each as it may be or as it may not. */
export function message(name: string, depth: number): Values {
  const id = `${name} ${depth}`;
  const known = messages.get(id);
  if (known) return known;
  const { fields } = schemaOf(name);
  const owner = name.split('.').at(-1) ?? '';
  const always = usual[owner] ?? [];
  const possible = depth > 0 ? fields : fields.filter(field => field.type.kind !== 'message');
  const rest = possible.filter(field => !always.includes(field.name));
  const oneofs = new Set(fields.map(field => field.oneof).filter(oneof => oneof !== undefined));
  const groups: readonly (readonly string[])[] = [
    ...(alternatives[owner] ?? []),
    ...[...oneofs].map(oneof => fields.filter(field => field.oneof === oneof).map(field => field.name)),
  ];
  // Made when it is needed: messages hold each other.
  const made: Values = fc
    .tuple(fc.subarray(rest, { maxLength: Math.min(MOST_FIELDS, rest.length) }), fc.nat(29), fc.nat(9))
    .chain(([some, odd, pick]) => {
      const chosen = odd === 0 ? some : [...possible.filter(field => always.includes(field.name)), ...some];
      const kept =
        odd === 1 ? chosen : groups.reduce<readonly FieldSchema[]>((list, group) => oneOf(list, group, pick), chosen);
      return fc.record(Object.fromEntries(kept.map(field => [field.name, valueOf(owner, field, depth)])));
    });
  messages.set(id, made);
  return made;
}

/** The fields with one of the group's at most. */
function oneOf(list: readonly FieldSchema[], group: readonly string[], pick: number): readonly FieldSchema[] {
  const members = list.filter(field => group.includes(field.name));
  const kept = members[pick % Math.max(members.length, 1)];
  return list.filter(field => !group.includes(field.name) || field === kept);
}
