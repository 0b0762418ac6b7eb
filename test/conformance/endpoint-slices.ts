import type { RawObject } from '../../src/config/raw.ts';
import { isFields, member, members } from '../support/json.ts';

const labelsOf = (object: RawObject): Readonly<Record<string, string>> => object.metadata.labels ?? {};

const namespaceOf = (object: RawObject): string => object.metadata.namespace ?? 'default';

/** The number that a target port means in a pod; undefined where the pod has no port of that name. */
function portIn(pod: RawObject, target: unknown): number | undefined {
  if (typeof target === 'number') return target;
  const containers = members(member(pod['spec'], 'containers'));
  const port = containers.flatMap(c => members(c['ports'])).find(p => p['name'] === target);
  return typeof port?.['containerPort'] === 'number' ? port['containerPort'] : undefined;
}

const isReady = (pod: RawObject): boolean =>
  members(member(pod['status'], 'conditions')).some(c => c['type'] === 'Ready' && c['status'] === 'True');

const familyOf = (ip: string): 'IPv4' | 'IPv6' => (ip.includes(':') ? 'IPv6' : 'IPv4');

/** The families that a Service asks for; one that does not say so has those of its pods. */
function serves(service: RawObject, family: string): boolean {
  const asked = member(service['spec'], 'ipFamilies');
  return !Array.isArray(asked) || asked.includes(family);
}

function sliceOf(service: RawObject, pod: RawObject, ip: string): RawObject[] {
  const publishes = member(service['spec'], 'publishNotReadyAddresses') === true;
  const ready = publishes || isReady(pod);
  const ports = members(member(service['spec'], 'ports')).flatMap(port => {
    const number = portIn(pod, port['targetPort'] ?? port['port']);
    return number === undefined
      ? []
      : [{ name: port['name'] ?? '', port: number, protocol: port['protocol'] ?? 'TCP' }];
  });
  const { name } = service.metadata;
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${pod.metadata.name}-${familyOf(ip).toLowerCase()}`,
      namespace: namespaceOf(service),
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: familyOf(ip),
    ports,
    endpoints: [
      {
        addresses: [ip],
        conditions: { ready, serving: ready, terminating: false },
        nodeName: member(pod['spec'], 'nodeName'),
        targetRef: { kind: 'Pod', name: pod.metadata.name, namespace: namespaceOf(pod) },
      },
    ],
  };
  return serves(service, familyOf(ip)) && ports.length > 0 ? [slice] : [];
}

/** What Kubernetes' controller would make of Services with a selector: here a slice for each pod and family. */
export function endpointSlices(objects: readonly RawObject[]): readonly RawObject[] {
  const pods = objects.filter(o => o.kind === 'Pod');
  return objects
    .filter(o => o.kind === 'Service')
    .flatMap(service => {
      const selector = member(service['spec'], 'selector');
      if (!isFields(selector)) return [];
      return pods
        .filter(pod => namespaceOf(pod) === namespaceOf(service))
        .filter(pod => Object.entries(selector).every(([key, value]) => labelsOf(pod)[key] === value))
        .flatMap(pod =>
          members(member(pod['status'], 'podIPs')).flatMap(({ ip }) => sliceOf(service, pod, String(ip))),
        );
    });
}
