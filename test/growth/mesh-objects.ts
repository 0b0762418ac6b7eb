import type { RawObject } from '../../src/config/raw.ts';

export const many = <T>(n: number, f: (i: number) => T): readonly T[] =>
  Array.from({ length: Math.ceil(n) }, (_, i) => f(i));

const versions: Readonly<Record<string, string>> = {
  Service: 'v1',
  Pod: 'v1',
  Namespace: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  EnvoyFilter: 'networking.istio.io/v1alpha3',
  AuthorizationPolicy: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
  PeerAuthentication: 'security.istio.io/v1',
  Telemetry: 'telemetry.istio.io/v1',
};

export const object = (kind: string, name: string, spec: unknown, more: object = {}): RawObject => ({
  apiVersion: versions[kind] ?? 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'shop', ...more },
  spec,
});

export const to = (host: string) => [{ destination: { host } }];
export const http = { number: 80, name: 'http', protocol: 'HTTP' };
export const ip = (i: number): string => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
export const service = (name: string, more: object = {}) =>
  object('Service', name, { ports: [{ port: 80, name: 'http' }], selector: { app: name }, ...more });
export const gateway = (name: string, servers: readonly unknown[]) =>
  object('Gateway', name, { selector: { app: 'gateway' }, servers });
export const slice = (name: string, service: string, endpoints: readonly unknown[]): RawObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': service } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 80 }],
  endpoints,
});
