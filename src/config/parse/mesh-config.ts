import { certificatesIn } from '../../istio/certificates.ts';
import type { MeshConfigObject } from '../../istio/config.ts';
import { defaultMeshConfig, defaultProxyConfig, mergeProviders } from '../../istio/settings.ts';
import { formatsOf } from '../../proto/format.ts';
import {
  type MeshConfig,
  MeshConfig_AccessLogEncoding,
  type MeshConfig_CertificateData,
  type MeshConfig_TLSConfig,
  MeshConfig_ProxyPathNormalization_NormalizationType as Normalization,
  MeshConfig_TLSConfig_TLSProtocol as TlsProtocol,
} from '../../proto/generated/istio/mesh/v1alpha1.ts';
import { fromJson } from '../../proto/json.ts';
import { cipherFault, ciphersFault, curveFault } from '../../proto/tls-parameters.ts';
import { messageOf } from '../../unknown.ts';
import { parseYaml } from '../../yaml/documents.ts';
import { checkDuration, checkNotNegative, milliseconds } from '../duration.ts';
import { checkLogFormat } from '../format.ts';
import { isDnsLabel } from '../host.ts';
import { readMeta } from '../meta.ts';
import { checkPort } from '../port.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { fields, isFields, text } from '../read.ts';
import { each, type Report } from '../report.ts';
import { checkLabelSelector } from '../selector.ts';
import { checkConnectionPool, checkOutlierDetection } from './connection-pool.ts';
import { checkRetries } from './http-policy.ts';
import { reportSchema } from './istio.ts';
import { checkLocalities } from './load-balancer.ts';
import { checkProxySettings } from './proxy-settings.ts';

/**
 * Reads the mesh's settings from `spec`, or from the YAML text in `data.mesh`. A setting that is invalid is left out, so that its default is in
 * force; unknown ones are warnings, as they are for istiod. Where the default might allow more than what cannot be read, the last valid one
 * stays in force, or what allows least.
 */
export function parseMeshConfig(raw: RawObject): Parsed<MeshConfigObject> {
  const { meta, report } = readMeta('MeshConfig', raw, 'cluster');
  if (!meta.name) return { ok: false, problems: report.problems };
  const object = (spec: MeshConfig): MeshConfigObject => ({ kind: 'MeshConfig', meta, spec });
  const unread: Parsed<MeshConfigObject> = {
    ok: false,
    problems: report.problems,
    close: last =>
      last
        ? undefined
        : { value: object(restricted(defaultMeshConfig, restricting)), meaning: 'what allows least is in force' },
  };
  let config: unknown = raw['spec'];
  let at = 'spec';
  if (config === undefined) {
    at = 'data.mesh';
    try {
      config = parseYaml(text(fields(raw, 'data', '', report), 'mesh', 'data', report));
    } catch (error) {
      report.error(at, messageOf(error));
      return unread;
    }
  }
  const { value, problems } = readOverDefaults(config ?? {});
  reportSchema(problems, at, report);
  if (config && !isFields(config)) return unread;
  const spec = check(value, at, report);
  // A file of settings has no `spec`.
  const found = report.problems.map(problem => ({ ...problem, path: problem.path.replace(/^spec\./, '') }));
  const wrong = restricting.filter(field => report.failed(`${at}.${field}`));
  if (!wrong.length) return { ok: true, value: object(spec), problems: found };
  return {
    ok: false,
    problems: found,
    close: last =>
      last
        ? {
            value: object({ ...spec, ...only(last.spec, wrong) }),
            meaning: `${wrong.join(', ')}: the last valid value stays`,
          }
        : { value: object(restricted(spec, wrong)), meaning: `${wrong.join(', ')}: what allows least is in force` },
  };
}

/** Settings whose defaults allow more than other values. */
const restricting = ['outboundTrafficPolicy', 'pathNormalization', 'meshMTLS', 'tlsDefaults'] as const;
type Restricting = (typeof restricting)[number];

const only = (config: MeshConfig, names: readonly Restricting[]): Partial<MeshConfig> =>
  Object.fromEntries(names.map(name => [name, config[name]]));

/** The settings, of which those that are named allow least: no host that the mesh does not know, no path in disguise, no old TLS. */
function restricted(config: MeshConfig, names: readonly Restricting[]): MeshConfig {
  const newest = { minProtocolVersion: TlsProtocol.TLSV1_3 };
  const least: MeshConfig = {
    outboundTrafficPolicy: {},
    pathNormalization: { normalization: Normalization.DECODE_AND_MERGE_SLASHES },
    meshMTLS: { ...config.meshMTLS, ...newest },
    tlsDefaults: { ...config.tlsDefaults, ...newest },
  };
  return { ...config, ...only(least, names) };
}

/** What is written replaces the default as a whole; only `defaultConfig` and `extensionProviders` are merged (istio: mesh.ApplyMeshConfig). */
function readOverDefaults(config: unknown): ReturnType<typeof fromJson<'istio.mesh.v1alpha1.MeshConfig'>> {
  const { value, problems } = fromJson('istio.mesh.v1alpha1.MeshConfig', config, defaultMeshConfig);
  const proxies = isFields(config) ? config['defaultConfig'] : undefined;
  const defaultConfig = isFields(proxies)
    ? fromJson('istio.mesh.v1alpha1.ProxyConfig', proxies, defaultProxyConfig).value
    : defaultProxyConfig;
  const extensionProviders = mergeProviders(value.extensionProviders ?? []);
  return { value: { ...value, defaultConfig, extensionProviders }, problems };
}

/** Formats of access logs. A log with a wrong one is left out where it is made; nothing else is. */
function checkLogFormats(config: MeshConfig, path: string, report: Report): void {
  const at = `${path}.accessLogFormat`;
  if (config.accessLogEncoding !== MeshConfig_AccessLogEncoding.JSON)
    checkLogFormat(config.accessLogFormat, at, report);
  else for (const text of textsIn(config.accessLogFormat ?? '')) checkLogFormat(text, at, report);
  // Istio's own providers stand before the user's: a name tells which is meant.
  for (const provider of config.extensionProviders ?? []) {
    for (const field of ['envoyFileAccessLog', 'envoyOtelAls'] as const) {
      const format = provider[field]?.logFormat;
      const within = `${path}.extensionProviders[${JSON.stringify(provider.name ?? '')}].${field}.logFormat`;
      checkLogFormat(format?.text, `${within}.text`, report);
      for (const [keys, text] of format?.labels ? formatsOf(format.labels) : [])
        checkLogFormat(text, `${within}.labels.${keys.join('.')}`, report);
    }
  }
}

/** The texts in a JSON text; none where it is none. */
function textsIn(json: string): readonly string[] {
  const found: string[] = [];
  try {
    JSON.parse(json, (_, value: unknown) => {
      if (typeof value === 'string') found.push(value);
      return value;
    });
  } catch {
    return [];
  }
  return found;
}

const isNamespace = (text: string): boolean => isDnsLabel(text) && text === text.toLowerCase();

const maxConnectTimeout = 3_600_000;

/** Without what Envoy does not take. */
function sendableTls(
  tls: MeshConfig_TLSConfig | undefined,
  path: string,
  report: Report,
): MeshConfig_TLSConfig | undefined {
  if (!tls) return tls;
  const cipherSuites = report.keep(tls.cipherSuites, `${path}.cipherSuites`, (name, at) => {
    const fault = cipherFault(name);
    if (fault) report.error(at, fault);
  });
  const fault = ciphersFault(cipherSuites ?? []);
  if (fault) {
    report.error(`${path}.cipherSuites`, `${fault}; the default ones are in force`);
    report.absorb(`${path}.cipherSuites`);
  }
  const before: string[] = [];
  const ecdhCurves = report.keep(tls.ecdhCurves, `${path}.ecdhCurves`, (name, at) => {
    const wrong = curveFault(name, before);
    if (wrong) report.error(at, wrong);
    before.push(name);
  });
  return { ...tls, cipherSuites: fault ? [] : cipherSuites, ecdhCurves };
}

function checkListenPorts(config: MeshConfig, path: string, report: Report): void {
  const { proxyListenPort: outbound, proxyInboundListenPort: inbound, proxyHttpPort } = config;
  checkPort(outbound, `${path}.proxyListenPort`, report);
  checkPort(inbound, `${path}.proxyInboundListenPort`, report);
  if (proxyHttpPort) checkPort(proxyHttpPort, `${path}.proxyHttpPort`, report);
  if (outbound === inbound && outbound !== undefined) {
    const field = inbound === defaultMeshConfig.proxyInboundListenPort ? 'proxyListenPort' : 'proxyInboundListenPort';
    report.error(`${path}.${field}`, `both directions cannot have port ${outbound}`);
  }
}

function checkTimes(config: MeshConfig, path: string, report: Report): void {
  const { connectTimeout, dnsRefreshRate, protocolDetectionTimeout } = config;
  checkDuration(connectTimeout, `${path}.connectTimeout`, report);
  if (connectTimeout && milliseconds(connectTimeout) > maxConnectTimeout) {
    report.error(`${path}.connectTimeout`, 'it is more than an hour');
  }
  checkDuration(dnsRefreshRate, `${path}.dnsRefreshRate`, report);
  if (dnsRefreshRate && milliseconds(dnsRefreshRate) <= 1) {
    report.error(`${path}.dnsRefreshRate`, 'it must be more than 1ms');
  }
  checkNotNegative(protocolDetectionTimeout, `${path}.protocolDetectionTimeout`, report);
}

const exports = ['defaultServiceExportTo', 'defaultVirtualServiceExportTo', 'defaultDestinationRuleExportTo'] as const;

/** Names of namespaces, which nothing else tells from mistakes. */
function checkNamespaces(config: MeshConfig, path: string, report: Report): void {
  // Taken for another one it would put all that is mesh-wide out of force.
  if (config.rootNamespace && !isNamespace(config.rootNamespace))
    report.error(`${path}.rootNamespace`, `"${config.rootNamespace}" cannot be the name of a namespace`);
  for (const field of exports) {
    each(config[field], `${path}.${field}`, (to, at) => {
      if (['.', '*', '~'].includes(to) || isNamespace(to)) return;
      report.warning(at, `"${to}" is neither the name of a namespace nor one of ".", "*" and "~": it is for nobody`);
    });
  }
}

/** Settings that are left out where they are wrong, so that their defaults are in force. */
const defaulted = [
  'dnsRefreshRate',
  'rootNamespace',
  'defaultHttpRetryPolicy',
  'discoverySelectors',
  'serviceEntryVisibility',
  'proxyListenPort',
  'proxyInboundListenPort',
  'proxyHttpPort',
  'connectTimeout',
  'protocolDetectionTimeout',
  'trustDomain',
  'localityLbSetting',
  'defaultTrafficPolicy',
] as const;

function check(config: MeshConfig, path: string, report: Report): MeshConfig {
  checkListenPorts(config, path, report);
  if (config.outboundTrafficPolicy?.tls) {
    report.error(`${path}.outboundTrafficPolicy.tls`, 'TLS to hosts that the mesh does not know is not supported');
  }
  checkLogFormats(config, path, report);
  checkRetries(config.defaultHttpRetryPolicy, `${path}.defaultHttpRetryPolicy`, report);
  checkTimes(config, path, report);
  checkNamespaces(config, path, report);
  if (config.trustDomain) checkTrustDomain(config.trustDomain, `${path}.trustDomain`, report);
  else report.error(`${path}.trustDomain`, 'a mesh has a trust domain');
  checkLocalities(config.localityLbSetting, {}, `${path}.localityLbSetting`, report);
  const policy = config.defaultTrafficPolicy;
  checkConnectionPool(policy?.connectionPool, `${path}.defaultTrafficPolicy.connectionPool`, report);
  checkOutlierDetection(policy?.outlierDetection, `${path}.defaultTrafficPolicy.outlierDetection`, report);
  const trustDomainAliases = report.keep(config.trustDomainAliases, `${path}.trustDomainAliases`, (alias, at) =>
    checkTrustDomain(alias, at, report),
  );
  const caCertificates = report.keep(config.caCertificates, `${path}.caCertificates`, (data, at) =>
    checkCertificates(data, at, report),
  );
  const defaultConfig = checkProxySettings(config.defaultConfig ?? {}, `${path}.defaultConfig`, report);
  const meshMTLS = sendableTls(config.meshMTLS, `${path}.meshMTLS`, report);
  if (meshMTLS?.ecdhCurves?.length)
    report.warning(`${path}.meshMTLS.ecdhCurves`, 'without effect: mutual TLS of the mesh leaves the curves to Envoy');
  const tlsDefaults = sendableTls(config.tlsDefaults, `${path}.tlsDefaults`, report);
  each(config.discoverySelectors, `${path}.discoverySelectors`, (selector, at) =>
    checkLabelSelector(selector, at, report),
  );
  each(config.serviceEntryVisibility?.policies, `${path}.serviceEntryVisibility.policies`, ({ matchingRules }, at) =>
    each(matchingRules, `${at}.matchingRules`, ({ namespaceSelector }, place) =>
      checkLabelSelector(namespaceSelector, `${place}.namespaceSelector`, report),
    ),
  );
  const checked = { ...config, defaultConfig, trustDomainAliases, caCertificates, meshMTLS, tlsDefaults };
  return report.without(checked, path, defaulted, defaultMeshConfig);
}

/** Roots that are trusted beside the mesh's own, and whose trust domains are: with one that Envoy cannot read a proxy would trust nobody. */
function checkCertificates(
  { pem, spiffeBundleUrl, trustDomains }: MeshConfig_CertificateData,
  path: string,
  report: Report,
): void {
  if (spiffeBundleUrl !== undefined)
    report.error(`${path}.spiffeBundleUrl`, 'it is not fetched: write its certificates as pem');
  else {
    try {
      certificatesIn(Buffer.from(pem ?? ''));
    } catch {
      report.error(`${path}.pem`, 'expected certificates in PEM');
    }
  }
  each(trustDomains, `${path}.trustDomains`, (domain, at) => checkTrustDomain(domain, at, report));
}

function checkTrustDomain(domain: string, path: string, report: Report): void {
  if (!domain.replace(/\.$/, '').split('.').every(isDnsLabel)) {
    report.error(path, `"${domain}" is not a trust domain`);
  }
}

/** The MeshConfig in a ConfigMap `istio`, as Istio's own installation has it; undefined where there is none. */
export function meshConfigOf(configMap: RawObject): RawObject | undefined {
  if (configMap.apiVersion !== 'v1' || configMap.kind !== 'ConfigMap' || configMap.metadata.name !== 'istio') return;
  const { data } = configMap;
  return isFields(data) && typeof data['mesh'] === 'string'
    ? { apiVersion: '', kind: 'MeshConfig', metadata: { ...configMap.metadata, namespace: undefined }, data }
    : undefined;
}
