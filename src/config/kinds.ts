import type * as config from '../istio/config.ts';
import type * as kube from '../istio/kubernetes.ts';
import { parseAuthorizationPolicy } from './parse/authorization-policy.ts';
import { parseConfigMap } from './parse/config-map.ts';
import { parseDestinationRule } from './parse/destination-rule.ts';
import { parseEndpointSlice } from './parse/endpoint-slice.ts';
import { parseEndpoints } from './parse/endpoints.ts';
import { parseEnvoyFilter } from './parse/envoy-filter.ts';
import { parseGateway } from './parse/gateway.ts';
import { parseMeshConfig } from './parse/mesh-config.ts';
import { parseNamespace } from './parse/namespace.ts';
import { parseNode } from './parse/node.ts';
import { parsePeerAuthentication } from './parse/peer-authentication.ts';
import { parsePod } from './parse/pod.ts';
import { parseProxyConfig } from './parse/proxy-config.ts';
import { parseRequestAuthentication } from './parse/request-authentication.ts';
import { parseSecret } from './parse/secret.ts';
import { parseService } from './parse/service.ts';
import { parseServiceEntry } from './parse/service-entry.ts';
import { parseSidecar } from './parse/sidecar.ts';
import { parseTelemetry } from './parse/telemetry.ts';
import { parseVirtualService } from './parse/virtual-service.ts';
import { parseWorkloadEntry } from './parse/workload-entry.ts';
import { parseWorkloadGroup } from './parse/workload-group.ts';
import type { Parsed } from './problem.ts';
import type { RawObject } from './raw.ts';

/** What each kind of object is once it has been read and checked. */
export interface KindTypes {
  readonly Namespace: kube.KubeNamespace;
  readonly Service: kube.KubeService;
  readonly EndpointSlice: kube.KubeEndpointSlice;
  readonly Endpoints: kube.KubeEndpointSlice;
  readonly Pod: kube.KubePod;
  readonly Node: kube.KubeNode;
  readonly Secret: kube.KubeSecret;
  readonly ConfigMap: kube.KubeConfigMap;
  /** The mesh's settings: `spec` holds them, or `data.mesh` as YAML text (the ConfigMap `istio`). The object is `MeshConfig/istio`. */
  readonly MeshConfig: config.MeshConfigObject;
  readonly VirtualService: config.VirtualService;
  readonly DestinationRule: config.DestinationRule;
  readonly Gateway: config.Gateway;
  readonly ServiceEntry: config.ServiceEntry;
  readonly WorkloadEntry: config.WorkloadEntry;
  readonly WorkloadGroup: config.WorkloadGroup;
  readonly Sidecar: config.Sidecar;
  readonly ProxyConfig: config.ProxyConfig;
  readonly Telemetry: config.Telemetry;
  readonly EnvoyFilter: config.EnvoyFilter;
  readonly PeerAuthentication: config.PeerAuthentication;
  readonly AuthorizationPolicy: config.AuthorizationPolicy;
  readonly RequestAuthentication: config.RequestAuthentication;
}

/** A kind of object that Pilotlight reads. */
export type Kind = keyof KindTypes;

/**
 * One kind: how the API server names it, and how it is read. `kind` names it in keys, problems and pages: as the API does, with the group behind
 * it, as kubectl takes it, where another group's kind has the name already (`Gateway.gateway.networking.k8s.io`).
 */
export interface KindRow<K extends Kind> {
  readonly kind: K;
  /** The API's group; empty for the core group. */
  readonly group: string;
  /** The versions that are read, the preferred one first. All have the same fields. */
  readonly versions: readonly string[];
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  readonly parse: (raw: RawObject) => Parsed<KindTypes[K]>;
}

const core = (plural: string, shortNames: readonly string[], namespaced = true) => ({
  group: '',
  versions: ['v1'],
  plural,
  shortNames,
  namespaced,
});

const istio = (group: string, versions: readonly string[], plural: string, shortNames: readonly string[]) => ({
  group: `${group}.istio.io`,
  versions,
  plural,
  shortNames,
  namespaced: true,
});

const networking = (plural: string, shortNames: readonly string[], versions = ['v1', 'v1beta1', 'v1alpha3']) =>
  istio('networking', versions, plural, shortNames);

const security = (plural: string, shortNames: readonly string[]) =>
  istio('security', ['v1', 'v1beta1'], plural, shortNames);

/** Every kind that is read. A new kind is a row here, its type in KindTypes and a parser. */
export const kinds = {
  Namespace: { kind: 'Namespace', ...core('namespaces', ['ns'], false), parse: parseNamespace },
  Node: { kind: 'Node', ...core('nodes', ['no'], false), parse: parseNode },
  Service: { kind: 'Service', ...core('services', ['svc']), parse: parseService },
  Endpoints: { kind: 'Endpoints', ...core('endpoints', ['ep']), parse: parseEndpoints },
  EndpointSlice: {
    kind: 'EndpointSlice',
    group: 'discovery.k8s.io',
    versions: ['v1'],
    plural: 'endpointslices',
    shortNames: [],
    namespaced: true,
    parse: parseEndpointSlice,
  },
  Pod: { kind: 'Pod', ...core('pods', ['po']), parse: parsePod },
  Secret: { kind: 'Secret', ...core('secrets', []), parse: parseSecret },
  ConfigMap: { kind: 'ConfigMap', ...core('configmaps', ['cm']), parse: parseConfigMap },
  MeshConfig: {
    kind: 'MeshConfig',
    group: '',
    versions: [''],
    plural: 'meshconfigs',
    shortNames: [],
    namespaced: false,
    parse: parseMeshConfig,
  },
  VirtualService: { kind: 'VirtualService', ...networking('virtualservices', ['vs']), parse: parseVirtualService },
  DestinationRule: { kind: 'DestinationRule', ...networking('destinationrules', ['dr']), parse: parseDestinationRule },
  Gateway: { kind: 'Gateway', ...networking('gateways', ['gw']), parse: parseGateway },
  ServiceEntry: { kind: 'ServiceEntry', ...networking('serviceentries', ['se']), parse: parseServiceEntry },
  WorkloadEntry: { kind: 'WorkloadEntry', ...networking('workloadentries', ['we']), parse: parseWorkloadEntry },
  WorkloadGroup: { kind: 'WorkloadGroup', ...networking('workloadgroups', ['wg']), parse: parseWorkloadGroup },
  Sidecar: { kind: 'Sidecar', ...networking('sidecars', []), parse: parseSidecar },
  ProxyConfig: { kind: 'ProxyConfig', ...networking('proxyconfigs', [], ['v1beta1']), parse: parseProxyConfig },
  EnvoyFilter: { kind: 'EnvoyFilter', ...networking('envoyfilters', [], ['v1alpha3']), parse: parseEnvoyFilter },
  PeerAuthentication: {
    kind: 'PeerAuthentication',
    ...security('peerauthentications', ['pa']),
    parse: parsePeerAuthentication,
  },
  AuthorizationPolicy: {
    kind: 'AuthorizationPolicy',
    ...security('authorizationpolicies', ['ap']),
    parse: parseAuthorizationPolicy,
  },
  RequestAuthentication: {
    kind: 'RequestAuthentication',
    ...security('requestauthentications', ['ra']),
    parse: parseRequestAuthentication,
  },
  Telemetry: {
    kind: 'Telemetry',
    ...istio('telemetry', ['v1', 'v1alpha1'], 'telemetries', ['telemetry']),
    parse: parseTelemetry,
  },
} as const satisfies { readonly [K in Kind]: KindRow<K> };

/** The names of all kinds, in the order of the table: what others refer to comes first. */
export const kindNames = Object.keys(kinds) as readonly Kind[];

/** The API's own name of a kind. */
export const apiKind = (kind: string): string => kind.split('.', 1)[0] ?? kind;

/** Finds the kind of an object by group, version and the API's name: kinds of two groups may share a name. */
export function kindFinder<K extends string>(
  rows: readonly { readonly kind: K; readonly group: string; readonly versions: readonly string[] }[],
): (object: { readonly apiVersion: string; readonly kind: string }) => K | undefined {
  const byApi = new Map(rows.map(row => [`${row.group}/${apiKind(row.kind)}`, row]));
  return ({ apiVersion, kind }) => {
    const slash = apiVersion.lastIndexOf('/');
    const row = byApi.get(`${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`);
    return row?.versions.includes(apiVersion.slice(slash + 1)) ? row.kind : undefined;
  };
}

const find = kindFinder<Kind>(Object.values(kinds));

/** The kind of an object by its apiVersion and kind; undefined for a kind, group or version that is not read. */
export const kindOf = (object: { readonly apiVersion: string; readonly kind: string }): Kind | undefined =>
  object.kind === 'MeshConfig' ? object.kind : find(object);
