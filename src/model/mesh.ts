import type { Problem } from '../config/problem.ts';
import type { ConfigContents } from '../config/store.ts';
import type { KeyLocation } from '../istio/remote-keys.ts';
import { type MeshOptions, type MeshSettings, meshSettings, rootNamespaceOf } from '../istio/settings.ts';
import { memo, oneList } from '../memo.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import { inOneGo } from '../slices.ts';
import { inSelectedNamespaces } from './discovery-selectors.ts';
import { type AddressIndex, buildAddresses } from './endpoints/address-index.ts';
import type { EndpointIndex } from './endpoints/endpoint.ts';
import { buildIdentities, joinEndpoints, joinIdentities } from './endpoints/endpoint-index.ts';
import { buildExternalEndpoints } from './endpoints/external-endpoints.ts';
import { buildKubeEndpoints } from './endpoints/kube-endpoints.ts';
import { groupSlices } from './endpoints/slices.ts';
import { Stages } from './incremental/stages.ts';
import { buildPolicies } from './policies/policies.ts';
import { withRemoteKeys } from './policies/remote-keys.ts';
import { matchedMetadata } from './proxy/proxy-traits.ts';
import { type WorkloadIndex, workloadIndex } from './proxy/workloads.ts';
import { buildDestinationRules } from './routing/destination-rules.ts';
import { checkReferences } from './routing/references.ts';
import { findUnmatchedHosts } from './routing/unmatched-hosts.ts';
import { buildVirtualServices } from './routing/virtual-service-index.ts';
import { type ScopeIndex, scopeIndex } from './scope/scopes.ts';
import { sidecarIndex } from './scope/sidecars.ts';
import type { Service } from './services/service.ts';
import { buildServices, type ServiceIndex } from './services/service-index.ts';

/** Stands for all that proxies are identified by besides endpoints: the same object until some of it changes. */
export type IdentityBasis = object;

/** The mesh at one moment, made from the contents of the store. Whatever a change did not touch is the same object as before. */
export interface MeshModel {
  /** What the mesh is made of: without namespaces that `discoverySelectors` leave out. */
  readonly contents: ConfigContents;
  readonly settings: MeshSettings;
  /** Every Service, also those that not everyone sees; older first. */
  readonly services: readonly Service[];
  readonly endpoints: EndpointIndex;
  /** What only the objects together show to be wrong: names of what is not there, alias loops, doubled policies. */
  readonly problems: readonly Problem[];
  /** Where RequestAuthentications have their keys, by URL. The same map until it changes. */
  readonly keyLocations: ReadonlyMap<string, KeyLocation>;
  /** Metadata that EnvoyFilters match. */
  readonly matchedMetadata: readonly string[];
  readonly serviceIndex: ServiceIndex;
  readonly addresses: AddressIndex;
  readonly scopes: ScopeIndex;
  readonly workloads: WorkloadIndex;
  readonly basis: IdentityBasis;
  /** What the mesh was made in. */
  readonly stages: Stages;
}

const joinProblems = memo((...lists: readonly (readonly Problem[])[]): readonly Problem[] => lists.flat());

/**
 * Builds the mesh. With the previous mesh at hand only what changed is made again, and everything equal keeps its identity: a change costs
 * a comparison of identities for each object of its kind, and what it touches. `now` is a clock in milliseconds, for what stages cost.
 */
export const buildMesh = (
  given: ConfigContents,
  options: MeshOptions,
  previous?: MeshModel,
  now?: () => number,
): MeshModel => inOneGo(buildingMesh(given, options, previous, now));

/** The same in slices: yields between them. */
export function* buildingMesh(
  given: ConfigContents,
  options: MeshOptions,
  previous?: MeshModel,
  now: () => number = () => 0,
): Generator<undefined, MeshModel> {
  const stages = new Stages(previous?.stages, now);
  const config = given.MeshConfig.get('MeshConfig/istio' as ObjectKey) ?? [...given.MeshConfig.values()][0];
  const root = given.Namespace.get(objectKey('Namespace', '', rootNamespaceOf(config, options)));
  const network = root?.meta.labels['topology.istio.io/network'] ?? '';
  const { domain, rootNamespace, clusterId } = options;
  const settings = yield* stages.of('settings', { config, network, domain, rootNamespace, clusterId }, () =>
    meshSettings(config, options, network),
  );
  const contents = inSelectedNamespaces(given, settings.config.discoverySelectors);
  if (previous?.contents === contents && previous.settings === settings) return previous;

  const { Pod: pods, Node: nodes, WorkloadEntry: workloadEntries, Sidecar, Gateway: gateways } = contents;
  const services = yield* stages.of(
    'services',
    { services: contents.Service, entries: contents.ServiceEntry, namespaces: contents.Namespace, settings },
    buildServices,
  );
  const { kube, entries } = services.parts;
  const slices = yield* stages.of('slices', { slices: contents.EndpointSlice }, groupSlices);
  const objects = yield* stages.of('endpoint objects', { slices: contents.Endpoints }, groupSlices);
  const kubeEndpoints = yield* stages.of(
    'endpoints of Services',
    { slices, endpoints: objects, services: kube.values, pods, nodes, workloads: workloadEntries, settings },
    buildKubeEndpoints,
  );
  const external = yield* stages.of(
    'endpoints of ServiceEntries',
    { entries: contents.ServiceEntry, services: entries.values, workloads: workloadEntries, pods, nodes, settings },
    buildExternalEndpoints,
  );
  const endpoints = joinEndpoints(kubeEndpoints.services, external);
  const ofKube = { endpoints: kubeEndpoints.services };
  const identities = joinIdentities(
    yield* stages.of('identities of Services', ofKube, buildIdentities),
    yield* stages.of('identities of ServiceEntries', { endpoints: external }, buildIdentities),
  );
  const addresses = yield* stages.of('addresses', ofKube, buildAddresses);

  const virtualServices = yield* stages.of(
    'VirtualServices',
    { objects: contents.VirtualService, settings },
    buildVirtualServices,
  );
  const destinationRules = yield* stages.of(
    'DestinationRules',
    { objects: contents.DestinationRule, settings },
    buildDestinationRules,
  );
  const { byHost } = services;
  const named = { services: byHost, rules: destinationRules.qualified.values };
  const routes = virtualServices.qualified.values;
  const references = yield* stages.of(
    'references',
    { ...named, virtualServices: routes, gateways, settings },
    checkReferences,
  );
  const unmatched = yield* stages.of(
    'unmatched hosts',
    { ...named, virtualServices: routes, sidecars: Sidecar, written: contents.DestinationRule },
    findUnmatchedHosts,
  );
  const authentications = yield* stages.of(
    'remote keys',
    { requests: contents.RequestAuthentication, remoteKeys: contents.remoteKeys },
    withRemoteKeys,
  );
  const policies = yield* stages.of(
    'policies',
    {
      peers: contents.PeerAuthentication,
      requests: authentications.policies,
      authorizations: contents.AuthorizationPolicy,
      telemetries: contents.Telemetry,
      filters: contents.EnvoyFilter,
      settings,
    },
    buildPolicies,
  );
  const sidecars = sidecarIndex(Sidecar, settings.rootNamespace);
  const scopes = yield* stages.of(
    'scopes',
    { services, virtualServices, destinationRules, sidecars, gateways, policies, identities, settings },
    scopeIndex,
  );
  const workloads = yield* stages.of('workloads', { services, external, sidecars, policies }, workloadIndex);
  const metadata = oneList(matchedMetadata(contents.EnvoyFilter));
  const basis = yield* stages.of(
    'basis',
    { pods, nodes, workloadEntries, settings, services, scopes, workloads, metadata },
    () => Object.freeze({}),
  );
  return {
    contents,
    settings,
    services: services.all,
    endpoints,
    problems: joinProblems(
      services.problems,
      virtualServices.problems,
      references.problems,
      unmatched.problems,
      destinationRules.problems,
      sidecars.problems,
      authentications.problems,
      policies.problems,
    ),
    keyLocations: authentications.locations,
    matchedMetadata: metadata,
    serviceIndex: services,
    addresses,
    scopes,
    workloads,
    basis,
    stages,
  };
}
