import fc from 'fast-check';
import { type Kind, kindNames, kinds } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { specs } from '../support/spelled-out.ts';
import { message } from './arbitrary.ts';
import { mostly, nonsense, type Values } from './values.ts';

/** The kinds whose specs have a schema. */
export const istioKinds = kindNames.filter(kind => specs[kind]);

/** The message of a kind's `spec`. */
export const specOf = (kind: Kind): string => {
  const name = specs[kind];
  if (!name) throw new Error(`${kind} has no message`);
  return name;
};

/** An object of a kind. */
export function objectOf(
  kind: Kind,
  name: string,
  namespace: string,
  body: Readonly<Record<string, unknown>>,
): RawObject {
  const { group, versions, namespaced } = kinds[kind];
  return {
    apiVersion: group ? `${group}/${versions[0]}` : versions[0],
    kind,
    metadata: namespaced ? { name, namespace } : { name },
    ...body,
  };
}

const number = mostly(
  fc.constantFrom<unknown>(80, 8080, 9000, 443, 3306),
  fc.constantFrom<unknown>(0, -1, 70000, 'x', null),
);
const ip = mostly(
  fc.constantFrom<unknown>('10.96.0.10', '10.1.0.10', '10.1.0.99', 'fd00::7'),
  fc.constantFrom<unknown>('', 'None', 'x', '10.1.0', '0.0.0.0'),
);
const portName = mostly(
  fc.constantFrom<unknown>('http', 'tcp', 'https-x', 'grpc', 'mysql', 'tls', 'udp', ''),
  nonsense,
);

const service = fc
  .record({
    type: mostly(fc.constantFrom<unknown>('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'), nonsense),
    clusterIP: ip,
    externalName: mostly(
      fc.constantFrom<unknown>(
        'outside.example.com',
        'web.default.svc.cluster.local',
        'loop.default.svc.cluster.local',
      ),
      nonsense,
    ),
    selector: fc.constantFrom<unknown>({ app: 'web' }, { app: 'client' }, {}, null, { app: 1 }),
    ports: fc.array(
      fc.record({
        name: portName,
        port: number,
        targetPort: mostly(number, fc.constantFrom<unknown>('http', 'nope', '')),
        protocol: fc.constantFrom<unknown>('TCP', 'UDP', 'SCTP', undefined, 'X'),
        appProtocol: fc.constantFrom<unknown>(undefined, 'http', 'kubernetes.io/h2c', 'tcp', 'x'),
      }),
      { maxLength: 3 },
    ),
    publishNotReadyAddresses: mostly(fc.boolean(), nonsense),
    internalTrafficPolicy: fc.constantFrom<unknown>(undefined, 'Cluster', 'Local', 'x'),
    trafficDistribution: fc.constantFrom<unknown>(undefined, 'PreferClose', 'x'),
  })
  .map(spec => ({ spec }));

const slice = fc
  .record({
    addressType: fc.constantFrom<unknown>('IPv4', 'IPv6', 'FQDN', 'x'),
    ports: fc.array(
      fc.record({ name: portName, port: number, protocol: fc.constantFrom<unknown>('TCP', 'UDP', undefined) }),
      { maxLength: 2 },
    ),
    endpoints: fc.array(
      fc.record({
        addresses: mostly(fc.array(ip, { maxLength: 2 }), nonsense),
        conditions: fc.constantFrom<unknown>(
          {},
          { ready: false },
          { ready: false, serving: true, terminating: true },
          null,
          'x',
        ),
        targetRef: fc.constantFrom<unknown>(undefined, { kind: 'Pod', name: 'web-1' }, { kind: 'Pod', name: 'gone' }),
        zone: fc.constantFrom<unknown>(undefined, 'z1', 3),
      }),
      { maxLength: 3 },
    ),
  })
  .map(body => ({
    ...body,
    metadata: { name: 'fuzz', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
  }));

const pod = fc.record({
  spec: fc.record({
    nodeName: mostly(fc.constantFrom<unknown>('node-1'), nonsense),
    serviceAccountName: mostly(fc.constantFrom<unknown>('client', 'web'), nonsense),
    containers: fc.constantFrom<unknown>(
      [],
      [{ name: 'app', ports: [{ name: 'http', containerPort: 8080 }] }],
      [{}],
      'x',
    ),
    hostname: mostly(fc.constantFrom<unknown>(undefined, 'db-0'), nonsense),
    subdomain: mostly(fc.constantFrom<unknown>(undefined, 'db'), nonsense),
  }),
  status: fc.record({
    podIP: ip,
    phase: mostly(fc.constantFrom<unknown>('Running', 'Failed'), nonsense),
    conditions: fc.constantFrom<unknown>([{ type: 'Ready', status: 'True' }], [], 'x'),
  }),
});

const secret = fc.record({
  type: fc.constantFrom('kubernetes.io/tls', 'Opaque', ''),
  data: fc.dictionary(
    fc.constantFrom('tls.crt', 'tls.key', 'ca.crt', 'cert', 'key', 'cacert'),
    mostly(fc.constantFrom<unknown>('', 'YQ==', '!'), nonsense),
    { maxKeys: 4 },
  ),
});

const cluster = fc.record({
  metadata: fc.record({
    name: fc.constantFrom('node-1', 'default', 'istio-system'),
    labels: fc.constantFrom<unknown>(
      {},
      { 'topology.kubernetes.io/region': 'r1', 'topology.kubernetes.io/zone': 'z1' },
      { 'topology.istio.io/network': 'n1' },
      'x',
    ),
    annotations: fc.constantFrom<unknown>({}, { 'networking.istio.io/traffic-distribution': 'PreferClose' }),
  }),
});

const bodies: Readonly<Partial<Record<Kind, Values>>> = {
  Service: service,
  EndpointSlice: slice,
  Pod: pod,
  Secret: secret,
  Node: cluster,
  Namespace: cluster,
};

const DEPTH = 6;

const bodyOf = (kind: Kind): Values => {
  const spec = specs[kind];
  if (!spec) return bodies[kind] ?? fc.constant({});
  return message(spec, DEPTH).map(value => ({ spec: value }));
};

const names = (kind: Kind): fc.Arbitrary<string> =>
  kind === 'MeshConfig'
    ? fc.constant('istio')
    : fc.constantFrom('fuzz', 'other', ...(kind === 'Service' ? ['web', 'loop'] : []));

/** An object of a kind as a user may write it, or may not. */
export const anObject = (kind: Kind): fc.Arbitrary<RawObject> =>
  fc
    .tuple(names(kind), fc.constantFrom('default', 'default', 'istio-system'), bodyOf(kind))
    .map(([name, namespace, body]) => {
      const own = body as Readonly<Record<string, unknown>>;
      const { metadata } = own;
      const object = objectOf(kind, name, namespace, own);
      return typeof metadata === 'object' ? { ...object, metadata: { ...object.metadata, ...metadata } } : object;
    });

const weight = (kind: Kind): number =>
  ({
    VirtualService: 8,
    DestinationRule: 8,
    Gateway: 5,
    Sidecar: 5,
    ServiceEntry: 5,
    MeshConfig: 4,
    Telemetry: 3,
    AuthorizationPolicy: 4,
  })[kind as string] ?? 2;

/** The mesh's settings, and what refers to the providers in them. */
const settled = fc
  .tuple(anObject('MeshConfig'), anObject('Telemetry'), anObject('AuthorizationPolicy'))
  .map(([settings, telemetry, policy]): readonly RawObject[] => [settings, telemetry, policy]);

/** Some objects of any kinds. */
const mixed = fc.array(fc.oneof(...kindNames.map(kind => ({ weight: weight(kind), arbitrary: anObject(kind) }))), {
  minLength: 1,
  maxLength: 5,
});

/** Some objects, of any kinds or of kinds that belong together. */
export const someObjects: fc.Arbitrary<readonly RawObject[]> = fc.oneof(
  { weight: 4, arbitrary: mixed },
  { weight: 1, arbitrary: settled },
);
