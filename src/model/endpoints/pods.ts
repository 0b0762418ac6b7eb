import type { ConfigContents } from '../../config/store.ts';
import type { KubePod } from '../../istio/kubernetes.ts';
import { internLabels } from '../../istio/labels.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { spiffeId } from '../../istio/spiffe.ts';
import { addTo } from '../../lists.ts';
import { memo, one, oneList } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import type { ServicePort } from '../services/service.ts';
import type { Endpoint, Locality } from './endpoint.ts';
import { augmentLabels, labelledLocality, nodeLocality, nowhere } from './locality.ts';

/** What is the same for every endpoint of a pod. */
export type EndpointPlace = Omit<Endpoint, 'address' | 'port' | 'portName' | 'servicePort' | 'health' | 'weight'>;

/** What a proxy's workload takes from its pod; equal pods share one value. */
export interface PodShape {
  readonly labels: Readonly<Record<string, string>>;
  readonly workload: string;
  readonly serviceAccount: string;
  readonly ports: KubePod['containerPorts'];
}

/** The `security.istio.io/tlsMode` label of an endpoint that is served by a sidecar. */
export const tlsModeOf = (labels: Readonly<Record<string, string>>): Endpoint['tlsMode'] =>
  labels['security.istio.io/tlsMode'] === 'istio' ? 'istio' : 'disabled';

/** The name of the Deployment (or the like) that a pod is of (istio: GetWorkloadMetaFromPod). */
export function workloadName({ meta, ownerKind, ownerName }: KubePod): string {
  const { labels } = meta;
  const named = labels['service.istio.io/workload-name'];
  if (named) return named;
  if (!ownerName) return meta.name;
  if (ownerKind === 'ReplicaSet') {
    for (const label of ['pod-template-hash', 'rollouts-pod-template-hash']) {
      const hash = labels[label];
      if (hash && ownerName.endsWith(hash))
        return ownerName.endsWith(`-${hash}`) ? ownerName.slice(0, -hash.length - 1) : ownerName;
    }
  }
  if (ownerKind === 'ReplicationController' && labels['deploymentconfig']) return labels['deploymentconfig'];
  if (ownerKind === 'Job') return /^(.+)-\d{8,10}$/.exec(ownerName)?.[1] ?? ownerName;
  return ownerName;
}

const placeOf = memo((pod: KubePod, ofNode: Locality, settings: MeshSettings): EndpointPlace => {
  const { labels, namespace, name } = pod.meta;
  const place = labelledLocality(labels) ?? ofNode;
  const network = labels['topology.istio.io/network'] || settings.network;
  return Object.freeze({
    locality: place,
    labels: augmentLabels(labels, settings.clusterId, place, pod.node, network),
    namespace,
    workload: workloadName(pod),
    pod: name,
    node: pod.node,
    network,
    clusterId: settings.clusterId,
    identity: spiffeId(settings.trustDomain, namespace, pod.serviceAccount),
    tlsMode: tlsModeOf(labels),
    hostname: pod.subdomain ? pod.hostname || name : '',
    subdomain: pod.subdomain,
  });
});

/** A shape as one shared value; its labels are one already. */
export const internShape = (shape: PodShape): PodShape => one({ ...shape, ports: oneList(shape.ports.map(one)) });

/** The shape of a pod. */
export const podShape: (pod: KubePod) => PodShape = memo(pod =>
  internShape({
    labels: internLabels(pod.meta.labels),
    workload: workloadName(pod),
    serviceAccount: pod.serviceAccount,
    ports: pod.containerPorts,
  }),
);

const byAddress = memo((pods: ReadonlyMap<ObjectKey, KubePod>): ReadonlyMap<string, readonly KubePod[]> => {
  const found = new Map<string, KubePod[]>();
  for (const pod of pods.values()) {
    for (const ip of pod.ips) {
      addTo(found, ip, pod);
    }
  }
  return found;
});

/** The pods of one moment. */
export interface PodIndex {
  readonly pods: ConfigContents['Pod'];
  /** Where a pod runs; the values keep their identity while pod and node do. */
  place(pod: KubePod): EndpointPlace;
  locality(pod: KubePod): Locality;
  /** By `namespace/name`. */
  named(name: string): KubePod | undefined;
  /** A pod of the namespace with this address; of several on the host's network the first. */
  at(address: string, namespace: string): KubePod | undefined;
}

/** An index over the pods and nodes. */
export const podIndex: (
  pods: ConfigContents['Pod'],
  nodes: ConfigContents['Node'],
  settings: MeshSettings,
) => PodIndex = memo((pods, nodes, settings) => {
  const ofNode = (pod: KubePod): Locality => {
    const node = pod.node ? nodes.get(`Node/${pod.node}` as ObjectKey) : undefined;
    return node ? nodeLocality(node) : nowhere;
  };
  return {
    pods,
    place: pod => placeOf(pod, ofNode(pod), settings),
    locality: pod => labelledLocality(pod.meta.labels) ?? ofNode(pod),
    named: name => pods.get(`Pod/${name}` as ObjectKey),
    at: (address, namespace) =>
      byAddress(pods)
        .get(address)
        ?.find(pod => pod.meta.namespace === namespace),
  };
});

/** The number of a Service port's target port on a pod with these container ports; undefined where a name is not found. */
export function findPort(
  ports: PodShape['ports'],
  { targetPort, protocol }: Pick<ServicePort, 'targetPort' | 'protocol'>,
): number | undefined {
  if (typeof targetPort === 'number') return targetPort;
  const transport = protocol === 'UDP' ? 'UDP' : 'TCP';
  return ports.find(port => port.name === targetPort && port.protocol === transport)?.port;
}
