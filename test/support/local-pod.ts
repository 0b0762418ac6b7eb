import { randomInt } from 'node:crypto';
import type { RawObject } from '../../src/config/raw.ts';
import { NAMESPACE, type PodShape, podObject } from './kube-objects.ts';

/**
 * A pod on this machine's loopback: its Envoy listens on an address of its own, and calls of its application enter the Envoy on a second
 * one. Nothing is redirected; Istio's `Sidecar` says where the Envoy binds (INTERCEPTION_MODE NONE), so that no right of root is needed.
 * `address` has the Envoy's inbound listener and its admin pages.
 */
export interface LocalPod extends PodShape {
  /** Where the Envoy takes the application's calls. */
  readonly egress: string;
  /** Where the application listens, on 127.0.0.1. */
  readonly appPort: number;
}

/** Loopback addresses that nothing else on this machine is likely to use: the n-th of a random /24. */
export function loopbackNetwork(): (n: number) => string {
  const prefix = `127.${randomInt(1, 255)}.${randomInt(0, 256)}`;
  return n => `${prefix}.${n}`;
}

/** Where an Envoy's admin pages are. */
export const adminOf = (pod: LocalPod): string => `${pod.address}:15000`;

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
