import { ProxyConfig_InboundInterceptionMode as Mode } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import {
  annotation,
  type Container,
  containersOf,
  type JsonObject,
  labelsOf,
  own,
  PROXY,
  withoutNulls,
} from '../pod.ts';
import type { Interception, TemplateContext, Workload } from '../template.ts';

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

/** The annotation, else what the values say. */
export const setting = (context: TemplateContext, name: string, value: string | number): string =>
  annotation(context.pod, name) ?? String(value);

export function interceptionOf(context: TemplateContext): Interception {
  const mode = Object.entries(Mode).find(([, number]) => number === (context.proxy.interceptionMode ?? 0))?.[0];
  return setting(context, 'sidecar.istio.io/interceptionMode', mode ?? 'REDIRECT') as Interception;
}

export const appContainers = ({ pod }: TemplateContext): readonly Container[] =>
  containersOf(pod).filter(({ name }) => name !== PROXY);

/** Environment variables of proxyMetadata, sorted as Go sorts a map. */
export const proxyMetadata = ({ proxy }: TemplateContext) =>
  Object.entries(proxy.proxyMetadata ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => variable(name, value));

/** Labels and annotations by which tools know the workload and its revision. */
export function canonicalMetadata(context: TemplateContext): {
  readonly labels: { readonly [name: string]: string };
  readonly annotations: { readonly [name: string]: string };
} {
  const { pod, workload, revision } = context;
  const labels = labelsOf(pod);
  const first = (...names: readonly string[]) => names.map(name => own(labels, name)).find(value => value);
  const name = first('service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app') ?? workload.name;
  const [app] = appContainers(context);
  const forKubectl = ['kubectl.kubernetes.io/default-logs-container', 'kubectl.kubernetes.io/default-container'];
  return {
    labels: {
      'service.istio.io/canonical-name': name,
      'service.istio.io/canonical-revision':
        first('service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version') ?? 'latest',
    },
    annotations: {
      'istio.io/rev': revision || 'default',
      ...(app && Object.fromEntries(forKubectl.filter(n => annotation(pod, n) === undefined).map(n => [n, app.name]))),
    },
  };
}

/** A label's value from any text: 63 letters at most, with nothing but letters and digits at its ends. */
export const asLabel = (text: string): string => text.slice(0, 63).replace(/^[-_.]+|[-_.]+$/g, '');

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

/** A list of ports with one more; 0 is none. */
function withPort(list: string, port: string): string {
  const wanted = port.trim();
  const ports = list.split(',');
  if (!wanted || wanted === '0' || ports.includes(wanted)) return list;
  return [...ports.map(known => known.trim()).filter(Boolean), wanted].join(',');
}

/** Ports whose inbound traffic is not captured: the user's and the one that the kubelet's probes go to. */
export const excludedInbound = (context: TemplateContext): string =>
  withPort(
    setting(context, 'traffic.sidecar.istio.io/excludeInboundPorts', context.values.global.proxy.excludeInboundPorts),
    setting(context, 'status.sidecar.istio.io/port', context.values.global.proxy.statusPort),
  );

/** What is captured, as arguments of istio-iptables; `pilotlight iptables` has the same ones. `own`: other ports of the proxy that are not. */
export function captureArguments(context: TemplateContext, own: readonly string[] = []): readonly string[] {
  const { mesh, values, pod } = context;
  const { proxy } = values.global;
  const excluded = own.reduce(withPort, excludedInbound(context));
  const outbound = (name: string, value: string): string | undefined =>
    annotation(pod, name) ?? (value === '' ? undefined : value);
  const option = (flag: string, value: string | undefined) => (value === undefined ? [] : [flag, value]);
  return [
    ...['-p', String(mesh.proxyListenPort || 15001), '-z', String(mesh.proxyInboundListenPort || 15006)],
    ...['-u', '1337', '-m', interceptionOf(context)],
    ...['-i', setting(context, 'traffic.sidecar.istio.io/includeOutboundIPRanges', proxy.includeIPRanges)],
    ...['-x', setting(context, 'traffic.sidecar.istio.io/excludeOutboundIPRanges', proxy.excludeIPRanges)],
    ...['-b', setting(context, 'traffic.sidecar.istio.io/includeInboundPorts', proxy.includeInboundPorts)],
    ...['-d', ['15090', '15021', ...(excluded ? [excluded] : [])].join(',')],
    ...option('-q', outbound('traffic.sidecar.istio.io/includeOutboundPorts', proxy.includeOutboundPorts)),
    ...option('-o', outbound('traffic.sidecar.istio.io/excludeOutboundPorts', proxy.excludeOutboundPorts)),
    ...option(
      '-k',
      annotation(pod, 'istio.io/reroute-virtual-interfaces') ??
        annotation(pod, 'traffic.sidecar.istio.io/kubevirtInterfaces'),
    ),
    ...option('-c', annotation(pod, 'traffic.sidecar.istio.io/excludeInterfaces')),
  ];
}

/** What the init container may: change the rules of its network, as root, and nothing else. */
export const captureSecurity = ({ values }: TemplateContext) => ({
  allowPrivilegeEscalation: values.global.proxy.privileged,
  privileged: values.global.proxy.privileged,
  capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
  readOnlyRootFilesystem: false,
  runAsGroup: 0,
  runAsNonRoot: false,
  runAsUser: 0,
  ...seccomp(values),
});

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
export const readinessProbe = (initialDelaySeconds: number, periodSeconds: number, failureThreshold: number) => ({
  httpGet: health,
  ...when(initialDelaySeconds, { initialDelaySeconds }),
  periodSeconds,
  timeoutSeconds: 3,
  failureThreshold,
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
    readinessProbe: readinessProbe(
      number('initialDelaySeconds', proxy.readinessInitialDelaySeconds),
      number('periodSeconds', proxy.readinessPeriodSeconds),
      number('failureThreshold', proxy.readinessFailureThreshold),
    ),
  };
}

/** An annotation that holds an object of JSON, as entries sorted by name; refused before if it holds anything else. */
export const jsonEntries = (context: TemplateContext, name: string): readonly (readonly [string, JsonObject])[] => {
  const text = annotation(context.pod, name);
  const json = text === undefined ? {} : (JSON.parse(text) as { [name: string]: JsonObject } | readonly JsonObject[]);
  // What is in a list has a name of its own, which goes before its number.
  return Array.isArray(json) ? Object.entries(json) : Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1));
};

/** The token by which the control plane knows the pod. */
export const tokenVolume = ({ values: { global } }: TemplateContext): JsonObject => {
  const { aud: audience } = global.sds.token;
  const serviceAccountToken = { path: 'istio-token', expirationSeconds: 43200, audience };
  return { name: 'istio-token', projected: { sources: [{ serviceAccountToken }] } };
};

/** The certificates by which the pod knows the control plane. */
export const rootsVolume = ({ values: { global, pilot } }: TemplateContext): JsonObject => {
  const name = `istio.io:istiod-ca:${global.trustBundleName || 'root-cert'}`;
  return {
    name: 'istiod-ca-cert',
    ...(pilot.env['ENABLE_CLUSTER_TRUST_BUNDLE_API'] === true
      ? { projected: { sources: [{ clusterTrustBundle: { name, path: 'root-cert.pem' } }] } }
      : { configMap: { name: global.trustBundleName || 'istio-ca-root-cert' } }),
  };
};

/** The pod's labels and annotations as files. */
export const podInfoVolume = {
  name: 'istio-podinfo',
  downwardAPI: {
    items: ['labels', 'annotations'].map(path => ({ path, fieldRef: { fieldPath: `metadata.${path}` } })),
  },
};

export const pullSecrets = ({ values }: TemplateContext) =>
  when(values.global.imagePullSecrets.length, {
    imagePullSecrets: values.global.imagePullSecrets.map(name => ({ name })),
  });

/** What the init container of Istio's CNI plugin may: nothing; it tries the rules as the proxy would. */
export const validationSecurity = ({ values }: TemplateContext) => ({
  allowPrivilegeEscalation: values.global.proxy.privileged,
  privileged: values.global.proxy.privileged,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
  runAsGroup: 1337,
  runAsUser: 1337,
  runAsNonRoot: true,
  ...seccomp(values),
});

/** A gateway may listen on ports below 1024. */
export const gatewaySecurity = ({ values: { gateways } }: TemplateContext): JsonObject =>
  isEmpty(gateways.securityContext)
    ? { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] }
    : gateways.securityContext;

export const pullPolicy = ({ values: { global } }: TemplateContext) =>
  when(global.imagePullPolicy, { imagePullPolicy: global.imagePullPolicy });

/** The port of Envoy's own metrics, named so that Prometheus' usual configuration finds it. */
export const metricsPort = { containerPort: 15090, protocol: 'TCP', name: 'http-envoy-prom' };

/** The workload as a path of the API server; empty where it is not known. */
export const ownerOf = ({ apiVersion, kind, name, namespace }: Workload): string =>
  apiVersion && name
    ? `kubernetes://apis/${apiVersion}/namespaces/${namespace || 'default'}/${kind.toLowerCase()}s/${name}`
    : '';
