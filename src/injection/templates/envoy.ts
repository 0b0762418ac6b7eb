import { milliseconds } from '../../config/duration.ts';
import { toJson } from '../../proto/json.ts';
import { bootstrapOf, type Secure } from '../bootstrap.ts';
import {
  annotation,
  CAPTURE,
  type Container,
  containersOf,
  type EnvVar,
  initContainersOf,
  type JsonObject,
  labelsOf,
  own,
  type Pod,
  PROXY,
  VALIDATION,
} from '../pod.ts';
import { PROBERS, periodOf, readProbers } from '../probes.ts';
import { readScrape, SCRAPE } from '../prometheus.ts';
import { PROXY_IMAGE } from '../status.ts';
import type { Template, TemplateContext } from '../template.ts';
import { metadata } from './metadata.ts';
import * as parts from './parts.ts';
import { statusResources } from './status-listener.ts';

const { variable, fromPod, fromLimits, when } = parts;

/**
 * Upstream Envoy as the sidecar, without an agent: its bootstrap is an argument, certificates come over ADS, and what an agent would answer Envoy
 * answers itself. What is known only when the pod runs, its name and addresses, the kubelet writes into the argument (`$(POD_NAME)`), so that an image
 * without a shell will do, and no init container or volume is needed for it.
 */
export const envoy: Template = {
  name: 'envoy',
  image,
  otherImage: true,
  patch(context) {
    // Nothing in Envoy's image could make the app wait: where it is to, the sidecar goes before it.
    const native = context.native || (parts.holds(context) && parts.appContainers(context).length > 0);
    const init = parts.interceptionOf(context) === 'NONE' ? [] : [capture(context)];
    const proxy = { ...sidecar(context, 'sidecar'), ...lifecycle(context, native), ...parts.healthProbes(context) };
    return {
      metadata: metadata(context),
      spec: {
        initContainers: native ? [...init, { ...proxy, restartPolicy: 'Always' }] : init,
        ...when(!native, { containers: [proxy] }),
        volumes: volumes(context),
        ...parts.pullSecrets(context),
      },
    };
  },
  finish: (proxy, context, pod) => withBootstrap(proxy, context, pod, 'sidecar'),
};

/** Upstream Envoy as a gateway, for Deployments whose container `istio-proxy` has the image `auto`. */
export const envoyGateway: Template = {
  name: 'envoy-gateway',
  image,
  otherImage: true,
  patch(context) {
    const { proxy } = context.values.global;
    return {
      metadata: parts.canonicalMetadata(context),
      spec: {
        securityContext: parts.gatewaySecurity(context),
        containers: [
          {
            ...sidecar(context, 'router'),
            ...lifecycle(context, false),
            readinessProbe: parts.readinessProbe(
              proxy.readinessInitialDelaySeconds,
              proxy.readinessPeriodSeconds,
              proxy.readinessFailureThreshold,
            ),
          },
        ],
        volumes: volumes(context),
        ...parts.pullSecrets(context),
      },
    };
  },
  finish: (proxy, context, pod) => withBootstrap(proxy, context, pod, 'router'),
};

type Type = 'sidecar' | 'router';

function image({ values, pod }: TemplateContext): string {
  const own = annotation(pod, PROXY_IMAGE);
  return own?.includes('/') ? own : values.pilotlight.envoyImage;
}

function sidecar(context: TemplateContext, type: Type): JsonObject {
  const { pod, proxy } = context;
  const seconds = Math.round(milliseconds(proxy.drainDuration ?? {}) / 1000);
  const threads = proxy.concurrency ? String(proxy.concurrency.value ?? 0) : '$(ISTIO_CPU_LIMIT)';
  return {
    name: PROXY,
    image: image(context),
    command: ['/usr/local/bin/envoy'],
    args: [
      ...(annotation(pod, OVERRIDE) === undefined ? [] : ['-c', `${overrides}/custom_bootstrap.json`]),
      ...logFlags(context),
      ...(threads === '0' ? [] : ['--concurrency', threads]),
      ...['--drain-time-s', String(seconds), '--drain-strategy', 'immediate', '--disable-hot-restart'],
    ],
    ports: [parts.metricsPort],
    env: environment(context, type),
    ...parts.pullPolicy(context),
    securityContext: type === 'sidecar' ? parts.proxySecurity(context) : { runAsUser: 1337, runAsGroup: 1337 },
    resources: parts.resourcesOf(context),
    volumeMounts: [
      { name: 'istio-token', mountPath: tokens },
      { name: 'istiod-ca-cert', mountPath: roots },
      ...(annotation(pod, OVERRIDE) === undefined ? [] : [{ name: 'custom-bootstrap-volume', mountPath: overrides }]),
      ...parts.jsonEntries(context, 'sidecar.istio.io/userVolumeMount').map(([name, mount]) => ({ name, ...mount })),
    ],
  };
}

/** How loud Envoy is: a level, and levels by component, which may stand beside it (istio: envoy.splitComponentLog). */
function logFlags(context: TemplateContext): readonly string[] {
  const { logLevel, componentLogLevel } = context.values.global.proxy;
  const items = parts.setting(context, 'sidecar.istio.io/logLevel', logLevel).split(',');
  const level = items.filter(item => !item.includes(':')).at(-1);
  const beside = items.filter(item => item.includes(':')).join(',');
  const components = beside || parts.setting(context, 'sidecar.istio.io/componentLogLevel', componentLogLevel);
  return [...(level ? ['--log-level', level] : []), ...(components ? ['--component-log-level', components] : [])];
}

const OVERRIDE = 'sidecar.istio.io/bootstrapOverride';
const overrides = '/etc/istio/custom-bootstrap';
const tokens = '/var/run/secrets/tokens';
const roots = '/var/run/secrets/istio';

/** What the bootstrap names as `$(NAME)`; everything called ISTIO_META_ is told to the control plane. */
function environment(context: TemplateContext, type: Type): readonly JsonObject[] {
  const { values, workload, pod, mesh } = context;
  const { global } = values;
  const meshId = global.meshID || mesh.trustDomain || global.trustDomain;
  const given = own(labelsOf(pod), 'service.istio.io/workload-name') || workload.name;
  const optional = (name: string, value: string) => (value ? [variable(name, value)] : []);
  return [
    fromPod('POD_NAME', 'metadata.name'),
    fromPod('POD_NAMESPACE', 'metadata.namespace'),
    fromPod('INSTANCE_IP', 'status.podIP'),
    fromPod('INSTANCE_IPS', 'status.podIPs'),
    fromPod('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    fromLimits('ISTIO_CPU_LIMIT', 'limits.cpu'),
    variable('ISTIO_META_CLUSTER_ID', global.multiCluster.clusterName || 'Kubernetes'),
    fromPod('ISTIO_META_NODE_NAME', 'spec.nodeName'),
    variable('ISTIO_META_INTERCEPTION_MODE', type === 'sidecar' ? parts.interceptionOf(context) : 'REDIRECT'),
    ...optional('ISTIO_META_NETWORK', global.network),
    ...optional('ISTIO_META_WORKLOAD_NAME', given),
    ...optional('ISTIO_META_OWNER', parts.ownerOf(workload)),
    ...optional('ISTIO_META_MESH_ID', meshId),
    ...parts.proxyMetadata(context),
  ];
}

/** Envoy goes on for a while when the pod ends, so that nobody who has not heard of it yet is sent away. A native sidecar ends after the app anyway. */
function lifecycle(context: TemplateContext, native: boolean): JsonObject {
  const own = context.values.global.proxy.lifecycle;
  if (!parts.isEmpty(own)) return { lifecycle: own };
  const wanted = Math.round(milliseconds(context.proxy.terminationDrainDuration ?? {}) / 1000);
  // It cannot take longer than the pod has to end, which is 30 s where it does not say.
  const seconds = Math.min(wanted, context.pod.spec?.terminationGracePeriodSeconds ?? 30);
  return when(!native && seconds, { lifecycle: { preStop: { sleep: { seconds } } } });
}

function volumes(context: TemplateContext): readonly JsonObject[] {
  const override = annotation(context.pod, OVERRIDE);
  return [
    parts.tokenVolume(context),
    parts.rootsVolume(context),
    ...(override === undefined ? [] : [{ name: 'custom-bootstrap-volume', configMap: { name: override } }]),
    ...parts.jsonEntries(context, 'sidecar.istio.io/userVolume').map(([name, volume]) => ({ name, ...volume })),
  ];
}

/** The init container that has traffic go through Envoy, or with Istio's CNI plugin the one that checks that it does. */
function capture(context: TemplateContext): JsonObject {
  const { values } = context;
  const env = parts.proxyMetadata(context);
  const args = ['iptables', ...parts.captureArguments(context, statusPorts(context).map(String))];
  const common = {
    image: values.pilotlight.image,
    ...parts.pullPolicy(context),
    ...when(env.length, { env }),
    resources: parts.resourcesOf(context),
  };
  return values.pilot.cni.enabled
    ? {
        name: VALIDATION,
        ...common,
        args: [...args, '--run-validation', '--skip-rule-apply'],
        securityContext: parts.validationSecurity(context),
      }
    : { name: CAPTURE, ...common, args, securityContext: parts.captureSecurity(context) };
}

/** Where the kubelet asks, and where Prometheus does: most often one port. */
function statusPorts({ pod, mesh }: TemplateContext): readonly number[] {
  const standard = mesh.defaultConfig?.statusPort || 15020;
  const asked = Number(annotation(pod, 'status.sidecar.istio.io/port')?.trim() ?? standard);
  return [...new Set([asked, standard])].filter(port => port > 0);
}

/** A variable of the container, until the bootstrap is a text: what users wrote must not be taken for one. */
const known = (name: string): string => `\uE000${name}\uE001`;

/** The text in which the kubelet writes variables; `$$` is a dollar to it. */
const forKubelet = (json: string): string =>
  json.replaceAll('$', '$$$$').replaceAll(/\uE000([^\uE000\uE001]+)\uE001/g, (_, name: string) => `$(${name})`);

/** What the kubelet would write into the JSON as it is, and nothing could read it then. */
const unfit = /["\\\p{Cc}]/u;

/** A variable of metadata: by name, unless its value cannot stand in JSON. */
const metaValue = ({ name, value }: EnvVar): string => (value !== undefined && unfit.test(value) ? value : known(name));

const CONFIG = '--config-yaml';

/** The container with its bootstrap, unless the user gave it one. */
function withBootstrap(proxy: Container, context: TemplateContext, pod: Pod, type: Type): Container {
  if (proxy.args?.includes(CONFIG)) return proxy;
  const value = (name: string) => proxy.env?.find(variable => variable.name === name)?.value;
  const containers = [...initContainersOf(context.pod), ...containersOf(context.pod)];
  const adminPort = context.proxy.proxyAdminPort || 15000;
  const podIp = known('INSTANCE_IP');
  const status = statusResources({
    podIp,
    appIp: context.mesh.inboundTrafficPolicy?.mode ? '127.0.0.1' : podIp,
    adminPort,
    statusPorts: statusPorts(context),
    probers: readProbers(value(PROBERS)),
    periodOf: path => periodOf(containers, path),
    scrape: readScrape(value(SCRAPE)),
  });
  const bootstrap = bootstrapOf({
    node: nodeOf(proxy, context, pod, type),
    ...discovery(context),
    admin: { host: '127.0.0.1', port: adminPort },
    runtime: context.proxy.runtimeValues,
    ...status,
  });
  return { ...proxy, args: [...(proxy.args ?? []), CONFIG, forKubelet(JSON.stringify(bootstrap))] };
}

/** Where the control plane is, and whether it is asked over TLS. */
function discovery({ proxy }: TemplateContext): {
  readonly xds: { readonly host: string; readonly port: number };
  readonly secure: Secure | undefined;
} {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(proxy.discoveryAddress ?? '') ?? [];
  const plaintext = !proxy.controlPlaneAuthPolicy || port === '15010';
  const secure = {
    root: { filename: `${roots}/root-cert.pem` },
    token: `${tokens}/istio-token`,
    serverName: host,
  };
  return { xds: { host, port: Number(port) }, secure: plaintext ? undefined : secure };
}

const META = 'ISTIO_META_';

/** Who the Envoy is, as Istio's agent says it, but for the version of an agent: there is none that would hand it certificates. */
function nodeOf(proxy: Container, context: TemplateContext, pod: Pod, type: Type): JsonObject {
  const { values, workload } = context;
  const namespace = known('POD_NAMESPACE');
  const meta = (proxy.env ?? []).filter(({ name }) => name.startsWith(META));
  return {
    id: `${type}~${known('INSTANCE_IP')}~${known('POD_NAME')}.${namespace}~${namespace}.svc.${values.global.proxy.clusterDomain}`,
    cluster: `${own(labelsOf(pod), 'app') || workload.name || PROXY}.${namespace}`,
    metadata: {
      NAME: known('POD_NAME'),
      NAMESPACE: namespace,
      LABELS: labelsOf(pod),
      SERVICE_ACCOUNT: known('SERVICE_ACCOUNT'),
      INSTANCE_IPS: known('INSTANCE_IPS'),
      ...Object.fromEntries(meta.map(variable => [variable.name.slice(META.length), metaValue(variable)])),
      PROXY_CONFIG: toJson('istio.mesh.v1alpha1.ProxyConfig', context.proxy) as JsonObject,
    },
  };
}
