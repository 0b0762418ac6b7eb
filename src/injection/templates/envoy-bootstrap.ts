import { toJson } from '../../proto/json.ts';
import type { JsonObject } from '../../unknown.ts';
import { bootstrapOf, type Endpoint, type Secure } from '../bootstrap.ts';
import { allContainersOf, type Container, type EnvVar, labelsOf, type Pod, sortedEntries } from '../pod.ts';
import { PROBERS, periodOf, readProbers } from '../probes.ts';
import { readScrape, SCRAPE } from '../prometheus.ts';
import { metricsPort, probePort } from '../proxy-config.ts';
import type { TemplateContext } from '../template.ts';
import { endpointIn, envoySettings, runtimeOf, serviceCluster, sinkClusters } from './envoy-settings.ts';
import { setting } from './proxy-container.ts';
import { statusResources } from './status-listener.ts';

/** The files of the token and of the mesh's roots, where they are mounted. */
export const mounts = { token: '/var/run/secrets/tokens', roots: '/var/run/secrets/istio' } as const;

/** Where the kubelet asks, and where Prometheus does: most often one port. */
export const statusPorts = ({ pod, mesh }: TemplateContext): readonly number[] =>
  [...new Set([probePort(pod, mesh), metricsPort(mesh)])].filter(port => port > 0);

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
export function withBootstrap(
  proxy: Container,
  context: TemplateContext,
  pod: Pod,
  type: 'sidecar' | 'router',
): Container {
  if (proxy.args?.includes(CONFIG)) return proxy;
  const value = (name: string) => proxy.env?.find(variable => variable.name === name)?.value;
  const containers = allContainersOf(context.pod);
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
    compressed: context.proxy.statsCompression?.value !== false,
  });
  const bootstrap = bootstrapOf({
    node: nodeOf(proxy, context, pod, type),
    ...discovery(context),
    admin: { host: '127.0.0.1', port: adminPort },
    runtime: runtimeOf(context.proxy),
    settings: envoySettings(context, podIp),
    listeners: status.listeners,
    clusters: [...status.clusters, ...sinkClusters(context.proxy)],
  });
  return { ...proxy, args: [...(proxy.args ?? []), CONFIG, forKubelet(JSON.stringify(bootstrap))] };
}

/** Where the control plane is, and whether it is asked over TLS. */
function discovery(context: TemplateContext): { readonly xds: Endpoint; readonly secure: Secure | undefined } {
  const { controlPlaneAuthPolicy, discoveryAddress = '' } = context.proxy;
  const xds = endpointIn(setting(context, 'sidecar.istio.io/discoveryAddress', discoveryAddress));
  const plaintext = !controlPlaneAuthPolicy || xds.port === 15010;
  const secure = {
    root: { filename: `${mounts.roots}/root-cert.pem` },
    token: `${mounts.token}/istio-token`,
    serverName: xds.host,
  };
  return { xds, secure: plaintext ? undefined : secure };
}

const META = 'ISTIO_META_';

/** Who the Envoy is, as Istio's agent says it, but for the version of an agent: there is none that would hand it certificates. */
function nodeOf(proxy: Container, context: TemplateContext, pod: Pod, type: 'sidecar' | 'router'): JsonObject {
  const { values } = context;
  const namespace = known('POD_NAMESPACE');
  const meta = (proxy.env ?? []).filter(({ name }) => name.startsWith(META));
  return {
    id: `${type}~${known('INSTANCE_IP')}~${known('POD_NAME')}.${namespace}~${namespace}.svc.${values.global.proxy.clusterDomain}`,
    cluster: serviceCluster(context, pod, namespace),
    metadata: {
      NAME: known('POD_NAME'),
      NAMESPACE: namespace,
      // In the order in which the API server gives them back, so that a pod that was read there has the same bootstrap.
      LABELS: Object.fromEntries(sortedEntries(labelsOf(pod))),
      SERVICE_ACCOUNT: known('SERVICE_ACCOUNT'),
      INSTANCE_IPS: known('INSTANCE_IPS'),
      ...Object.fromEntries(meta.map(variable => [variable.name.slice(META.length), metaValue(variable)])),
      PROXY_CONFIG: toJson('istio.mesh.v1alpha1.ProxyConfig', context.proxy) as JsonObject,
    },
  };
}
