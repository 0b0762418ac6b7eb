import type { Problem } from '../config/problem.ts';
import { memo } from '../memo.ts';
import type { EndpointIndex } from '../model/endpoints/endpoint.ts';
import type { Traits } from '../model/proxy/traits.ts';
import type { Workload } from '../model/proxy/workload.ts';
import type { Scope } from '../model/scope/scope.ts';
import { clusters } from './clusters/clusters.ts';
import { endpointAssignments } from './endpoints/assignments.ts';
import { applyEnvoyFilters } from './envoy-filter/envoy-filter.ts';
import { listeners } from './listeners/listeners.ts';
import { outboundRouteNames } from './listeners/outbound/outbound.ts';
import { type NameTableResource, nameTable } from './name-table.ts';
import type {
  ClusterResource,
  EndpointResource,
  ExtensionResource,
  ListenerResource,
  RouteResource,
} from './resource.ts';
import { gatewayRoutes } from './routes/gateway.ts';
import { outboundRoutes } from './routes/outbound.ts';
import { type SecretIndex, type SecretResource, secrets } from './secrets/secrets.ts';
import { sendable } from './sendable.ts';

/** Everything that a proxy is to have, by type, and the problems that showed while it was made. */
export interface Translation {
  readonly clusters: readonly ClusterResource[];
  readonly endpoints: readonly EndpointResource[];
  readonly listeners: readonly ListenerResource[];
  readonly routes: readonly RouteResource[];
  /** Filter configurations that listeners name and fetch over ECDS. */
  readonly extensions: readonly ExtensionResource[];
  /** Credentials of a gateway; private keys are in them. */
  readonly secrets: readonly SecretResource[];
  /** The table for the agent's DNS proxy; none where there is no agent. */
  readonly nameTables: readonly NameTableResource[];
  readonly problems: readonly Problem[];
}

const NO_TABLES: readonly NameTableResource[] = [];
const oneTable = memo((table: NameTableResource): readonly NameTableResource[] => [table]);

/** Translates what a proxy sees to what Envoy understands. The same values give the same translation, and lists that did not change stay the same. */
export const translate = memo(
  (
    scope: Scope,
    workload: Workload,
    traits: Traits,
    endpoints: EndpointIndex,
    credentials: SecretIndex,
  ): Translation => {
    const cds = clusters(scope, workload, traits, endpoints);
    const eds = endpointAssignments(scope, workload, traits, endpoints);
    const lds = listeners(scope, workload, traits, endpoints);
    const sds = secrets(scope.namespace, scope.gateways, credentials);
    const routes =
      traits.type === 'router'
        ? gatewayRoutes(scope, workload)
        : outboundRoutes(scope, traits, outboundRouteNames(scope, traits, endpoints, workload.ownAddresses));
    const { build } = traits;
    const sent = {
      clusters: sendable('envoy.config.cluster.v3.Cluster', build, cds.resources),
      endpoints: sendable('envoy.config.endpoint.v3.ClusterLoadAssignment', build, eds.resources),
      listeners: sendable('envoy.config.listener.v3.Listener', build, lds.resources),
      routes: sendable('envoy.config.route.v3.RouteConfiguration', build, routes),
      secrets: sendable('envoy.extensions.transport_sockets.tls.v3.Secret', build, sds.resources),
    };
    const made = {
      clusters: sent.clusters.resources,
      listeners: sent.listeners.resources,
      routes: sent.routes.resources,
    };
    const patched = applyEnvoyFilters(made, scope, workload, traits);
    const own = {
      clusters: sendable('envoy.config.cluster.v3.Cluster', build, patched.clusters),
      listeners: sendable('envoy.config.listener.v3.Listener', build, patched.listeners),
      routes: sendable('envoy.config.route.v3.RouteConfiguration', build, patched.routes),
    };
    return {
      clusters: own.clusters.resources,
      endpoints: sent.endpoints.resources,
      listeners: own.listeners.resources,
      routes: own.routes.resources,
      extensions: patched.extensions,
      secrets: sent.secrets.resources,
      // Few proxies ask for it, and it changes with every Service.
      get nameTables() {
        return traits.agent ? oneTable(nameTable(scope, traits, endpoints)) : NO_TABLES;
      },
      problems: [cds, eds, lds, sds, ...Object.values(sent), patched, ...Object.values(own)].flatMap(
        ({ problems }) => problems,
      ),
    };
  },
);
