import { ProxyConfig_InboundInterceptionMode as Mode } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import { type JsonObject, own } from '../../unknown.ts';
import { annotation, type Container, containersOf, labelsOf, PROXY, sortedEntries, withoutNulls } from '../pod.ts';
import type { TemplateContext } from '../template.ts';
import type { ProxyValues } from '../values.ts';
import type { Workload } from '../workload.ts';

/** The proxy's container: what that of every template has. */

/** A field of a literal that is there under a condition: `...when(x, { field: x })`. */
export const when = <T extends object>(condition: unknown, fields: T): Partial<T> => (condition ? fields : {});

export const isEmpty = (object: JsonObject): boolean => Object.keys(object).length === 0;

/** An environment variable with a value, and with the pod's own. */
export const variable = (name: string, value: string) => ({ name, value });
export const fromPod = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
export const fromLimits = (name: string, resource: string) => ({
  name,
  valueFrom: { resourceFieldRef: { resource, divisor: '1' } },
});

/** The variable where it has a value. */
export const optional = (name: string, value: string) => (value ? [variable(name, value)] : []);

/** The annotation, else what the values say. */
export const setting = (context: TemplateContext, name: string, value: string | number): string =>
  annotation(context.pod, name) ?? String(value);

/** Mode of capture that the ProxyConfig says. */
export const interceptionIn = ({ proxy }: TemplateContext): string =>
  Object.entries(Mode).find(([, number]) => number === (proxy.interceptionMode ?? 0))?.[0] ?? 'REDIRECT';

/** The annotation's, else the ProxyConfig's. */
export const interceptionOf = (context: TemplateContext): string =>
  setting(context, 'sidecar.istio.io/interceptionMode', interceptionIn(context));

export const appContainers = ({ pod }: TemplateContext): readonly Container[] =>
  containersOf(pod).filter(({ name }) => name !== PROXY);

/** Environment variables of proxyMetadata. */
export const proxyMetadata = ({ proxy }: TemplateContext) =>
  sortedEntries(proxy.proxyMetadata ?? {}).map(([name, value]) => variable(name, value));

/** Requests and limits: the annotations' alone where there is one, else the values'. */
export function resourcesOf(context: TemplateContext): JsonObject | undefined {
  const of = (suffix: string) => {
    const cpu = annotation(context.pod, `sidecar.istio.io/proxyCPU${suffix}`);
    const memory = annotation(context.pod, `sidecar.istio.io/proxyMemory${suffix}`);
    return { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
  };
  const [requests, limits] = [of(''), of('Limit')];
  if (isEmpty(requests) && isEmpty(limits)) {
    const { resources } = context.values.global.proxy;
    return isEmpty(resources) ? undefined : withoutNulls(resources);
  }
  return { ...when(!isEmpty(requests), { requests }), ...when(!isEmpty(limits), { limits }) };
}

export const seccomp = ({ global: { proxy } }: TemplateContext['values']) =>
  when(!isEmpty(proxy.seccompProfile), { seccompProfile: proxy.seccompProfile });

/** What the proxy may: nothing, but for TPROXY, ports below 1024 and traces of iptables, which need root. */
export function proxySecurity(context: TemplateContext) {
  const { values, proxy } = context;
  const tproxy = interceptionOf(context) === 'TPROXY';
  const low = setting(context, 'sidecar.istio.io/capNetBindService', values.global.proxy.capNetBindService) === 'true';
  const traced = proxy.proxyMetadata?.['IPTABLES_TRACE_LOGGING'] === 'true';
  const add = [...(tproxy || traced ? ['NET_ADMIN'] : []), ...(low && !traced ? ['NET_BIND_SERVICE'] : [])];
  const root = add.length > 0;
  return {
    allowPrivilegeEscalation: traced || values.global.proxy.privileged,
    capabilities: { ...when(root, { add }), drop: ['ALL'] },
    privileged: traced || values.global.proxy.privileged,
    readOnlyRootFilesystem: true,
    runAsNonRoot: !root,
    runAsUser: root ? 0 : 1337,
    runAsGroup: 1337,
    ...seccomp(values),
  };
}

/** The app's containers wait until the proxy is ready; a native sidecar is before them anyway. */
export const holds = ({ proxy, values, native }: TemplateContext): boolean =>
  !native &&
  Boolean(proxy.holdApplicationUntilProxyStarts?.value || values.global.proxy.holdApplicationUntilProxyStarts);

const health = { path: '/healthz/ready', port: 15021 };

/** Whether the proxy is ready, asked on its health port. */
export const readinessProbe = (values: ProxyValues) => ({
  httpGet: health,
  ...when(values.readinessInitialDelaySeconds, { initialDelaySeconds: values.readinessInitialDelaySeconds }),
  periodSeconds: values.readinessPeriodSeconds,
  timeoutSeconds: 3,
  failureThreshold: values.readinessFailureThreshold,
});

/** The sidecar's probes; none where its status port is 0. */
export function healthProbes(context: TemplateContext) {
  const { proxy } = context.values.global;
  if (setting(context, 'status.sidecar.istio.io/port', proxy.statusPort).trim() === '0') return {};
  const number = (name: string, value: number) =>
    Number(setting(context, `readiness.status.sidecar.istio.io/${name}`, value));
  const { enabled, failureThreshold } = proxy.startupProbe;
  return {
    ...when(enabled, { startupProbe: { httpGet: health, periodSeconds: 1, timeoutSeconds: 3, failureThreshold } }),
    readinessProbe: readinessProbe({
      ...proxy,
      readinessInitialDelaySeconds: number('initialDelaySeconds', proxy.readinessInitialDelaySeconds),
      readinessPeriodSeconds: number('periodSeconds', proxy.readinessPeriodSeconds),
      readinessFailureThreshold: number('failureThreshold', proxy.readinessFailureThreshold),
    }),
  };
}

export const pullPolicy = ({ values: { global } }: TemplateContext) =>
  when(global.imagePullPolicy, { imagePullPolicy: global.imagePullPolicy });

/** The port of Envoy's own metrics, named so that Prometheus' usual configuration finds it. */
export const metricsPort = { containerPort: 15090, protocol: 'TCP', name: 'http-envoy-prom' };

/** The workload as a path of the API server; empty where it is not known. */
const ownerOf = ({ apiVersion, kind, name, namespace }: Workload): string =>
  apiVersion && name
    ? `kubernetes://apis/${apiVersion}/namespaces/${namespace || 'default'}/${kind.toLowerCase()}s/${name}`
    : '';

/** The workload's name, as a sidecar's pod may say it. */
export const workloadName = ({ pod, workload }: TemplateContext): string =>
  own(labelsOf(pod), 'service.istio.io/workload-name') || workload.name;

export const trustDomain = ({ values, mesh }: TemplateContext): string => mesh.trustDomain || values.global.trustDomain;

export const meshId = (context: TemplateContext): string => context.values.global.meshID || trustDomain(context);

/** What every template tells the control plane of the proxy, as everything that is called ISTIO_META_ is. */
export const nodeVariables = (
  { values: { global }, workload }: TemplateContext,
  interception: string,
  name: string,
): readonly JsonObject[] => [
  variable('ISTIO_META_CLUSTER_ID', global.multiCluster.clusterName || 'Kubernetes'),
  fromPod('ISTIO_META_NODE_NAME', 'spec.nodeName'),
  variable('ISTIO_META_INTERCEPTION_MODE', interception),
  ...optional('ISTIO_META_NETWORK', global.network),
  ...optional('ISTIO_META_WORKLOAD_NAME', name),
  ...optional('ISTIO_META_OWNER', ownerOf(workload)),
];
