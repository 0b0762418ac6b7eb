import type { Problem } from '../config/problem.ts';
import type { ConfigContents } from '../config/store.ts';
import { type MeshOptions, type MeshSettings, meshSettings, rootNamespaceOf } from '../istio/settings.ts';
import { memo, oneList } from '../memo.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import { inOneGo } from '../slices.ts';
import { inSelectedNamespaces } from './discovery-selectors.ts';
import { type AddressIndex, type AddressInputs, buildAddresses } from './endpoints/address-index.ts';
import type { EndpointIndex } from './endpoints/endpoint.ts';
import {
  buildIdentities,
  type Identities,
  type IdentityInputs,
  joinEndpoints,
  joinIdentities,
} from './endpoints/endpoint-index.ts';
import { buildExternalEndpoints, type ExternalEndpoints, type ExternalInputs } from './endpoints/external-endpoints.ts';
import { buildKubeEndpoints, type KubeEndpointInputs, type KubeEndpoints } from './endpoints/kube-endpoints.ts';
import { groupSlices, type SliceGroups } from './endpoints/slices.ts';
import { type Stage, stage, stageInSlices } from './incremental/derive.ts';
import { buildPolicies, type PolicyIndex, type PolicyInputs } from './policies/policies.ts';
import { matchedMetadata } from './proxy/proxy-traits.ts';
import { type WorkloadIndex, type WorkloadInputs, workloadIndex } from './proxy/workloads.ts';
import {
  buildDestinationRules,
  type DestinationRuleIndex,
  type DestinationRuleInputs,
} from './routing/destination-rules.ts';
import { checkReferences, type ReferenceInputs, type References } from './routing/references.ts';
import { findUnmatchedHosts, type UnmatchedHosts, type UnmatchedInputs } from './routing/unmatched-hosts.ts';
import {
  buildVirtualServices,
  type VirtualServiceIndex,
  type VirtualServiceInputs,
} from './routing/virtual-service-index.ts';
import { type ScopeIndex, type ScopeInputs, scopeIndex } from './scope/scopes.ts';
import { sidecarIndex } from './scope/sidecars.ts';
import type { Service } from './services/service.ts';
import { buildServices, type ServiceIndex, type ServiceInputs } from './services/service-index.ts';

type SliceStage = Stage<readonly [ConfigContents['EndpointSlice']], SliceGroups>;

/** What the next mesh is made from. */
interface Stages {
  readonly settings: Stage<readonly unknown[], MeshSettings>;
  readonly services: Stage<ServiceInputs, ServiceIndex>;
  readonly slices: SliceStage;
  readonly endpointObjects: SliceStage;
  readonly kubeEndpoints: Stage<KubeEndpointInputs, KubeEndpoints>;
  readonly externalEndpoints: Stage<ExternalInputs, ExternalEndpoints>;
  readonly kubeIdentities: Stage<IdentityInputs, Identities>;
  readonly externalIdentities: Stage<IdentityInputs, Identities>;
  readonly addresses: Stage<AddressInputs, AddressIndex>;
  readonly virtualServices: Stage<VirtualServiceInputs, VirtualServiceIndex>;
  readonly destinationRules: Stage<DestinationRuleInputs, DestinationRuleIndex>;
  readonly references: Stage<ReferenceInputs, References>;
  readonly unmatched: Stage<UnmatchedInputs, UnmatchedHosts>;
  readonly policies: Stage<PolicyInputs, PolicyIndex>;
  readonly scopes: Stage<ScopeInputs, ScopeIndex>;
  readonly workloads: Stage<WorkloadInputs, WorkloadIndex>;
  readonly basis: Stage<readonly unknown[], IdentityBasis>;
}

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
  /** Metadata that EnvoyFilters match. */
  readonly matchedMetadata: readonly string[];
  readonly stages: Stages;
}

const joinProblems = memo((...lists: readonly (readonly Problem[])[]): readonly Problem[] => lists.flat());

/**
 * Builds the mesh. With the previous mesh at hand only what changed is made again, and everything equal keeps its identity: a change costs
 * a comparison of identities for each object of its kind, and what it touches.
 */
export const buildMesh = (given: ConfigContents, options: MeshOptions, previous?: MeshModel): MeshModel =>
  inOneGo(buildingMesh(given, options, previous));

/** The same in slices: yields between them. */
export function* buildingMesh(
  given: ConfigContents,
  options: MeshOptions,
  previous?: MeshModel,
): Generator<undefined, MeshModel> {
  const before = previous?.stages;

  const config = given.MeshConfig.get('MeshConfig/istio' as ObjectKey) ?? [...given.MeshConfig.values()][0];
  const root = given.Namespace.get(objectKey('Namespace', '', rootNamespaceOf(config, options)));
  const network = root?.meta.labels['topology.istio.io/network'] ?? '';
  yield undefined;
  const settings = stage(
    before?.settings,
    [config, network, options.domain, options.rootNamespace, options.clusterId],
    () => meshSettings(config, options, network),
  );

  const contents = inSelectedNamespaces(given, settings.value.config.discoverySelectors);
  if (previous?.contents === contents && before?.settings === settings) return previous;

  const services = yield* stageInSlices(
    before?.services,
    [contents.Service, contents.ServiceEntry, contents.Namespace, settings.value],
    buildServices,
  );
  yield undefined;
  const slices: SliceStage = stage(before?.slices, [contents.EndpointSlice], last =>
    groupSlices([contents.EndpointSlice], last),
  );
  yield undefined;
  const endpointObjects: SliceStage = stage(before?.endpointObjects, [contents.Endpoints], last =>
    groupSlices([contents.Endpoints], last),
  );
  const kubeInputs: KubeEndpointInputs = [
    slices.value,
    endpointObjects.value,
    services.value.parts.kube.values,
    contents.Pod,
    contents.Node,
    contents.WorkloadEntry,
    settings.value,
  ];
  yield undefined;
  const kubeEndpoints = stage(before?.kubeEndpoints, kubeInputs, last => buildKubeEndpoints(kubeInputs, last));
  const externalInputs: ExternalInputs = [
    contents.ServiceEntry,
    services.value.parts.entries.values,
    contents.WorkloadEntry,
    contents.Pod,
    contents.Node,
    settings.value,
  ];
  yield undefined;
  const externalEndpoints = stage(before?.externalEndpoints, externalInputs, last =>
    buildExternalEndpoints(externalInputs, last),
  );
  const endpoints = joinEndpoints(kubeEndpoints.value.services, externalEndpoints.value);
  const kubeIdInputs: IdentityInputs = [kubeEndpoints.value.services];
  yield undefined;
  const kubeIdentities = stage(before?.kubeIdentities, kubeIdInputs, last => buildIdentities(kubeIdInputs, last));
  const externalIdInputs: IdentityInputs = [externalEndpoints.value];
  yield undefined;
  const externalIdentities = stage(before?.externalIdentities, externalIdInputs, last =>
    buildIdentities(externalIdInputs, last),
  );

  const addressInputs: AddressInputs = [kubeEndpoints.value.services];
  yield undefined;
  const addresses = stage(before?.addresses, addressInputs, last => buildAddresses(addressInputs, last));

  const virtualInputs: VirtualServiceInputs = [contents.VirtualService, settings.value];
  const virtualServices = yield* stageInSlices(before?.virtualServices, virtualInputs, buildVirtualServices);
  const ruleInputs: DestinationRuleInputs = [contents.DestinationRule, settings.value];
  const destinationRules = yield* stageInSlices(before?.destinationRules, ruleInputs, buildDestinationRules);
  const referenceInputs: ReferenceInputs = [
    virtualServices.value.qualified.values,
    services.value.byHost,
    destinationRules.value.qualified.values,
    contents.Gateway,
    settings.value,
  ];
  const references = yield* stageInSlices(before?.references, referenceInputs, checkReferences);
  const unmatchedInputs: UnmatchedInputs = [
    destinationRules.value.qualified.values,
    contents.Sidecar,
    services.value.byHost,
    virtualServices.value.qualified.values,
    contents.DestinationRule,
  ];
  const unmatched = yield* stageInSlices(before?.unmatched, unmatchedInputs, findUnmatchedHosts);
  const policyInputs: PolicyInputs = [
    contents.PeerAuthentication,
    contents.RequestAuthentication,
    contents.AuthorizationPolicy,
    contents.Telemetry,
    contents.EnvoyFilter,
    settings.value,
  ];
  yield undefined;
  const policies = stage(before?.policies, policyInputs, () => buildPolicies(policyInputs));
  const sidecars = sidecarIndex(contents.Sidecar, settings.value.rootNamespace);

  const scopeInputs: ScopeInputs = [
    services.value,
    virtualServices.value,
    destinationRules.value,
    sidecars,
    contents.Gateway,
    policies.value,
    joinIdentities(kubeIdentities.value, externalIdentities.value),
    settings.value,
  ];
  yield undefined;
  const scopes = stage(before?.scopes, scopeInputs, () => scopeIndex(scopeInputs));
  const workloadInputs: WorkloadInputs = [services.value, externalEndpoints.value, sidecars, policies.value];
  const workloads = stage(before?.workloads, workloadInputs, () => workloadIndex(workloadInputs));
  const metadata = oneList(matchedMetadata(contents.EnvoyFilter));
  const objects = [contents.Pod, contents.Node, contents.WorkloadEntry];
  const basisInputs = [...objects, settings.value, services.value, scopes.value, workloads.value, metadata];
  return {
    contents,
    settings: settings.value,
    services: services.value.all,
    endpoints,
    problems: joinProblems(
      services.value.problems,
      virtualServices.value.problems,
      references.value.problems,
      unmatched.value.problems,
      destinationRules.value.problems,
      sidecars.problems,
      policies.value.problems,
    ),
    matchedMetadata: metadata,
    stages: {
      settings,
      services,
      slices,
      endpointObjects,
      kubeEndpoints,
      externalEndpoints,
      kubeIdentities,
      externalIdentities,
      addresses,
      virtualServices,
      destinationRules,
      references,
      unmatched,
      policies,
      scopes,
      workloads,
      basis: stage(before?.basis, basisInputs, () => Object.freeze({})),
    },
  };
}
