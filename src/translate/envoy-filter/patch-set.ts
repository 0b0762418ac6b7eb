import { memo, oneList } from '../../memo.ts';
import type { Cluster } from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { TypedExtensionConfig } from '../../proto/generated/envoy/config/core/v3.ts';
import { EnvoyFilter_PatchContext as Context } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { ListenerPatches } from './listener.ts';
import { type FilterPatches, inContext, type Patch, type Patches } from './patch.ts';
import type { RoutePatches } from './route-configuration.ts';

/** The patches of one context by the resources that they are for. Equal ones are one value, whatever else an EnvoyFilter holds. */
export interface ContextPatches {
  readonly context: Context;
  readonly clusters: readonly Patch<Cluster>[];
  readonly listeners: ListenerPatches;
  readonly routes: RoutePatches;
}

/** What is in force for a proxy: what goes out and in, or all that a gateway has. */
export interface PatchSet {
  readonly contexts: readonly ContextPatches[];
  readonly extensions: readonly Patch<TypedExtensionConfig>[];
}

const routePatches = memo(
  (
    routeConfigurations: Patches['routeConfigurations'],
    virtualHosts: Patches['virtualHosts'],
    routes: Patches['routes'],
    gateway: boolean,
  ): RoutePatches => Object.freeze({ routeConfigurations, virtualHosts, routes, gateway }),
);

const listenerPatches = memo(
  (
    listeners: Patches['listeners'],
    listenerFilters: Patches['listenerFilters'],
    filterChains: Patches['filterChains'],
    networkFilters: Patches['networkFilters'],
    httpFilters: Patches['httpFilters'],
    inlineRoutes: RoutePatches | undefined,
  ): ListenerPatches =>
    Object.freeze({ listeners, listenerFilters, filterChains, networkFilters, httpFilters, inlineRoutes }),
);

const isEmpty = ({ routeConfigurations, virtualHosts, routes }: RoutePatches): boolean =>
  !routeConfigurations.length && !virtualHosts.length && !routes.length;

const contextPatches = memo(
  (context: Context, clusters: Patches['clusters'], listeners: ListenerPatches, routes: RoutePatches): ContextPatches =>
    Object.freeze({ context, clusters, listeners, routes }),
);

function inOne(context: Context, parts: readonly FilterPatches[]): ContextPatches {
  const patches = <M>(of: (part: FilterPatches) => readonly Patch<M>[]): readonly Patch<M>[] =>
    inContext(parts.flatMap(of), context);
  const routes = routePatches(
    patches(part => part.routeConfigurations),
    patches(part => part.virtualHosts),
    patches(part => part.routes),
    context === Context.GATEWAY,
  );
  const inline = context === Context.SIDECAR_INBOUND && !isEmpty(routes) ? routes : undefined;
  return contextPatches(
    context,
    patches(part => part.clusters),
    listenerPatches(
      patches(part => part.listeners),
      patches(part => part.listenerFilters),
      patches(part => part.filterChains),
      patches(part => part.networkFilters),
      patches(part => part.httpFilters),
      inline,
    ),
    routes,
  );
}

/** The patches of EnvoyFilters together, in their order, for a proxy of a type. */
export const patchSet = memo((type: 'sidecar' | 'router', ...parts: readonly FilterPatches[]): PatchSet => {
  const contexts = type === 'router' ? [Context.GATEWAY] : [Context.SIDECAR_OUTBOUND, Context.SIDECAR_INBOUND];
  return Object.freeze({
    contexts: oneList(contexts.map(context => inOne(context, parts))),
    extensions: oneList(parts.flatMap(part => part.extensions)),
  });
});
