import type { VirtualService } from '../../istio/config.ts';
import { selects } from '../../istio/object.ts';
import { memo, memoSaid } from '../../memo.ts';
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

/** One digit for each match of the VirtualService, in order: whether it applies. */
function decide({ spec }: VirtualService, source: Source): string {
  let decision = '';
  for (const { match } of spec.http ?? []) for (const m of match ?? []) decision += applies(m, source) ? '1' : '0';
  const opaque: readonly Matched[] = [...(spec.tls ?? []), ...(spec.tcp ?? [])];
  for (const { match } of opaque) {
    for (const m of match ?? []) decision += appliesOpaque(m, source) ? '1' : '0';
  }
  return decision;
}

/** The VirtualService without matches that were decided `0`; a route that had matches and has none left is left out. */
const without = memoSaid((object: VirtualService, decision: string): VirtualService => {
  let at = 0;
  const keep = <R extends Matched>(routes: readonly R[] | undefined): readonly R[] | undefined =>
    routes?.flatMap((route): readonly R[] => {
      if (!route.match?.length) return [route];
      const match = route.match.filter(() => decision[at++] === '1');
      if (match.length === route.match.length) return [route];
      return match.length ? [{ ...route, match }] : [];
    });
  const { http, tls, tcp, ...rest } = object.spec;
  const spec = { ...rest, http: keep(http), tls: keep(tls), tcp: keep(tcp) };
  return Object.freeze({ ...object, spec: Object.freeze(spec) });
});

const conditional = memo((objects: readonly VirtualService[]): readonly VirtualService[] =>
  objects.filter(conditionalIn),
);

const decided = memoSaid((objects: readonly VirtualService[], decisions: string): readonly VirtualService[] => {
  const each = decisions.split(',');
  let at = 0;
  return Object.freeze(
    objects.map(object => {
      if (!conditionalIn(object)) return object;
      const decision = each[at++] ?? '';
      return decision.includes('0') ? without(object, decision) : object;
    }),
  );
});

/** How the conditions of all matches come out for a source, as text; equal texts, equal outcome. */
export const decideRoutes = (objects: readonly VirtualService[], source: Source): string =>
  conditional(objects)
    .map(object => decide(object, source))
    .join(',');

/**
 * The VirtualServices as one source sees them: matches that cannot be its (`sourceLabels`, `sourceNamespace`, `gateways`) are gone, so that
 * nothing that is made from them has to know the proxy. Sources for which everything comes out the same get the same list.
 */
export const applyingTo = (objects: readonly VirtualService[], decision: string): readonly VirtualService[] =>
  decision ? decided(objects, decision) : objects;
