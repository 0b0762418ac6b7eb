import { entry, type Report } from '../../config/report.ts';
import type { ProxyConfig } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import { annotation } from '../pod.ts';
import { PROXY_CONFIG } from '../proxy-config.ts';
import { PROXY_IMAGE } from '../status.ts';
import type { TemplateContext } from '../template.ts';
import type { Values } from '../values.ts';
import { hasPlainMetricsService, statsdOf } from './envoy-settings.ts';

/** What only Istio's own proxy image can do: who asks for it of an Envoy without an agent is told. */

const own = "it is of Istio's own metrics, which stock Envoy does not count";
const file = "it is a file of Istio's image; sidecar.istio.io/bootstrapOverride adds to the bootstrap";
const secure = 'no port of the sidecar envoy has metrics over mutual TLS';

const annotations: { readonly [name: string]: string } = {
  'sidecar.istio.io/agentLogLevel': 'the sidecar envoy has no agent',
  'sidecar.istio.io/proxyImageType': "it is a kind of Istio's image; sidecar.istio.io/proxyImage names another Envoy",
  'sidecar.istio.io/extraStatTags': own,
};

const fields: { readonly [field in keyof ProxyConfig]?: string } = {
  extraStatTags: own,
  customConfigFile: file,
  proxyBootstrapTemplatePath: file,
  image: annotations['sidecar.istio.io/proxyImageType'] ?? '',
  privateKeyProvider: 'the sidecar envoy signs with its keys itself',
  envoyAccessLogService: 'the sidecar envoy has no cluster of it; an extension provider (envoyHttpAls) reaches one',
};

const variables: { readonly [name: string]: string } = {
  ENVOY_SECURE_METRICS_PORT: secure,
  ENVOY_SECURE_MERGED_METRICS_PORT: secure,
  METRICS_LOCALHOST_ACCESS_ONLY: 'Prometheus asks the sidecar envoy at the address of its pod',
  EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'the sidecar envoy ends after terminationDrainDuration',
};

/** Warns of values, at `path`, that the sidecar `envoy` does not follow: each is told where it is another one than Istio's. */
export function warnOfAgentOnlyValues({ global }: Values, path: string, report: Report): void {
  const certificates = 'the sidecar envoy has its certificate and the roots from the control plane alone';
  const told: readonly (readonly [name: string, isAsked: unknown, reason: string])[] = [
    ['caAddress', global.caAddress, certificates],
    ['caName', global.caName, certificates],
    ['pilotCertProvider', global.pilotCertProvider !== 'istiod', certificates],
    ['mountMtlsCerts', global.mountMtlsCerts, certificates],
    ['sts.servicePort', global.sts.servicePort, 'the sidecar envoy exchanges no tokens'],
    ['nativeNftables', global.nativeNftables, 'the sidecar envoy has its traffic captured by iptables'],
  ];
  for (const [name, isAsked, reason] of told) if (isAsked) report.warning(`${path}.global.${name}`, reason);
}

/** Warns of what the sidecar `envoy` does not follow of a pod's settings. */
export function warnOfAgentOnly({ pod, proxy }: TemplateContext, report: Report): void {
  for (const [name, reason] of Object.entries(annotations))
    if (annotation(pod, name) !== undefined) report.warning(entry('metadata.annotations', name), reason);
  const image = annotation(pod, PROXY_IMAGE);
  if (image !== undefined && !image.includes('/'))
    report.warning(
      entry('metadata.annotations', PROXY_IMAGE),
      `'${image}' is not the whole name of an image, such as docker.io/envoyproxy/envoy:v1.40.0; the usual one is taken`,
    );
  const at = (field: keyof ProxyConfig) => `${PROXY_CONFIG}.${field}`;
  for (const [field, reason] of Object.entries(fields))
    if (proxy[field as keyof ProxyConfig]) report.warning(at(field as keyof ProxyConfig), reason);
  for (const [name, reason] of Object.entries(variables))
    if (proxy.proxyMetadata?.[name]) report.warning(entry(at('proxyMetadata'), name), reason);
  if (proxy.statsdUdpAddress && !statsdOf(proxy))
    report.warning(at('statsdUdpAddress'), 'Envoy resolves no name there, and sends nothing; expected an address');
  if (!hasPlainMetricsService(proxy) && proxy.envoyMetricsService?.address)
    report.warning(
      at('envoyMetricsService'),
      'the sidecar envoy sends statistics over plaintext only, and so none here',
    );
}
