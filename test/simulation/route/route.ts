import type {
  Route,
  RouteConfiguration,
  RouteMatch,
  VirtualHost,
} from '../../../src/proto/generated/envoy/config/route/v3.ts';
import type { Call } from '../call.ts';
import { headerMatches, queryMatches, regexMatches } from '../match/match.ts';
import { metadataMatches } from '../match/metadata.ts';

/** A call's request as Envoy's matchers see it. */
export interface Request {
  readonly host: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
}

/** The request of a call, header names in lower case, with the pseudo headers. */
export function requestOf(call: Call): Request {
  const host = call.host ?? call.address;
  const target = call.path ?? '/';
  const [path = '/', query = ''] = target.split('?', 2);
  const headers = Object.fromEntries(Object.entries(call.headers ?? {}).map(([k, v]) => [k.toLowerCase(), v]));
  return {
    host,
    path,
    query: new URLSearchParams(query),
    headers: {
      ...headers,
      ':authority': host,
      ':path': target,
      ':method': call.method ?? 'GET',
      ':scheme': call.tls ? 'https' : 'http',
    },
  };
}

const withoutPort = (host: string): string => host.replace(/:\d+$/, '');

/** How well a domain of a virtual host fits: exact, then the longest `*.suffix`, then the longest `prefix*`, then `*`. */
function fit(domain: string, host: string): number | undefined {
  if (domain === host) return 3_000_000;
  if (domain === '*') return 0;
  if (domain.startsWith('*') && host.endsWith(domain.slice(1)) && host.length >= domain.length)
    return 2_000_000 + domain.length;
  if (domain.endsWith('*') && host.startsWith(domain.slice(0, -1)) && host.length >= domain.length)
    return 1_000_000 + domain.length;
  return undefined;
}

/** The virtual host for a `Host` header. `ignorePort`: the port is taken off it first. */
export function virtualHostFor(
  routes: RouteConfiguration,
  host: string,
  ignorePort = routes.ignore_port_in_host_matching ?? false,
): VirtualHost | undefined {
  const wanted = (ignorePort ? withoutPort(host) : host).toLowerCase();
  let best: { readonly virtualHost: VirtualHost; readonly fits: number } | undefined;
  for (const virtualHost of routes.virtual_hosts ?? [])
    for (const domain of virtualHost.domains ?? []) {
      const fits = fit(domain.toLowerCase(), wanted);
      if (fits !== undefined && (!best || fits > best.fits)) best = { virtualHost, fits };
    }
  return best?.virtualHost;
}

const ALL = 2;

/** Where a virtual host that wants TLS sends a request without. */
export function tlsRedirect(virtualHost: VirtualHost, { host, headers }: Request): string | undefined {
  if (virtualHost.require_tls !== ALL || headers[':scheme'] === 'https') return undefined;
  return `https://${host}${headers[':path']}`;
}

function pathMatches(match: RouteMatch, path: string): boolean {
  const fold = (text: string): string => (match.case_sensitive?.value === false ? text.toLowerCase() : text);
  const actual = fold(path);
  if (match.path !== undefined) return actual === fold(match.path);
  if (match.prefix !== undefined) return actual.startsWith(fold(match.prefix));
  if (match.path_separated_prefix !== undefined) {
    const prefix = fold(match.path_separated_prefix);
    return actual === prefix || actual.startsWith(`${prefix}/`);
  }
  if (match.safe_regex !== undefined) return regexMatches(match.safe_regex, path);
  return false;
}

const routeMatches = (match: RouteMatch, request: Request, call: Call): boolean =>
  pathMatches(match, request.path) &&
  (match.headers ?? []).every(header => headerMatches(header, request.headers)) &&
  (match.query_parameters ?? []).every(parameter => queryMatches(parameter, request.query)) &&
  (match.dynamic_metadata ?? []).every(matcher => metadataMatches(matcher, call)) &&
  !(match.grpc && !request.headers['content-type']?.startsWith('application/grpc'));

/** The first route of a virtual host that takes the request. */
export const routeFor = (virtualHost: VirtualHost, request: Request, call: Call): Route | undefined =>
  (virtualHost.routes ?? []).find(route => routeMatches(route.match ?? {}, request, call));
