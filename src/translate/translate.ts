import type { Problem } from '../config/problem.ts';
import { memo, oneMap } from '../memo.ts';
import { type EndpointIndex, endpointsKey, type ServiceEndpoints } from '../model/endpoints/endpoint.ts';
import type { Identity } from '../model/identify.ts';
import type { MeshModel } from '../model/mesh.ts';
import type { EnvoyBuild } from '../model/proxy/traits.ts';
import type { Scope } from '../model/scope/scope.ts';
import type { ClusterLoadAssignment } from '../proto/generated/envoy/config/endpoint/v3.ts';
import { clusterEndpointReaders, clusters } from './clusters/clusters.ts';
import { endpointAssignments } from './endpoints/assignments.ts';
import { applyEnvoyFilters } from './envoy-filter/envoy-filter.ts';
import { listeners, listenerTraits } from './listeners/listeners.ts';
import { answersDns } from './listeners/outbound/dns.ts';
import { outboundRouteNames } from './listeners/outbound/outbound.ts';
import { headlessServices } from './listeners/outbound/plan.ts';
import { type NameTableResource, namedByEndpoints, nameTable } from './name-table.ts';
import type {
  ClusterResource,
  EndpointResource,
  ExtensionResource,
  ListenerResource,
  Resource,
  RouteResource,
  Translated,
} from './resource.ts';
import { gatewayRoutes } from './routes/gateway.ts';
import { outboundRoutes } from './routes/outbound.ts';
import {
  type CredentialObjects,
  credentialObjects,
  credentials,
  type SecretResource,
  type WantedCredential,
} from './secrets/secrets.ts';
import { type SentParts, sendable } from './sendable.ts';
import { type TrustBundleResource, trustBundle } from './trust-bundle.ts';

/** Resources of a type in parts: what proxies have in common is one part of them all, and what is a proxy's own another. */
type Parts<R> = readonly (readonly R[])[];

/** What a proxy is to have by type, in parts, but for endpoints. */
interface Configuration {
  readonly cluster: Parts<ClusterResource>;
  readonly listener: Parts<ListenerResource>;
  readonly route: Parts<RouteResource>;
  /** Filter configurations that listeners name and fetch over ECDS. */
  readonly extension: Parts<ExtensionResource>;
  /** Credentials, in two parts: what every proxy of the namespace may have, and what only those whose account may read Secrets may. */
  readonly secret: readonly [ofNamespace: readonly SecretResource[], ofReaders: readonly SecretResource[]];
  /** Roots beside the mesh's own, for who has an agent. */
  readonly trustBundle: Parts<TrustBundleResource>;
  /** The credentials that it will ask for. */
  readonly credentials: readonly WantedCredential[];
  readonly problems: readonly Problem[];
}

/** Everything that a proxy is to have, by type, and the problems that showed while it was made. */
export class Translation {
  readonly configuration: Configuration;
  readonly endpoints: readonly EndpointResource[];
  readonly problems: readonly Problem[];
  readonly #table: () => readonly NameTableResource[];

  constructor(
    configuration: Configuration,
    assignments: SentParts<ClusterLoadAssignment>,
    table: () => readonly NameTableResource[],
  ) {
    this.configuration = configuration;
    this.endpoints = assignments.parts[0] ?? [];
    this.problems = assignments.problems.length
      ? [...configuration.problems, ...assignments.problems]
      : configuration.problems;
    this.#table = table;
  }

  get clusters(): readonly ClusterResource[] {
    return this.configuration.cluster.flat();
  }

  get listeners(): readonly ListenerResource[] {
    return this.configuration.listener.flat();
  }

  get routes(): readonly RouteResource[] {
    return this.configuration.route.flat();
  }

  get extensions(): readonly ExtensionResource[] {
    return this.configuration.extension.flat();
  }

  get secrets(): readonly SecretResource[] {
    return this.configuration.secret.flat();
  }

  /** The table for the agent's DNS proxy; none where there is no agent. Made when it is asked for: few proxies do, and it changes with every Service. */
  get nameTables(): readonly NameTableResource[] {
    return this.#table();
  }
}

const NO_TABLES: readonly NameTableResource[] = [];
const oneTable = memo((table: NameTableResource): readonly NameTableResource[] => [table]);

const oneBundle = memo((bundle: TrustBundleResource): Parts<TrustBundleResource> => [[bundle]]);

/** What clusters, listeners and routes read of the endpoints: while that is the same, so are they. */
const endpointsRead = memo((scope: Scope, answers: boolean, endpoints: EndpointIndex): EndpointIndex => {
  const headless = answers ? namedByEndpoints(scope) : [];
  const readers = [
    ...clusterEndpointReaders(scope),
    ...scope.egress.flatMap(e => headlessServices(e.services)),
    ...headless,
  ];
  const read = new Map<string, ServiceEndpoints>();
  for (const service of readers) {
    const key = endpointsKey(service);
    const known = endpoints.get(key);
    if (known) read.set(key, known);
  }
  return read.size ? oneMap(read) : NO_ENDPOINTS;
});

const NO_ENDPOINTS: EndpointIndex = new Map();

const configurationOf = memo(
  (identity: Identity, endpoints: EndpointIndex, objects: CredentialObjects): Configuration => {
    const { scope, workload, traits } = identity;
    const cds = clusters(scope, workload, traits, endpoints);
    const seen = listenerTraits(scope, traits);
    const lds = listeners(scope, workload, seen, endpoints);
    const sds = credentials(identity, objects);
    const routes =
      traits.type === 'router'
        ? gatewayRoutes(scope, workload)
        : outboundRoutes(scope, traits, outboundRouteNames(scope, seen, endpoints, workload.ownAddresses));
    const { build } = traits;
    const sent = {
      clusters: sendable('envoy.config.cluster.v3.Cluster', build, lists(cds)),
      listeners: sendable('envoy.config.listener.v3.Listener', build, lists(lds)),
      routes: sendable('envoy.config.route.v3.RouteConfiguration', build, [routes]),
      secrets: sendable('envoy.extensions.transport_sockets.tls.v3.Secret', build, [
        sds.resources.namespace,
        sds.resources.readers,
      ]),
    };
    const made = { clusters: sent.clusters.parts, listeners: sent.listeners.parts, routes: sent.routes.parts };
    const patched = applyEnvoyFilters(made, scope, workload, traits);
    const own = patched && {
      clusters: sendable('envoy.config.cluster.v3.Cluster', build, patched.clusters),
      listeners: sendable('envoy.config.listener.v3.Listener', build, patched.listeners),
      routes: sendable('envoy.config.route.v3.RouteConfiguration', build, patched.routes),
    };
    const { clusters: cluster, listeners: listener, routes: route } = own ?? sent;
    const ofPatches = own ? [patched, ...Object.values(own)] : [];
    return {
      cluster: cluster.parts,
      listener: listener.parts,
      route: route.parts,
      extension: patched ? [patched.extensions] : [],
      secret: [sent.secrets.parts[0] ?? [], sent.secrets.parts[1] ?? []],
      trustBundle: traits.certificates === 'agent' ? oneBundle(trustBundle(scope.mesh)) : [],
      credentials: sds.wanted,
      problems: [...cds, ...lds, sds, ...Object.values(sent), ...ofPatches].flatMap(m => m.problems),
    };
  },
);

const lists = <M>(parts: readonly Translated<M>[]): Parts<Resource<M>> => parts.map(({ resources }) => resources);

const sentEndpoints = memo((build: EnvoyBuild, assignments: readonly EndpointResource[]) =>
  sendable('envoy.config.endpoint.v3.ClusterLoadAssignment', build, [assignments]),
);

/**
 * Translates what a proxy sees to what Envoy understands. What did not change stays the same: of a change of endpoints nothing is looked at but
 * the assignments of those who see them, and what else reads them.
 */
export function translate(
  identity: Identity,
  { endpoints, contents }: Pick<MeshModel, 'endpoints' | 'contents'>,
): Translation {
  const { scope, traits } = identity;
  return new Translation(
    configurationOf(
      identity,
      endpointsRead(scope, answersDns(traits), endpoints),
      credentialObjects(identity, contents),
    ),
    sentEndpoints(traits.build, endpointAssignments(identity, endpoints)),
    () => (traits.certificates === 'agent' ? oneTable(nameTable(scope, traits, endpoints)) : NO_TABLES),
  );
}
