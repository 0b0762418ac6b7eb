import type { VirtualService } from '../../istio/config.ts';
import { selects } from '../../istio/object.ts';
import { sameItems } from '../../lists.ts';
import { memo, one, oneList } from '../../memo.ts';
import type { HTTPMatchRequest } from '../../proto/generated/istio/networking/v1alpha3.ts';

/** Who asks: what the conditions of a match are about. */
export interface Source {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `mesh` for sidecars, `namespace/name` of a Gateway for routers. */
  readonly gateway: string;
}

interface Conditions {
  readonly gateways?: readonly string[] | undefined;
  readonly sourceLabels?: Readonly<Record<string, string>> | undefined;
  readonly sourceNamespace?: string | undefined;
}

const isConditional = (match: Conditions): boolean =>
  Boolean(match.gateways?.length || match.sourceNamespace || Object.keys(match.sourceLabels ?? {}).length);

const ofSource = (match: Conditions, source: Source): boolean =>
  selects(match.sourceLabels ?? {}, source.labels) &&
  (!match.sourceNamespace || match.sourceNamespace === source.namespace);

/** HTTP: a match that names gateways does not look at the source besides (istio: sourceMatchHTTP). */
const applies = (match: HTTPMatchRequest, source: Source): boolean =>
  match.gateways?.length ? match.gateways.includes(source.gateway) : ofSource(match, source);

/** TLS and TCP: both count (istio: matchTLS, matchTCP). */
const appliesOpaque = (match: Conditions, source: Source): boolean =>
  (!match.gateways?.length || match.gateways.includes(source.gateway)) && ofSource(match, source);

interface Matched {
  readonly match?: readonly Conditions[] | undefined;
}

const conditionalIn = memo(({ spec }: VirtualService): boolean =>
  [...(spec.http ?? []), ...(spec.tls ?? []), ...(spec.tcp ?? [])].some((route: Matched) =>
    route.match?.some(isConditional),
  ),
);

/** The routes of a list with the matches that apply alone; one that had matches and has none left is left out. */
function routesFor<M extends Conditions, R extends { readonly match?: readonly M[] | undefined }>(
  routes: readonly R[] | undefined,
  isFor: (match: M) => boolean,
): readonly R[] | undefined {
  if (!routes) return undefined;
  const kept = routes.flatMap((route): readonly R[] => {
    if (!route.match?.length) return [route];
    const match = route.match.filter(isFor);
    if (match.length === route.match.length) return [route];
    return match.length ? [one({ ...route, match: oneList(match) })] : [];
  });
  return sameItems(kept, routes) ? routes : oneList(kept);
}

function asSeenBy(object: VirtualService, source: Source): VirtualService {
  const { http, tls, tcp } = object.spec;
  const spec = {
    http: routesFor(http, match => applies(match, source)),
    tls: routesFor(tls, match => appliesOpaque(match, source)),
    tcp: routesFor(tcp, match => appliesOpaque(match, source)),
  };
  const same = spec.http === http && spec.tls === tls && spec.tcp === tcp;
  return same ? object : one({ ...object, spec: one({ ...object.spec, ...spec }) });
}

const isAnyConditional = memo((objects: readonly VirtualService[]): boolean => objects.some(conditionalIn));

/**
 * The VirtualServices as one source sees them: matches that cannot be its (`sourceLabels`, `sourceNamespace`, `gateways`) are gone, so that
 * nothing that is made from them has to know the proxy. Sources for which everything comes out the same get the same list.
 */
export const applyingTo = (objects: readonly VirtualService[], source: Source): readonly VirtualService[] =>
  isAnyConditional(objects)
    ? oneList(objects.map(object => (conditionalIn(object) ? asSeenBy(object, source) : object)))
    : objects;
