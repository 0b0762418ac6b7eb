import { defaultProxyConfig } from '../../istio/settings.ts';
import {
  MeshConfig_ExtensionProvider_ServiceAttributeEnrichment as Enrichment,
  type MeshConfig,
  type ProxyConfig,
} from '../../proto/generated/istio/mesh/v1alpha1.ts';
import { toJson } from '../../proto/json.ts';
import type { JsonObject } from '../../unknown.ts';
import { annotation, containersOf, labelsOf } from '../pod.ts';
import { PROXY_IMAGE } from '../status.ts';
import type { TemplateContext } from '../template.ts';
import * as container from './proxy-container.ts';
import { bootstrapOverrides, jsonEntries, podInfoVolume, rootsVolume, tokenVolume } from './volumes.ts';

/** What Istio's agent (pilot-agent) is told in both of its templates: its environment, its files. */

/** A ProxyConfig as JSON without what is the default anyway, for the pod to be short (inject/template.go cleanProxyConfig). */
function cleanProxyConfig(config: ProxyConfig): string {
  const json = toJson('istio.mesh.v1alpha1.ProxyConfig', config) as JsonObject;
  const standard = toJson('istio.mesh.v1alpha1.ProxyConfig', defaultProxyConfig) as JsonObject;
  const own = Object.entries(json).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(standard[name]));
  return JSON.stringify(Object.fromEntries(own));
}

/** `tag`, `sha256:…`, or both with an @ between them. */
function versionOfImage(image: string): string {
  const [name = '', digest = ''] = image.split('@', 2);
  const tag = name.lastIndexOf(':') > name.lastIndexOf('/') ? name.slice(name.lastIndexOf(':') + 1) : '';
  return [tag, digest].filter(Boolean).join('@');
}

/** OTEL_RESOURCE_ATTRIBUTES, where a tracing provider asks for OpenTelemetry's names (inject/template.go otelResourceAttributes). */
function resourceAttributes({ mesh, pod, workload }: TemplateContext): string {
  const asked = (mesh.extensionProviders ?? []).some(
    provider => provider.opentelemetry?.serviceAttributeEnrichment === Enrichment.OTEL_SEMANTIC_CONVENTIONS,
  );
  if (!asked) return '';
  const containers = containersOf(pod);
  const [first] = containers;
  const told = (name: string) => annotation(pod, `resource.opentelemetry.io/${name}`);
  const attributes = {
    'service.namespace': told('service.namespace') || workload.namespace,
    'service.version':
      told('service.version') ||
      labelsOf(pod)['app.kubernetes.io/version'] ||
      (containers.length === 1 ? versionOfImage(first?.image ?? '') : ''),
    'service.instance.id':
      told('service.instance.id') || (first ? `${workload.namespace}.$(POD_NAME).${first.name}` : ''),
  };
  return Object.entries(attributes)
    .filter(([, value]) => value)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

/** The ports of the app's containers, as the API server writes them. */
const podPorts = ({ pod }: TemplateContext): string =>
  JSON.stringify(
    containersOf(pod).flatMap(app =>
      (app.ports ?? []).map(({ name, hostPort, containerPort, protocol, hostIP }) => ({
        name: name || undefined,
        hostPort: hostPort || undefined,
        containerPort,
        protocol: protocol || undefined,
        hostIP: hostIP || undefined,
      })),
    ),
  );

const { variable, optional, fromPod, fromLimits, trustDomain } = container;

/** Where the agent has its certificates signed: the revision's own control plane. */
const caAddress = ({ values: { global, revision } }: TemplateContext): string =>
  global.caAddress || `istiod${revision && `-${revision}`}.${global.istioNamespace}.svc:15012`;

/** The environment of the agent. `workloadName`: the two templates differ in who may name the workload. */
export function environment(
  context: TemplateContext,
  interception: string,
  workloadName: string,
  ofTracing: readonly JsonObject[] = [],
): readonly JsonObject[] {
  const { values, proxy, compliancePolicy } = context;
  return [
    variable('PILOT_CERT_PROVIDER', values.global.pilotCertProvider),
    variable('CA_ADDR', caAddress(context)),
    fromPod('POD_NAME', 'metadata.name'),
    fromPod('POD_NAMESPACE', 'metadata.namespace'),
    fromPod('INSTANCE_IP', 'status.podIP'),
    fromPod('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    fromPod('HOST_IP', 'status.hostIP'),
    fromLimits('ISTIO_CPU_LIMIT', 'limits.cpu'),
    variable('PROXY_CONFIG', `${cleanProxyConfig(proxy)}\n`),
    variable('ISTIO_META_POD_PORTS', podPorts(context)),
    variable('ISTIO_META_APP_CONTAINERS', String(container.appContainers(context).map(({ name }) => name))),
    fromLimits('GOMEMLIMIT', 'limits.memory'),
    fromLimits('GOMAXPROCS', 'limits.cpu'),
    ...optional('COMPLIANCE_POLICY', compliancePolicy),
    ...optional('GODEBUG', compliancePolicy === 'fips-140-3' ? 'fips140=only' : ''),
    ...container.nodeVariables(context, interception, workloadName),
    ...bootstrapOverrides(context).map(({ file }) => variable('ISTIO_BOOTSTRAP_OVERRIDE', file)),
    ...optional('ISTIO_META_MESH_ID', container.meshId(context)),
    ...optional('TRUST_DOMAIN', trustDomain(context)),
    ...ofTracing,
    ...container.proxyMetadata(context),
  ];
}

/** What tracers of a sidecar are told of its pod. */
export const tracing = (context: TemplateContext): readonly JsonObject[] => {
  const attributes = resourceAttributes(context);
  return [
    ...(context.values.global.proxy.tracer === 'datadog'
      ? jsonEntries(context, 'apm.datadoghq.com/env').map(([name, value]) => variable(name, String(value)))
      : []),
    ...(attributes ? [variable('OTEL_RESOURCE_ATTRIBUTES', attributes)] : []),
  ];
};

/** How loud agent and proxy are, and what else the agent is told by flags. */
export const flags = (context: TemplateContext): readonly string[] => {
  const { global } = context.values;
  return [
    `--proxyLogLevel=${container.setting(context, 'sidecar.istio.io/logLevel', global.proxy.logLevel)}`,
    `--proxyComponentLogLevel=${container.setting(context, 'sidecar.istio.io/componentLogLevel', global.proxy.componentLogLevel)}`,
    agentLogLevel(context),
    ...(global.sts.servicePort ? [`--stsPort=${global.sts.servicePort}`] : []),
    ...(global.logAsJson ? ['--log_as_json'] : []),
  ];
};

export const agentLogLevel = (context: TemplateContext): string =>
  `--log_output_level=${container.setting(context, 'sidecar.istio.io/agentLogLevel', context.values.global.logging.level)}`;

/** The image's tag with its variant: `1.31.0` and `distroless` make `1.31.0-distroless`; a variant that the tag has is replaced. */
function tagged(tag: string, variant: string): string {
  if (!variant) return tag;
  const plain = tag.replace(/-(distroless|debug)$/, '');
  return variant === 'default' ? plain : `${plain}-${variant}`;
}

/** Istio's image: the annotation or `standard` as a whole where that is a path, else by the hub and tag (inject.go ProxyImage). */
function image({ values, pod }: TemplateContext, standard: string, type: string): string {
  const { hub, tag, variant } = values.global;
  const told = annotation(pod, PROXY_IMAGE) ?? standard;
  if (told.includes('/')) return told;
  const chosen = annotation(pod, 'sidecar.istio.io/proxyImageType') ?? (type || variant);
  return `${hub}/${standard || 'proxyv2'}:${tagged(tag, chosen)}`;
}

/** The image of agent and proxy, and that of the init container. */
export const proxyImage = (context: TemplateContext): string =>
  image(context, context.values.global.proxy.image, context.proxy.image?.imageType ?? '');
export const initImage = (context: TemplateContext): string =>
  image(context, context.values.global.proxy_init.image, '');

/** What only a sidecar has of the files: revoked certificates. */
const revoked = { name: 'istio-ca-crl', mountPath: '/var/run/secrets/istio/crl' };

/** The files that the agent reads and writes, where they are mounted. */
export function mounts(context: TemplateContext, type: 'sidecar' | 'router'): readonly JsonObject[] {
  const { global } = context.values;
  const credentials = '/var/run/secrets/workload-spiffe-credentials';
  return [
    { name: 'workload-socket', mountPath: '/var/run/secrets/workload-spiffe-uds' },
    { name: 'credential-socket', mountPath: '/var/run/secrets/credential-uds' },
    global.caName === 'GkeWorkloadCertificate'
      ? { name: 'gke-workload-certificate', mountPath: credentials, readOnly: true }
      : { name: 'workload-certs', mountPath: credentials },
    ...(global.pilotCertProvider === 'istiod'
      ? [{ name: 'istiod-ca-cert', mountPath: '/var/run/secrets/istio' }, ...(type === 'sidecar' ? [revoked] : [])]
      : []),
    { name: 'istio-data', mountPath: '/var/lib/istio/data' },
    ...bootstrapOverrides(context).map(({ mount }) => mount),
    { name: 'istio-envoy', mountPath: '/etc/istio/proxy' },
    { name: 'istio-token', mountPath: '/var/run/secrets/tokens' },
    ...(global.mountMtlsCerts ? [{ name: 'istio-certs', mountPath: '/etc/certs/', readOnly: true }] : []),
    { name: 'istio-podinfo', mountPath: '/etc/istio/pod' },
  ];
}

/** The volumes behind {@link mounts}. */
export function volumes(context: TemplateContext, type: 'sidecar' | 'router'): readonly JsonObject[] {
  const { global, pilot } = context.values;
  const account = context.pod.spec?.serviceAccountName || 'default';
  const gke = { driver: 'workloadcertificates.security.cloud.google.com' };
  return [
    { name: 'workload-socket', emptyDir: {} },
    { name: 'credential-socket', emptyDir: {} },
    global.caName === 'GkeWorkloadCertificate'
      ? { name: 'gke-workload-certificate', csi: gke }
      : { name: 'workload-certs', emptyDir: {} },
    ...bootstrapOverrides(context).map(({ volume }) => volume),
    { name: 'istio-envoy', emptyDir: { medium: 'Memory' } },
    { name: 'istio-data', emptyDir: {} },
    podInfoVolume,
    tokenVolume(context),
    ...(global.pilotCertProvider === 'istiod' ? [rootsVolume(context)] : []),
    ...(type === 'sidecar'
      ? [{ name: revoked.name, configMap: { name: pilot.crlConfigMapName || revoked.name, optional: true } }]
      : []),
    ...(global.mountMtlsCerts
      ? [{ name: 'istio-certs', secret: { optional: true, secretName: `istio.${account}` } }]
      : []),
  ];
}

/** Whether probes of the app are asked at localhost, as the traffic goes there (REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION). */
export const probesAtLocalhost = (mesh: MeshConfig) =>
  mesh.inboundTrafficPolicy?.mode ? [variable('REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION', 'true')] : [];
