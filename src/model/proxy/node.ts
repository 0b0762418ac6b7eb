import { isIP } from 'node:net';
import { canonicalAddress, isOfFamilies } from '../../istio/ip-families.ts';
import { internLabels, type Labels } from '../../istio/labels.ts';
import { byKey, compare } from '../../istio/object.ts';
import { one, oneList } from '../../memo.ts';
import type { Node } from '../../proto/generated/envoy/config/core/v3.ts';
import type { Struct, Value } from '../../proto/generated/google/protobuf.ts';
import { isObject } from '../../unknown.ts';
import type { Locality } from '../endpoints/endpoint.ts';
import { locality } from '../endpoints/locality.ts';
import type { Proxy, ProxyClass } from './proxy.ts';
import { type EnvoyBuild, packageOf } from './traits.ts';

/** A Node message as a proxy, or why it is none. */
export type ParsedNode =
  | { readonly ok: true; readonly proxy: Proxy }
  | { readonly ok: false; readonly message: string };

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

function toJson(value: Value): Json {
  if (value.string_value !== undefined) return value.string_value;
  if (value.number_value !== undefined) return value.number_value;
  if (value.bool_value !== undefined) return value.bool_value;
  if (value.struct_value) return structJson(value.struct_value);
  if (value.list_value) return (value.list_value.values ?? []).map(toJson);
  return null;
}

const structJson = (struct: Struct | undefined): { readonly [name: string]: Json } =>
  Object.fromEntries(
    Object.entries(struct?.fields ?? {})
      .sort(byKey)
      .map(([name, value]) => [name, toJson(value)]),
  );

const textOf = (value: Json | undefined): string =>
  value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);

/** What a terminal would obey rather than show: whoever connects in plaintext is named to whoever runs `istioctl proxy-status`. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

const printable = (text: string): string => text.replaceAll(UNPRINTABLE, '');

const labelsOf = (value: Json | undefined): Labels =>
  isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, text]) => [name, textOf(text)])) : {};

/** Metadata that differs from pod to pod of one Deployment, or is kept elsewhere: it must not tell proxies apart. */
const ownMetadata: ReadonlySet<string> = new Set([
  'ANNOTATIONS',
  'APP_CONTAINERS',
  'INSTANCE_IPS',
  'LABELS',
  'NAME',
  'NAMESPACE',
  'NODE_NAME',
  'OWNER',
  'PILOT_SAN',
]);

/** Fields of PROXY_CONFIG that only the agent and the bootstrap read. */
const agentConfig: ReadonlySet<string> = new Set([
  'availabilityZone',
  'binaryPath',
  'caCertificatesPem',
  'concurrency',
  'configPath',
  'controlPlaneAuthPolicy',
  'customConfigFile',
  'discoveryAddress',
  'drainDuration',
  'extraStatTags',
  'holdApplicationUntilProxyStarts',
  'image',
  'parentShutdownDuration',
  'proxyAdminPort',
  'proxyBootstrapTemplatePath',
  'proxyMetadata',
  'proxyStatsMatcher',
  'readinessProbe',
  'runtimeValues',
  'serviceCluster',
  'statNameLength',
  'statsdUdpAddress',
  'statusPort',
  'terminationDrainDuration',
]);

/** Metadata that is read as a structure, whatever its length. */
const structures: ReadonlySet<string> = new Set(['POD_PORTS', 'PROXY_CONFIG', 'STATIC_LABELS']);

/** Other metadata is kept up to so many characters: names, numbers and paths are shorter, and nobody writes a longer text into a match. */
const LONGEST_TEXT = 1_024;

function metadataText(name: string, value: Json): string {
  if (name !== 'PROXY_CONFIG') return printable(textOf(value));
  // istiod refuses such a Node; here it is as if it said nothing.
  if (!isObject(value)) return '';
  return JSON.stringify(Object.fromEntries(Object.entries(value).filter(([field]) => !agentConfig.has(field))));
}

function buildOf(node: Node): EnvoyBuild {
  const told = node.user_agent_build_version?.version;
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(node.user_agent_version ?? '') ?? [];
  const version: EnvoyBuild['version'] = [
    told?.major_number ?? Number(major ?? 0),
    told?.minor_number ?? Number(minor ?? 0),
    told?.patch ?? Number(patch ?? 0),
  ];
  const enabled = (node.extensions ?? []).filter(extension => !extension.disabled);
  const names = enabled.map(({ name = '' }) => name).sort(compare);
  const packages = [...new Set(enabled.flatMap(({ type_urls = [] }) => type_urls.map(packageOf)))].sort(compare);
  return one({
    version: oneList(version),
    extensions: node.extensions?.length ? oneList(names) : undefined,
    configPackages: packages.length ? oneList(packages) : undefined,
  });
}

const types: Readonly<Record<string, ProxyClass['type']>> = { sidecar: 'sidecar', router: 'router', ingress: 'router' };

const refuse = (message: string): ParsedNode => ({ ok: false, message });

/** The addresses in INSTANCE_IPS (a list, or text with commas) where all are valid, else the one in the id. */
function addressesOf(instanceIps: Json | undefined, ofId: string): readonly string[] {
  const told = Array.isArray(instanceIps) ? instanceIps.map(textOf) : textOf(instanceIps).split(',');
  const listed = told.map(ip => ip.trim()).filter(ip => ip !== '');
  const addresses = listed.length && listed.every(ip => isIP(ip)) ? listed : [ofId].filter(ip => isIP(ip));
  return addresses.map(canonicalAddress);
}

const localityOf = (node: Node): Locality | undefined => {
  const { region = '', zone = '', sub_zone = '' } = node.locality ?? {};
  return region || zone || sub_zone ? locality(region, zone, sub_zone) : undefined;
};

/**
 * Reads the Node message of a proxy. Its id is `type~ip~name.namespace~domain`; metadata wins over what the id says, as in istiod. Proxies
 * that differ only in name and address share their class.
 */
export function parseNode(node: Node): ParsedNode {
  const id = node.id ?? '';
  const parts = id.split('~');
  const [kind = '', ip = '', instance = '', dnsDomain = ''] = parts;
  if (parts.length !== 4) return refuse(`the Node's id "${id}" is not type~ip~name.namespace~domain`);
  const type = Object.hasOwn(types, kind) ? types[kind] : undefined;
  if (!type) return refuse(`the Node's id "${id}" names the type "${kind}"; known are sidecar and router`);
  const metadata = structJson(node.metadata);
  const addresses = addressesOf(metadata['INSTANCE_IPS'], ip);
  if (!addresses.length)
    return refuse(`neither the Node's id "${id}" nor INSTANCE_IPS of its metadata has an IP address`);
  const dot = instance.lastIndexOf('.');
  const name = dot < 0 ? instance : instance.slice(0, dot);
  const namespace = textOf(metadata['NAMESPACE']) || (dot < 0 ? '' : instance.slice(dot + 1));
  if (!name || !namespace) return refuse(`the Node's id "${id}" is not type~ip~name.namespace~domain`);
  if (printable(name + namespace) !== name + namespace)
    return refuse(`the Node's name ${JSON.stringify(`${name}.${namespace}`)} has characters that cannot be shown`);

  const labels = internLabels(labelsOf(metadata['LABELS']));
  const shared = Object.fromEntries(
    Object.entries(metadata)
      .filter(([key]) => !ownMetadata.has(key))
      .map(([key, value]) => [key, metadataText(key, value)] as const)
      .filter(([key, text]) => structures.has(key) || text.length <= LONGEST_TEXT),
  );
  const istioVersion = printable(textOf(metadata['ISTIO_VERSION']));
  const proxyClass = one<ProxyClass>({
    type,
    namespace,
    labels,
    build: buildOf(node),
    istioVersion,
    certificates: istioVersion ? 'agent' : 'none',
    ipv4: addresses.some(address => isOfFamilies(address, { ipv4: true, ipv6: false })),
    ipv6: addresses.some(address => isOfFamilies(address, { ipv4: false, ipv6: true })),
    locality: localityOf(node),
    nodeName: textOf(metadata['NODE_NAME']),
    metadata: one(shared),
    dnsDomain,
  });
  return { ok: true, proxy: Object.freeze({ id, name, namespace, addresses, class: proxyClass }) };
}

/** A proxy that has proved who it is: without an agent it gets its certificate over its stream. */
export const proven = (proxy: Proxy): Proxy =>
  proxy.class.certificates === 'none'
    ? Object.freeze({ ...proxy, class: one({ ...proxy.class, certificates: 'ads' as const }) })
    : proxy;
