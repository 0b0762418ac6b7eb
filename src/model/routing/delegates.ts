import type { VirtualService } from '../../istio/config.ts';
import { memo } from '../../memo.ts';
import type { HTTPMatchRequest, HTTPRoute, StringMatch } from '../../proto/generated/istio/networking/v1alpha3.ts';

type Matches = Readonly<Record<string, StringMatch>> | undefined;

/** Whether no value matches both: the delegate asks for something outside what the root lets through. */
function stringConflict(root: StringMatch | undefined, leaf: StringMatch | undefined): boolean {
  if (!root || !leaf) return false;
  if (root.regex || leaf.regex) return true;
  if (root.exact) return Boolean(leaf.prefix) || leaf.exact !== root.exact;
  if (root.prefix) {
    const value = leaf.prefix || leaf.exact;
    if (value) return !value.startsWith(root.prefix);
  }
  return true;
}

const mapConflict = (root: Matches, leaf: Matches): boolean =>
  Object.entries(leaf ?? {}).some(([name, match]) => stringConflict(root?.[name], match));

function conflict(root: HTTPMatchRequest, leaf: HTTPMatchRequest): boolean {
  const gateways = root.gateways ?? [];
  return (
    stringConflict(root.uri, leaf.uri) ||
    stringConflict(root.scheme, leaf.scheme) ||
    stringConflict(root.method, leaf.method) ||
    stringConflict(root.authority, leaf.authority) ||
    mapConflict(root.headers, leaf.headers) ||
    mapConflict(root.withoutHeaders, leaf.withoutHeaders) ||
    mapConflict(root.queryParams, leaf.queryParams) ||
    Boolean(root.ignoreUriCase) !== Boolean(leaf.ignoreUriCase) ||
    Boolean(root.port && leaf.port && root.port !== leaf.port) ||
    Boolean(root.sourceNamespace && root.sourceNamespace !== leaf.sourceNamespace) ||
    Object.entries(leaf.sourceLabels ?? {}).some(([name, value]) => (root.sourceLabels?.[name] ?? value) !== value) ||
    Boolean(gateways.length && leaf.gateways?.some(gateway => !gateways.includes(gateway)))
  );
}

const joinNames = (root: string | undefined, leaf: string | undefined): string =>
  root && leaf ? `${root}-${leaf}` : leaf || (root ?? '');

/** Fields of both; the delegate's win. */
const overlay = <T>(
  root: Readonly<Record<string, T>> | undefined,
  leaf: Readonly<Record<string, T>> | undefined,
): Readonly<Record<string, T>> | undefined => (root || leaf ? { ...root, ...leaf } : undefined);

const mergeMatch = (root: HTTPMatchRequest, leaf: HTTPMatchRequest): HTTPMatchRequest => ({
  ...leaf,
  name: joinNames(root.name, leaf.name),
  uri: leaf.uri ?? root.uri,
  scheme: leaf.scheme ?? root.scheme,
  method: leaf.method ?? root.method,
  authority: leaf.authority ?? root.authority,
  headers: overlay(root.headers, leaf.headers),
  withoutHeaders: overlay(root.withoutHeaders, leaf.withoutHeaders),
  queryParams: overlay(root.queryParams, leaf.queryParams),
  port: leaf.port || root.port,
  sourceLabels: overlay(root.sourceLabels, leaf.sourceLabels),
  sourceNamespace: leaf.sourceNamespace || root.sourceNamespace,
  gateways: leaf.gateways?.length ? leaf.gateways : root.gateways,
  statPrefix: leaf.statPrefix || root.statPrefix,
});

/** The matches of both; undefined where one of the delegate's is outside of all of the root's. */
function mergeMatches(
  root: readonly HTTPMatchRequest[],
  leaf: readonly HTTPMatchRequest[],
): readonly HTTPMatchRequest[] | undefined {
  if (!root.length) return leaf;
  if (!leaf.length) return root;
  const merged: HTTPMatchRequest[] = [];
  for (const match of leaf) {
    const within = root.filter(outer => !conflict(outer, match));
    if (!within.length) return undefined;
    merged.push(...within.map(outer => mergeMatch(outer, match)));
  }
  return merged;
}

/** A delegate's route under the root's; undefined where their matches contradict each other. */
function mergeRoute(root: HTTPRoute, leaf: HTTPRoute): HTTPRoute | undefined {
  const match = mergeMatches(root.match ?? [], leaf.match ?? []);
  if (!match) return undefined;
  return {
    ...leaf,
    match,
    name: joinNames(root.name, leaf.name),
    rewrite: leaf.rewrite ?? root.rewrite,
    directResponse: leaf.directResponse ?? root.directResponse,
    timeout: leaf.timeout ?? root.timeout,
    retries: leaf.retries ?? root.retries,
    fault: leaf.fault ?? root.fault,
    mirror: leaf.mirror ?? root.mirror,
    mirrorPercent: leaf.mirrorPercent ?? root.mirrorPercent,
    mirrorPercentage: leaf.mirrorPercentage ?? root.mirrorPercentage,
    corsPolicy: leaf.corsPolicy ?? root.corsPolicy,
    mirrors: leaf.mirrors ?? root.mirrors,
    headers: leaf.headers ?? root.headers,
  };
}

/**
 * A root VirtualService with the routes of its delegates in the place of those that delegate (istio: mergeVirtualServices). `delegates`
 * has one entry for each of the root's HTTP routes: undefined where the route delegates nothing or to what cannot be used; the latter is
 * dropped, and so are routes that contradict the root's matches.
 */
export const mergeDelegates: (
  root: VirtualService,
  ...delegates: readonly (VirtualService | undefined)[]
) => VirtualService = memo((root, ...delegates) => {
  const http = (root.spec.http ?? []).flatMap((route, i): readonly HTTPRoute[] => {
    if (!route.delegate) return [route];
    const routes = delegates[i]?.spec.http ?? [];
    return routes.map(leaf => mergeRoute(route, leaf)).filter(merged => merged !== undefined);
  });
  const sources = new Set([root.meta.key, ...delegates.flatMap(delegate => delegate?.meta.key ?? [])]);
  return Object.freeze({
    ...root,
    spec: Object.freeze({ ...root.spec, http: Object.freeze(http) }),
    sources: Object.freeze([...sources]),
  });
});

/** The delegate's HTTP routes, by index, that contradict the root's route. */
export const delegateConflicts: (root: HTTPRoute, delegate: VirtualService) => readonly number[] = memo(
  (root, delegate) =>
    (delegate.spec.http ?? []).flatMap((leaf, i) => (mergeMatches(root.match ?? [], leaf.match ?? []) ? [] : [i])),
);
