import type { Hostname, Service, ServicePort } from '../services/service.ts';

/**
 * `draining`: takes no new connections while those it has go on (a terminating pod that still serves). `unknown`: nothing reports on it (a
 * WorkloadEntry); Envoy takes it for healthy.
 */
export type EndpointHealth = 'healthy' | 'unhealthy' | 'draining' | 'terminating' | 'unknown';

/** region/zone/subzone; empty strings where unknown. */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

/** One address of one Service port. */
export interface Endpoint {
  /** An IP, a host name (DNS resolution) or the path of a Unix socket (`unix://…`). */
  readonly address: string;
  /** The port that the endpoint listens on. */
  readonly port: number;
  /** The name of the Service port that it serves (istio: ServicePortName). */
  readonly portName: string;
  /** The number of that port, where a ServiceEntry says it; 0 for what is known by its name alone. */
  readonly servicePort: number;
  readonly health: EndpointHealth;
  readonly locality: Locality;
  /** 0: not set. */
  readonly weight: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Namespace, workload (Deployment) name, pod name: what metadata tells to telemetry. */
  readonly namespace: string;
  readonly workload: string;
  readonly pod: string;
  readonly node: string;
  readonly network: string;
  readonly clusterId: string;
  /** SPIFFE id of the workload, empty where unknown. */
  readonly identity: string;
  /** `istio` where a sidecar terminates mutual TLS (label security.istio.io/tlsMode), else `disabled`. */
  readonly tlsMode: 'istio' | 'disabled';
  /** `pod.subdomain.ns.svc.domain` parts of a headless Service's pod. */
  readonly hostname: string;
  readonly subdomain: string;
}

/** All endpoints of one Service, in a stable order. Keeps its identity while nothing in it changes. */
export interface ServiceEndpoints {
  readonly hostname: Hostname;
  readonly namespace: string;
  readonly endpoints: readonly Endpoint[];
}

/** Whether an endpoint serves a port. ServiceEntries that share a host may give two of its ports one name, so theirs go by number. */
export const serves = (endpoint: Endpoint, port: Pick<ServicePort, 'name' | 'port'>): boolean =>
  endpoint.servicePort ? endpoint.servicePort === port.port : endpoint.portName === port.name;

/** Every Service's endpoints by `endpointsKey`. A new map with every change; the values keep their identity. */
export type EndpointIndex = ReadonlyMap<string, ServiceEndpoints>;

/**
 * The key of EndpointIndex. ServiceEntries of one host and namespace share their endpoints where they are found alike, also with a Kubernetes
 * Service: what one looks up by DNS is none of the endpoints that another lists.
 */
export const endpointsKey = ({ hostname, namespace, registry, resolution }: Service): string =>
  registry === 'Kubernetes' || resolution === 'ClientSideLB'
    ? `${hostname}/${namespace}`
    : `${hostname}/${namespace}/${resolution}`;
