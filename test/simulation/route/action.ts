import { unpackAs } from '../../../src/proto/any.ts';
import type {
  RedirectAction,
  Route,
  RouteAction,
  RouteConfiguration,
  RouteMatch,
  VirtualHost,
} from '../../../src/proto/generated/envoy/config/route/v3.ts';
import type { RegexMatchAndSubstitute } from '../../../src/proto/generated/envoy/type/matcher/v3.ts';
import type { FractionalPercent } from '../../../src/proto/generated/envoy/type/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';
import type { Choice, Outcome } from '../call.ts';
import { re2 } from '../match/match.ts';
import { headerChanges } from './header-changes.ts';
import { retryOf } from './retry.ts';
import type { Request } from './route.ts';

const denominators = [100, 10_000, 1_000_000];

/** A fraction as percent. */
const percent = (fraction: FractionalPercent | undefined): number =>
  fraction ? (100 * (fraction.numerator ?? 0)) / (denominators[fraction.denominator ?? 0] ?? 100) : 100;

/** Shares of weighted clusters in percent, largest names last untouched: the order of the configuration. */
export function choices(
  clusters: readonly { readonly name?: string | undefined; readonly weight: number }[],
): readonly Choice[] {
  const total = clusters.reduce((sum, c) => sum + c.weight, 0);
  return clusters.map(c => ({ cluster: c.name ?? '', percent: total > 0 ? (100 * c.weight) / total : 0 }));
}

function substituted(rewrite: RegexMatchAndSubstitute, text: string): string {
  const replacement = (rewrite.substitution ?? '')
    .replaceAll('$', '$$$$')
    .replaceAll(/\\(\d)/g, (_, n) => (n === '0' ? '$&' : `$${n}`));
  return text.replace(re2(rewrite.pattern?.regex ?? '', 'g'), replacement);
}

function rewrittenPath(
  rewrite: {
    readonly prefix_rewrite?: string | undefined;
    readonly regex_rewrite?: RegexMatchAndSubstitute | undefined;
  },
  match: RouteMatch,
  path: string,
): string {
  if (rewrite.regex_rewrite) return substituted(rewrite.regex_rewrite, path);
  if (!rewrite.prefix_rewrite) return path;
  const matched = match.prefix ?? match.path_separated_prefix ?? match.path ?? path;
  return rewrite.prefix_rewrite + path.slice(matched.length);
}

const redirectStatus = [301, 302, 303, 307, 308];

function redirectTo(redirect: RedirectAction, match: RouteMatch, request: Request): string {
  const scheme = redirect.https_redirect ? 'https' : (redirect.scheme_redirect ?? request.headers[':scheme'] ?? 'http');
  const port = redirect.port_redirect ? `:${redirect.port_redirect}` : '';
  const host = (redirect.host_redirect || request.host).replace(port ? /:\d+$/ : /$^/, '');
  const query = request.query.size > 0 && !redirect.strip_query ? `?${request.query}` : '';
  // An empty path_redirect is none, to Envoy.
  const path = redirect.path_redirect || rewrittenPath(redirect, match, request.path) + query;
  return `${scheme}://${host}${port}${path}`;
}

function faultOf(levels: readonly Route['typed_per_filter_config'][]): Outcome['fault'] {
  const any = levels.map(level => level?.['envoy.filters.http.fault']).find(found => found !== undefined);
  if (!any) return undefined;
  const { delay, abort } = unpackAs('envoy.extensions.filters.http.fault.v3.HTTPFault', any);
  return {
    ...(delay?.fixed_delay && {
      delay: { milliseconds: milliseconds(delay.fixed_delay), percent: percent(delay.percentage) },
    }),
    ...(abort && {
      abort: {
        status: abort.http_status ?? 0,
        ...(abort.grpc_status !== undefined && { grpcStatus: abort.grpc_status }),
        percent: percent(abort.percentage),
      },
    }),
  };
}

function clustersOf(action: RouteAction): readonly Choice[] {
  if (action.cluster !== undefined) return [{ cluster: action.cluster, percent: 100 }];
  return choices((action.weighted_clusters?.clusters ?? []).map(c => ({ name: c.name, weight: c.weight?.value ?? 0 })));
}

type Weighted = NonNullable<NonNullable<RouteAction['weighted_clusters']>['clusters']>[number];

/** What is done for one of several clusters only. */
function destinationsOf(weighted: readonly Weighted[]): NonNullable<Outcome['destinations']> {
  const found = weighted.flatMap(cluster => {
    const [request, response] = [headerChanges('request', [cluster]), headerChanges('response', [cluster])];
    const own = {
      ...(cluster.host_rewrite_literal && { host: cluster.host_rewrite_literal }),
      ...(request && { requestHeaders: request }),
      ...(response && { responseHeaders: response }),
    };
    return Object.keys(own).length > 0 ? [[cluster.name ?? '', own] as const] : [];
  });
  return Object.fromEntries(found);
}

/** What a route does with a request, apart from the endpoints. */
export function actionOutcome(
  routes: RouteConfiguration,
  virtualHost: VirtualHost,
  route: Route,
  request: Request,
): Outcome {
  const match = route.match ?? {};
  const weighted = route.route?.weighted_clusters?.clusters ?? [];
  const only = weighted.length === 1 ? weighted : [];
  const levels = [...only, route, virtualHost, routes];
  const response = headerChanges('response', levels);
  const fault = faultOf([...only.map(c => c.typed_per_filter_config), route.typed_per_filter_config]);
  const common: Outcome = {
    ...(route.stat_prefix && { statPrefix: route.stat_prefix }),
    ...(response && { responseHeaders: response }),
    ...(fault && { fault }),
  };
  if (route.redirect) {
    const status = redirectStatus[route.redirect.response_code ?? 0] ?? 301;
    return { ...common, response: { status, location: redirectTo(route.redirect, match, request) } };
  }
  if (route.direct_response) {
    const { status = 0, body } = route.direct_response;
    const text = body?.inline_string ?? (body?.inline_bytes && new TextDecoder().decode(body.inline_bytes));
    return { ...common, response: { status, ...(text !== undefined && { body: text }) } };
  }
  const action = route.route;
  if (!action) return { ...common, failure: 'the route has no action' };
  const changes = headerChanges('request', levels);
  const host = only[0]?.host_rewrite_literal ?? action.host_rewrite_literal;
  const mirrors = (action.request_mirror_policies ?? []).map(m => ({
    cluster: m.cluster ?? '',
    percent: percent(m.runtime_fraction?.default_value),
  }));
  const { timeout } = action;
  const retry = action.retry_policy ?? virtualHost.retry_policy;
  const destinations = destinationsOf(only.length > 0 ? [] : weighted);
  return {
    ...common,
    choices: clustersOf(action),
    host: host ?? request.host,
    path: rewrittenPath(action, match, request.path),
    ...(changes && { requestHeaders: changes }),
    timeout: timeout ? milliseconds(timeout) : 15_000,
    ...(retry && { retry: retryOf(retry) }),
    ...(Object.keys(destinations).length > 0 && { destinations }),
    ...(mirrors.length > 0 && { mirrors }),
  };
}
