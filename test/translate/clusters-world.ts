import type { Problem } from '../../src/config/problem.ts';
import { identify } from '../../src/model/identify.ts';
import { parseNode } from '../../src/model/proxy/node.ts';
import { toJson } from '../../src/proto/json.ts';
import { decode, encode } from '../../src/proto/message.ts';
import { clusters } from '../../src/translate/clusters/clusters.ts';
import { endpointAssignments } from '../../src/translate/endpoints/assignments.ts';
import type { ClusterResource, EndpointResource } from '../../src/translate/resource.ts';
import { node, World } from '../model/support.ts';
import { joined } from '../support/translation.ts';

/** What a test asks of a proxy: its Node id and the metadata that matters. */
export interface Who {
  readonly id: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** What the Envoy build has compiled in; unlisted: all of upstream Envoy. */
  readonly extensions?: readonly string[];
}

/** A sidecar beside the pod `client` on the node `near`, with an agent. */
export const SIDECAR: Who = {
  id: 'sidecar~10.0.0.1~client.default',
  metadata: { ISTIO_VERSION: '1.31.0', NAMESPACE: 'default', LABELS: { app: 'client' }, NODE_NAME: 'near' },
};
/** The same proxy as a stock Envoy without an agent. */
export const AGENTLESS: Who = { ...SIDECAR, metadata: { ...SIDECAR.metadata, ISTIO_VERSION: '' } };
export const ROUTER: Who = { ...SIDECAR, id: SIDECAR.id.replace('sidecar', 'router') };

const kubeNode = (name: string, region: string, zone: string): string => `
apiVersion: v1
kind: Node
metadata: {name: ${name}, labels: {topology.kubernetes.io/region: ${region}, topology.kubernetes.io/zone: ${zone}}}
`;

const pod = (name: string, ip: string, on: string, labels: string, account = name): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: default, labels: {${labels}}}
spec: {nodeName: ${on}, serviceAccountName: ${account}, containers: [{name: app, image: app}]}
status: {phase: Running, podIP: ${ip}, podIPs: [{ip: ${ip}}], conditions: [{type: Ready, status: 'True'}]}
`;

/** One line of an EndpointSlice. */
export const endpoint = (ip: string, name: string, on: string, conditions = 'ready: true'): string =>
  `{addresses: [${ip}], nodeName: ${on}, conditions: {${conditions}}, targetRef: {kind: Pod, name: ${name}, namespace: default}}`;

/** The EndpointSlice of a Service with one port `http`, 8080. */
export const slice = (service: string, ...endpoints: readonly string[]): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}, namespace: default, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [${endpoints.join(', ')}]
`;

const service = (name: string, more = 'clusterIP: 10.96.0.1'): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: {${more}, selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080}]}
`;

const MESHED = 'security.istio.io/tlsMode: istio, app: shop';

/** A client, and a Service `shop` of three pods in three zones (one in another region), each with a sidecar. */
export const SHOP = [
  kubeNode('near', 'r1', 'z1'),
  kubeNode('next', 'r1', 'z2'),
  kubeNode('far', 'r2', 'z3'),
  pod('client', '10.0.0.1', 'near', 'app: client'),
  pod('shop-a', '10.0.0.2', 'near', `${MESHED}, version: v1`),
  pod('shop-b', '10.0.0.3', 'next', `${MESHED}, version: v1`),
  pod('shop-c', '10.0.0.4', 'far', `${MESHED}, version: v2`, 'other'),
  service('shop'),
  slice(
    'shop',
    endpoint('10.0.0.2', 'shop-a', 'near'),
    endpoint('10.0.0.3', 'shop-b', 'next'),
    endpoint('10.0.0.4', 'shop-c', 'far'),
  ),
  service('client', 'clusterIP: 10.96.0.2'),
  slice('client', endpoint('10.0.0.1', 'client', 'near')),
].join('---');

/** A headless Service of the shop's pods. */
export const HEADLESS = service('direct', 'clusterIP: None');

export const world = (...documents: readonly string[]): World => new World(documents.join('\n---\n'));

export const rule = (host: string, spec: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${host.replace(/[^a-z]/g, '')}, namespace: default}
spec: {host: "${host}", ${spec}}
`;

type Json = { readonly [key: string]: unknown };
const asJson = (value: unknown): Json => value as Json;

/** What a proxy is given: resources as they are, and as proto JSON by name after a trip over the wire. */
export function given(w: World, who: Who = SIDECAR) {
  const extensions = who.extensions?.map(name => ({ name }));
  const parsed = parseNode(node(`${who.id}~default.svc.cluster.local`, who.metadata, extensions && { extensions }));
  if (!parsed.ok) throw new Error(parsed.message);
  const identity = identify(w.mesh, parsed.proxy);
  const { scope, workload, traits } = identity;
  const parts = clusters(scope, workload, traits, w.mesh.endpoints);
  const cds = joined(parts);
  const eds = endpointAssignments(identity, w.mesh.endpoints);
  const CDS = 'envoy.config.cluster.v3.Cluster';
  const EDS = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
  return {
    list: cds.resources,
    parts: parts.map(part => part.resources),
    names: cds.resources.map(r => r.name).sort(),
    resource: (name: string): ClusterResource | undefined => cds.resources.find(r => r.name === name),
    cluster: (name: string): Json => {
      const found = cds.resources.find(r => r.name === name);
      if (!found) throw new Error(`no cluster ${name}`);
      return asJson(toJson(CDS, decode(CDS, encode(CDS, found.message))));
    },
    assigned: (name: string): EndpointResource | undefined => eds.find(r => r.name === name),
    assignment: (name: string): Json => {
      const found = eds.find(r => r.name === name);
      if (!found) throw new Error(`no assignment ${name}`);
      return asJson(toJson(EDS, decode(EDS, encode(EDS, found.message))));
    },
    assignments: eds.map(r => r.name).sort(),
    problems: cds.problems satisfies readonly Problem[],
  };
}

/** `10.0.0.2` … of an assignment by priority and locality: `0 r1/z1: 10.0.0.2*1`. */
export function layout(assignment: Json): readonly string[] {
  const text = (value: unknown, ...path: readonly string[]): string => {
    let at: unknown = value;
    for (const step of path) at = typeof at === 'object' && at !== null ? asJson(at)[step] : undefined;
    return at === undefined ? '' : String(at);
  };
  const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
  return items(assignment['endpoints']).map(group => {
    const members = items(asJson(group)['lb_endpoints']).map(e =>
      text(e, 'endpoint', 'address', 'socket_address', 'address'),
    );
    const place = `${text(group, 'locality', 'region')}/${text(group, 'locality', 'zone')}`;
    const weight = text(group, 'load_balancing_weight');
    return `${text(group, 'priority') || '0'} ${place}: ${members.join(' ')} (${weight})`;
  });
}
