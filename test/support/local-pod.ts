import { randomInt } from 'node:crypto';
import type { RawObject } from '../../src/config/raw.ts';

/**
 * A pod on this machine's loopback: its Envoy listens on an address of its own, and calls of its application enter the Envoy on a second
 * one. Nothing is redirected; Istio's `Sidecar` says where the Envoy binds (INTERCEPTION_MODE NONE), so that no right of root is needed.
 */
export interface LocalPod {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The pod's address: the Envoy's inbound listener and its admin pages. */
  readonly address: string;
  /** Where the Envoy takes the application's calls. */
  readonly egress: string;
  /** Where the application listens, on 127.0.0.1. */
  readonly appPort: number;
}

export const NAMESPACE = 'default';

/** Loopback addresses that nothing else on this machine is likely to use: the n-th of a random /24. */
export function loopbackNetwork(): (n: number) => string {
  const prefix = `127.${randomInt(1, 255)}.${randomInt(0, 256)}`;
  return n => `${prefix}.${n}`;
}

/** Where an Envoy's admin pages are. */
export const adminOf = (pod: LocalPod): string => `${pod.address}:15000`;

const ready = [{ type: 'Ready', status: 'True' }];

const podObject = ({ name, labels, address }: LocalPod): RawObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: NAMESPACE, labels },
  spec: { serviceAccountName: 'default', nodeName: 'localhost' },
  status: { phase: 'Running', conditions: ready, podIP: address, podIPs: [{ ip: address }] },
});

const sidecarObject = ({ name, labels, address, egress, appPort }: LocalPod, port: number): RawObject => {
  const http = { number: port, name: 'http', protocol: 'HTTP' };
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Sidecar',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      workloadSelector: { labels },
      ingress: [{ port: http, bind: address, captureMode: 'NONE', defaultEndpoint: `127.0.0.1:${appPort}` }],
      egress: [{ port: http, bind: egress, captureMode: 'NONE', hosts: ['./*'] }],
    },
  };
};

/** The Pod, and the Sidecar that tells its Envoy where to listen; `port` is that of every Service. */
export const podObjects = (pod: LocalPod, port: number): readonly RawObject[] => [
  podObject(pod),
  sidecarObject(pod, port),
];

/** An endpoint of a Service: a pod, and what is not as usual about it. */
export interface LocalEndpoint {
  readonly pod: Pick<LocalPod, 'name' | 'address'>;
  readonly conditions?: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean };
}

/** The EndpointSlice of a Service whose port is named `http`. */
export const sliceObject = (service: string, port: number, endpoints: readonly LocalEndpoint[]): RawObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: service, namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': service } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port, protocol: 'TCP' }],
  endpoints: endpoints.map(({ pod, conditions = { ready: true, serving: true, terminating: false } }) => ({
    addresses: [pod.address],
    conditions,
    nodeName: 'localhost',
    targetRef: { kind: 'Pod', name: pod.name, namespace: NAMESPACE },
  })),
});
