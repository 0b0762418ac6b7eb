import type { MeshConfig, MeshConfig_ExtensionProvider, ProxyConfig } from '../proto/generated/istio/mesh/v1alpha1.ts';
import type { MeshConfigObject } from './config.ts';
import { compare } from './object.ts';

/** The mesh's settings: MeshConfig with Istio's defaults filled in (istio: mesh.DefaultMeshConfig), and what istiod takes from flags. */
export interface MeshSettings {
  readonly config: MeshConfig;
  /** `cluster.local` */
  readonly domain: string;
  /** Where mesh-wide objects live: `istio-system`. */
  readonly rootNamespace: string;
  readonly trustDomain: string;
  /** The name of the cluster that the Kubernetes source watches: `Kubernetes`. */
  readonly clusterId: string;
  /** The network of the root namespace (label topology.istio.io/network): that of endpoints which name none. */
  readonly network: string;
}

/** What istiod takes from its flags, before any object is read. */
export interface MeshOptions {
  /** The suffix of Service host names. */
  readonly domain: string;
  /** Where mesh-wide objects live, if MeshConfig does not say. */
  readonly rootNamespace: string;
  /** The name of the cluster whose objects these are. */
  readonly clusterId: string;
}

const seconds = (value: number) => ({ seconds: value, nanos: 0 });

/** Istio's ProxyConfig where nothing is said (istio: mesh.DefaultProxyConfig). */
export const defaultProxyConfig: ProxyConfig = Object.freeze<ProxyConfig>({
  configPath: './etc/istio/proxy',
  serviceCluster: 'istio-proxy',
  drainDuration: seconds(45),
  terminationDrainDuration: seconds(5),
  proxyAdminPort: 15000,
  controlPlaneAuthPolicy: 1,
  discoveryAddress: 'istiod.istio-system.svc:15012',
  binaryPath: '/usr/local/bin/envoy',
  statNameLength: 189,
  statusPort: 15020,
});

/** Providers that are there where MeshConfig names none. */
const defaultProviders: readonly MeshConfig_ExtensionProvider[] = [
  { name: 'prometheus', prometheus: {} },
  { name: 'stackdriver', stackdriver: {} },
  { name: 'envoy', envoyFileAccessLog: { path: '/dev/stdout' } },
];

/** Istio's MeshConfig where nothing is said (istio: mesh.DefaultMeshConfig), without the root namespace, which the options know. */
export const defaultMeshConfig: MeshConfig = Object.freeze<MeshConfig>({
  enableTracing: true,
  protocolDetectionTimeout: seconds(0),
  ingressService: 'istio-ingressgateway',
  ingressControllerMode: 3,
  ingressClass: 'istio',
  trustDomain: 'cluster.local',
  enableAutoMtls: { value: true },
  outboundTrafficPolicy: { mode: 1 },
  inboundTrafficPolicy: {},
  localityLbSetting: { enabled: { value: true } },
  defaultConfig: defaultProxyConfig,
  proxyListenPort: 15001,
  proxyInboundListenPort: 15006,
  connectTimeout: seconds(10),
  defaultServiceExportTo: ['*'],
  defaultVirtualServiceExportTo: ['*'],
  defaultDestinationRuleExportTo: ['*'],
  dnsRefreshRate: seconds(60),
  enablePrometheusMerge: { value: true },
  defaultProviders: {},
  extensionProviders: defaultProviders,
});

/** Providers by name: one that is written takes the place of the default of its name. */
export function mergeProviders(own: readonly MeshConfig_ExtensionProvider[]): readonly MeshConfig_ExtensionProvider[] {
  const merged = new Map([...defaultProviders, ...own].map(provider => [provider.name, provider] as const));
  return [...merged.values()];
}

/** Where mesh-wide objects live: as MeshConfig says, else as the options do. */
export const rootNamespaceOf = (object: MeshConfigObject | undefined, options: MeshOptions): string =>
  object?.spec.rootNamespace || options.rootNamespace;

/** The settings in force. */
export function meshSettings(
  object: MeshConfigObject | undefined,
  options: MeshOptions,
  network: string,
): MeshSettings {
  const own = object?.spec ?? defaultMeshConfig;
  const rootNamespace = rootNamespaceOf(object, options);
  const config: MeshConfig = {
    ...own,
    rootNamespace,
    trustDomainAliases: [...new Set(own.trustDomainAliases)].sort(compare),
  };
  return Object.freeze({
    config: Object.freeze(config),
    domain: options.domain,
    rootNamespace,
    trustDomain: config.trustDomain || 'cluster.local',
    clusterId: options.clusterId,
    network,
  });
}
