import { memo, one, oneList } from '../../memo.ts';
import type { Cluster } from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { TypedExtensionConfig } from '../../proto/generated/envoy/config/core/v3.ts';
import { EnvoyFilter_PatchContext as Context } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { ListenerPatches } from './listener.ts';
import { type FilterPatches, inContext, type Patch } from './patch.ts';
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

const isEmpty = ({ routeConfigurations, virtualHosts, routes }: RoutePatches): boolean =>
  !routeConfigurations.length && !virtualHosts.length && !routes.length;

function inOne(context: Context, parts: readonly FilterPatches[]): ContextPatches {
  const patches = <M>(of: (part: FilterPatches) => readonly Patch<M>[]): readonly Patch<M>[] =>
    inContext(parts.flatMap(of), context);
  const routes = one({
    routeConfigurations: patches(part => part.routeConfigurations),
    virtualHosts: patches(part => part.virtualHosts),
    routes: patches(part => part.routes),
    gateway: context === Context.GATEWAY,
  });
  const listeners = one({
    listeners: patches(part => part.listeners),
    listenerFilters: patches(part => part.listenerFilters),
    filterChains: patches(part => part.filterChains),
    networkFilters: patches(part => part.networkFilters),
    httpFilters: patches(part => part.httpFilters),
    inlineRoutes: context === Context.SIDECAR_INBOUND && !isEmpty(routes) ? routes : undefined,
  });
  return one({ context, clusters: patches(part => part.clusters), listeners, routes });
}

/** The patches of EnvoyFilters together, in their order, for a proxy of a type. */
export const patchSet = memo((type: 'sidecar' | 'router', ...parts: readonly FilterPatches[]): PatchSet => {
  const contexts = type === 'router' ? [Context.GATEWAY] : [Context.SIDECAR_OUTBOUND, Context.SIDECAR_INBOUND];
  return Object.freeze({
    contexts: oneList(contexts.map(context => inOne(context, parts))),
    extensions: oneList(parts.flatMap(part => part.extensions)),
  });
});
