import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasBegun } from '../bookinfo.ts';
import { peerAuthentication, telemetry } from './config.ts';

/** What is in a pod beside its app: stock Envoy, Istio's proxy with its agent, or nothing. */
export type Sidecar = 'envoy' | 'istio-proxy' | 'none';

/** A Deployment of one pod; the container has the workload's `app`, or the name before its version. */
export interface Workload {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly sidecar: Sidecar;
  /** What it says when it is asked; without, it is there to ask others from. */
  readonly says?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const PROGRAM = readFileSync(join(import.meta.dirname, 'app.mjs'), 'utf8');

/** Names that no name server knows are asked of the proxy, and it counts what befalls each Service. */
const observant = {
  'proxy.istio.io/config': JSON.stringify({
    proxyMetadata: { ISTIO_META_DNS_CAPTURE: 'true' },
    proxyStatsMatcher: { inclusionPrefixes: ['cluster.outbound'] },
  }),
};
const transparent = { 'sidecar.istio.io/interceptionMode': 'TPROXY' };

const bill = (version: string, sidecar: Sidecar, says: string): Workload => ({
  namespace: 'istio-demo',
  name: `bill-service-${version}`,
  labels: { service: 'bill-service', version },
  sidecar,
  says,
});
const front = (version: string, sidecar: Sidecar): Workload => ({
  namespace: 'istio-demo',
  name: `front-tomcat-${version}`,
  labels: { app: 'front-tomcat', version },
  sidecar,
});
const canary = (version: string, sidecar: Sidecar): Workload => ({
  namespace: 'canary',
  name: `canary-${version}`,
  labels: { app: 'canary', version },
  sidecar,
  says: `canary ${version}`,
});
const toolbox = (sidecar: Sidecar): Workload => ({
  namespace: 'canary',
  name: `toolbox-${sidecar}`,
  labels: { app: 'toolbox', access: 'true', sidecar },
  sidecar,
  annotations: observant,
});
const nginx = (sidecar: Sidecar): Workload => ({
  namespace: 'canary',
  name: `nginx-${sidecar}`,
  labels: { app: 'nginx', sidecar },
  sidecar,
  says: `nginx ${sidecar}`,
  annotations: transparent,
});
const outside = (namespace: string, name: string): Workload => ({
  namespace,
  name,
  labels: { app: name },
  sidecar: 'none',
  says: name,
});

/** Who asks whom: every pair of sidecars is among them. */
export const workloads: readonly Workload[] = [
  front('v1', 'envoy'),
  front('v2', 'istio-proxy'),
  bill('v1', 'envoy', 'this is bill-service-v1'),
  bill('v2', 'istio-proxy', 'hello, this is bill-service-v2'),
  toolbox('envoy'),
  toolbox('istio-proxy'),
  canary('v1', 'istio-proxy'),
  canary('v2', 'envoy'),
  nginx('envoy'),
  nginx('istio-proxy'),
  outside('simple', 'simple'),
  outside('securesvc', 'httpserver'),
  outside('jenkins', 'sonarqube'),
];

const service = (namespace: string, name: string, port: number, selector: object, portName?: string): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec: { ports: [{ ...(portName && { name: portName }), port, targetPort: 80 }], selector },
});

const namespace = (name: string, meshed: boolean): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: meshed ? { 'istio-injection': 'enabled' } : {} },
});

/** Namespaces and Services; the last three are not in the mesh. In `istio-demo` who is not in it is served, too. */
export const surroundings: readonly object[] = [
  namespace('istio-demo', true),
  namespace('canary', true),
  namespace('simple', false),
  namespace('securesvc', false),
  namespace('jenkins', false),
  peerAuthentication('istio-demo', 'default', { mtls: { mode: 'PERMISSIVE' } }),
  telemetry('canary', 'access-log', { accessLogging: [{ providers: [{ name: 'envoy' }] }] }),
  service('istio-demo', 'bill-service', 9999, { service: 'bill-service' }, 'http'),
  service('canary', 'canary', 80, { app: 'canary' }, 'http'),
  service('canary', 'nginx', 80, { app: 'nginx' }, 'http'),
  service('simple', 'simple', 80, { app: 'simple' }, 'http'),
  service('securesvc', 'httpserver', 80, { app: 'httpserver' }, 'http'),
  // Nobody says what is spoken there.
  service('jenkins', 'sonarqube', 9000, { app: 'sonarqube' }),
];

/** The name of a workload's own container. */
export const containerOf = (workload: string): string => workload.replace(/-(v\d|envoy|istio-proxy)$/, '');

/** A program that does nothing until it is told to end. */
const idle = ['bash', '-c', 'trap exit TERM; sleep infinity & wait'];

/** Its Deployment. */
export function deployment({ namespace, name, labels, sidecar, says, annotations = {} }: Workload): object {
  const app = says
    ? {
        image: 'localhost/app:1',
        command: ['node', '--input-type=module', '--eval', PROGRAM],
        env: [{ name: 'GREETING', value: says }],
        ports: [{ containerPort: 80 }],
        readinessProbe: hasBegun('/healthz', 80),
      }
    : { image: 'docker.io/lab/proxy:1', command: idle, securityContext: { runAsUser: 0, runAsGroup: 0 } };
  const templates = sidecar === 'none' ? {} : { 'inject.istio.io/templates': sidecar };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { ...annotations, ...templates } },
        spec: { terminationGracePeriodSeconds: 2, containers: [{ name: containerOf(name), ...app }] },
      },
    },
  };
}
