import type {
  DirectResponseAction,
  RedirectAction,
  RouteAction,
  RouteAction_RequestMirrorPolicy,
} from '../../proto/generated/envoy/config/route/v3.ts';
import { RedirectAction_RedirectResponseCode } from '../../proto/generated/envoy/config/route/v3.ts';
import type { Duration } from '../../proto/generated/google/protobuf.ts';
import {
  type HTTPDirectResponse,
  type HTTPRedirect,
  HTTPRedirect_RedirectPortSelection,
  type HTTPRoute,
  type HTTPRouteDestination,
  type Percent,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { fittingWeights } from '../weights.ts';
import { destinationCluster, type RouteContext } from './destination.ts';
import { percentage, wholePercent } from './fault.ts';
import { consistentHashOf, hashPolicy } from './hash-policy.ts';
import { authorityOf, type HeaderOperations, headerOperations } from './headers.ts';
import { retryPolicy } from './retry.ts';

const NO_TIMEOUT: Duration = { seconds: 0 };

const isZero = (d: Duration): boolean => !d.seconds && !d.nanos;

/** Timeouts as Istio sets them: none by default, and a gRPC client's own deadline is capped by the same value (istio: route.setTimeout). */
export const timeouts = (timeout: Duration | undefined): Pick<RouteAction, 'timeout' | 'max_grpc_timeout'> =>
  timeout && !isZero(timeout)
    ? { timeout, max_grpc_timeout: timeout }
    : { timeout: timeout ?? NO_TIMEOUT, max_grpc_timeout: NO_TIMEOUT };

const REDIRECT_CODES: Readonly<Record<number, RedirectAction_RedirectResponseCode>> = {
  0: RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
  301: RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
  302: RedirectAction_RedirectResponseCode.FOUND,
  303: RedirectAction_RedirectResponseCode.SEE_OTHER,
  307: RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT,
  308: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT,
};

function redirectPort(redirect: HTTPRedirect, { port, tls }: RouteContext): number {
  const wanted =
    redirect.port ?? (redirect.derivePort === HTTPRedirect_RedirectPortSelection.FROM_REQUEST_PORT ? port : 0);
  const scheme = redirect.scheme || (tls ? 'https' : 'http');
  const implied = (wanted === 80 && scheme === 'http') || (wanted === 443 && scheme === 'https');
  return implied ? 0 : wanted;
}

/** A redirect; undefined for a code that Envoy cannot answer (istio: route.ApplyRedirect). */
export function redirectAction(redirect: HTTPRedirect, context: RouteContext): RedirectAction | undefined {
  const response_code = REDIRECT_CODES[redirect.redirectCode ?? 0];
  if (response_code === undefined) return undefined;
  return {
    host_redirect: redirect.authority ?? '',
    ...(redirect.prefixRewrite ? { prefix_rewrite: redirect.prefixRewrite } : { path_redirect: redirect.uri ?? '' }),
    ...(redirect.scheme && { scheme_redirect: redirect.scheme }),
    port_redirect: redirectPort(redirect, context),
    response_code,
  };
}

/** A response that the proxy gives itself. */
export function directResponse(response: HTTPDirectResponse): DirectResponseAction {
  const { body } = response;
  return {
    status: response.status ?? 0,
    ...(body?.string !== undefined && { body: { inline_string: body.string } }),
    ...(body?.bytes !== undefined && { body: { inline_bytes: body.bytes } }),
  };
}

const mirrorTo = (
  cluster: string,
  fraction: NonNullable<RouteAction_RequestMirrorPolicy['runtime_fraction']>['default_value'],
): RouteAction_RequestMirrorPolicy => ({
  cluster,
  runtime_fraction: { default_value: fraction },
  trace_sampled: { value: false },
  disable_shadow_host_suffix_append: true,
});

const mirrorShare = (percent: Percent | undefined, whole?: number): ReturnType<typeof percentage> | undefined => {
  if (percent) return (percent.value ?? 0) > 0 ? percentage(percent) : undefined;
  if (whole !== undefined) return whole > 0 ? wholePercent(whole) : undefined;
  return wholePercent(100);
};

function mirrors(http: HTTPRoute, context: RouteContext): RouteAction_RequestMirrorPolicy[] {
  const all = [
    { destination: http.mirror, share: mirrorShare(http.mirrorPercentage, http.mirrorPercent?.value) },
    ...(http.mirrors ?? []).map(m => ({ destination: m.destination, share: mirrorShare(m.percentage) })),
  ];
  return all.flatMap(({ destination, share }) =>
    destination && share ? [mirrorTo(destinationCluster(destination, context), share)] : [],
  );
}

function rewriteOf({ rewrite }: HTTPRoute): Pick<RouteAction, 'regex_rewrite' | 'prefix_rewrite'> {
  if (rewrite?.uriRegexRewrite)
    return {
      regex_rewrite: {
        pattern: { regex: rewrite.uriRegexRewrite.match ?? '' },
        substitution: rewrite.uriRegexRewrite.rewrite ?? '',
      },
    };
  return rewrite?.uri ? { prefix_rewrite: rewrite.uri } : {};
}

const hashesOf = (
  destinations: readonly HTTPRouteDestination[],
  context: RouteContext,
): NonNullable<RouteAction['hash_policy']> =>
  destinations.flatMap(({ destination: { host, subset = '', port } = {} }) => {
    const rule = host && context.destinations.get(host)?.rule;
    return hashPolicy(consistentHashOf(rule, subset, port?.number)) ?? [];
  });

/**
 * Where a route of a VirtualService sends its requests: one cluster, or clusters by weight (a weight of 0 beside others is left out), with
 * Istio's timeouts and retries (istio: route.applyHTTPRouteDestination). Header operations of a single destination belong to the route.
 */
export function routeAction(http: HTTPRoute, context: RouteContext): RouteAction {
  const destinations = http.route ?? [];
  const [only, ...others] = destinations;
  const single = others.length ? undefined : only;
  const weighted = destinations.filter(d => d.weight);
  const weights = fittingWeights(weighted.map(d => d.weight ?? 0));
  const authority = http.rewrite?.authority || authorityOf(http.headers) || authorityOf(single?.headers);
  const hashes = hashesOf(single ? [single] : weighted, context);
  const mirrored = mirrors(http, context);
  const retry = retryPolicy(
    http.retries ?? context.mesh.config.defaultHttpRetryPolicy,
    single !== undefined && hashes.length > 0,
  );
  const target: Pick<RouteAction, 'cluster'> | Pick<RouteAction, 'weighted_clusters'> = single
    ? { cluster: destinationCluster(single.destination ?? {}, context) }
    : {
        weighted_clusters: {
          clusters: weighted.map((d, i) => ({
            name: destinationCluster(d.destination ?? {}, context),
            weight: { value: weights[i] },
            ...headerOperations(d.headers),
            ...(authorityOf(d.headers) && { host_rewrite_literal: authorityOf(d.headers) }),
          })),
        },
      };
  return {
    ...target,
    ...timeouts(http.timeout),
    ...rewriteOf(http),
    ...(authority && { host_rewrite_literal: authority }),
    ...(mirrored.length && { request_mirror_policies: mirrored }),
    ...(retry && { retry_policy: retry }),
    ...(hashes.length && { hash_policy: hashes }),
  };
}

/** Header operations of a route: its own, and those of its destination where it has only one. */
export const routeHeaders = (http: HTTPRoute): HeaderOperations =>
  headerOperations(http.headers, forwards(http) && http.route?.length === 1 ? http.route[0]?.headers : undefined);

/** Whether the rule sends requests on, rather than answer them itself. */
export const forwards = (http: HTTPRoute): boolean => !http.redirect && !http.directResponse;
