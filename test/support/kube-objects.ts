import type { RawObject } from '../../src/config/raw.ts';

/** Where objects are that say nothing else. */
export const NAMESPACE = 'default';

/** A Pod as a test has it. */
export interface PodShape {
  readonly name: string;
  readonly namespace?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly address: string;
}

/** A ready Pod as the API server reports it. */
export const podObject = ({ name, namespace = NAMESPACE, labels, address }: PodShape): RawObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels },
  spec: { serviceAccountName: 'default', nodeName: 'localhost' },
  status: {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True' }],
    podIP: address,
    podIPs: [{ ip: address }],
  },
});

/** A Service as a test has it: one port, of HTTP unless its name says otherwise. */
export interface ServiceShape {
  readonly name: string;
  readonly namespace?: string;
  readonly clusterIP: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly port: number;
  readonly targetPort: number;
  readonly portName?: string;
}

/** A Service. */
export const serviceObject = (service: ServiceShape): RawObject => {
  const { name, namespace = NAMESPACE, clusterIP, selector, port, targetPort, portName = 'http' } = service;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { clusterIP, clusterIPs: [clusterIP], selector, ports: [{ name: portName, port, targetPort }] },
  };
};

/** An endpoint of a Service: a pod, and what is not as usual about it. */
export interface EndpointShape {
  readonly pod: Pick<PodShape, 'name' | 'address'>;
  readonly conditions?: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean };
}

/** The EndpointSlice of a Service. */
export const sliceObject = (
  { name, namespace = NAMESPACE, targetPort, portName = 'http' }: Omit<ServiceShape, 'clusterIP' | 'selector' | 'port'>,
  endpoints: readonly EndpointShape[],
): RawObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  ports: [{ name: portName, port: targetPort, protocol: 'TCP' }],
  endpoints: endpoints.map(({ pod, conditions = { ready: true, serving: true, terminating: false } }) => ({
    addresses: [pod.address],
    conditions,
    nodeName: 'localhost',
    targetRef: { kind: 'Pod', name: pod.name, namespace },
  })),
});
