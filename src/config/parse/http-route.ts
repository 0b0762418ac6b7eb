import type {
  HTTPMatchRequest,
  HTTPRoute,
  HTTPRouteDestination,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkDuration } from '../duration.ts';
import { checkHeaderMatch, checkHeaders, isAuthority, isClaim } from '../header.ts';
import { checkLabels, isDnsLabel } from '../host.ts';
import { checkPort } from '../port.ts';
import { checkRegex } from '../regex.ts';
import { entry, type Report } from '../report.ts';
import { checkDestinations, checkGatewayNames, checkStringMatch, type RouteOwner } from './destination.ts';
import { checkDirectResponse, checkRedirect, checkRewrite } from './http-action.ts';
import { checkCors, checkFault, checkMirrors, checkRetries } from './http-policy.ts';

/**
 * Checks an http route. What only adds to the routing (timeout, retries, fault, mirrors, CORS) is left out when it is invalid, and so is one of
 * several matches or destinations; anything else makes the route invalid.
 */
export function checkHttpRoute(route: HTTPRoute, owner: RouteOwner, path: string, report: Report): HTTPRoute {
  checkAction(route, owner, path, report);
  const match = report.keep(route.match, `${path}.match`, (item, at) => checkHttpMatch(item, owner, at, report));
  if (report.emptied(match, `${path}.match`)) report.error(`${path}.match`, 'no match is left');
  const headers = checkHeaders(route.headers, `${path}.headers`, report);
  checkAuthorityOnce(route, path, report);
  checkRedirect(route.redirect, route.match, `${path}.redirect`, report);
  checkDirectResponse(route.directResponse, `${path}.directResponse`, report);
  checkRewrite(route.rewrite, `${path}.rewrite`, report);
  checkCors(route.corsPolicy, `${path}.corsPolicy`, report);
  checkFault(route.fault, `${path}.fault`, report);
  checkRetries(route.retries, `${path}.retries`, report);
  checkDuration(route.timeout, `${path}.timeout`, report);
  const mirrors = checkMirrors(route, path, report);
  const destinations = checkDestinations<HTTPRouteDestination>(route.route, `${path}.route`, report, (item, at) => {
    const kept = checkHeaders(item.headers, `${at}.headers`, report);
    return kept === item.headers ? item : { ...item, headers: kept };
  });
  // Without its percentage everything would be mirrored.
  if (['mirrorPercent', 'mirrorPercentage'].some(field => report.failed(`${path}.${field}`))) {
    report.error(`${path}.mirror`, 'left out, because how much to mirror is not known');
  }
  return report.without({ ...route, match, headers, mirrors, route: destinations }, path, [
    'timeout',
    'retries',
    'fault',
    'corsPolicy',
    'mirror',
    'mirrorPercent',
    'mirrorPercentage',
  ]);
}

/** Exactly one of route, redirect, directResponse and delegate, and nothing beside it that it makes meaningless. */
function checkAction(route: HTTPRoute, owner: RouteOwner, path: string, report: Report): void {
  const conflict = (a: keyof HTTPRoute, b: keyof HTTPRoute) => {
    if (route[b] !== undefined) report.error(`${path}.${b}`, `a route cannot have both ${a} and ${b}`);
  };
  if (route.delegate && owner.delegate) report.error(`${path}.delegate`, 'a delegate cannot have a delegate');
  if (route.delegate && !owner.delegate) {
    conflict('delegate', 'redirect');
    conflict('delegate', 'route');
  } else if (route.redirect) {
    for (const other of ['route', 'fault', 'rewrite', 'directResponse'] as const) conflict('redirect', other);
  } else if (route.directResponse) {
    for (const other of ['route', 'fault', 'rewrite'] as const) conflict('directResponse', other);
  } else if (!route.route?.length) {
    report.error(path, 'one of route, redirect, directResponse and delegate is needed');
  }
}

/** Reports a match that Envoy would refuse or that can never match. */
function checkHttpMatch(match: HTTPMatchRequest, owner: RouteOwner, path: string, report: Report): void {
  for (const [name, value] of Object.entries(match.headers ?? {})) {
    const at = entry(`${path}.headers`, name);
    checkHeaderName(name, owner, at, report);
    checkStringMatch(value, at, report);
  }
  for (const [name, value] of Object.entries(match.withoutHeaders ?? {})) {
    const at = entry(`${path}.withoutHeaders`, name);
    checkHeaderName(name, owner, at, report);
    // No expression: the header's presence.
    if (value.regex !== '*') checkStringMatch(value, at, report);
  }
  // An empty prefix is a path that anything begins with; only the expression can be wrong.
  if (match.uri?.regex !== undefined) checkRegex(match.uri.regex, `${path}.uri.regex`, report);
  for (const field of ['scheme', 'method', 'authority'] as const) {
    checkStringMatch(match[field], `${path}.${field}`, report);
  }
  for (const [name, value] of Object.entries(match.queryParams ?? {})) {
    checkStringMatch(value, entry(`${path}.queryParams`, name), report);
  }
  if (match.port) checkPort(match.port, `${path}.port`, report);
  checkLabels(match.sourceLabels, `${path}.sourceLabels`, report);
  checkGatewayNames(match.gateways, `${path}.gateways`, report);
  if (match.sourceNamespace && !isDnsLabel(match.sourceNamespace)) {
    report.error(`${path}.sourceNamespace`, `"${match.sourceNamespace}" is not the name of a namespace`);
  }
}

function checkHeaderName(name: string, owner: RouteOwner, path: string, report: Report): void {
  checkHeaderMatch(name, path, report);
  if (isClaim(name) && !owner.gateway) report.error(path, 'routing by JWT claims is for gateways only');
}

/** The authority can be set by the rewrite or by one header operation. */
function checkAuthorityOnce(route: HTTPRoute, path: string, report: Report): void {
  const { set = {}, add = {} } = route.headers?.request ?? {};
  const ways = [...Object.keys(set), ...Object.keys(add)].filter(isAuthority);
  if (ways.length + (route.rewrite?.authority ? 1 : 0) > 1) {
    report.warning(
      `${path}.headers.request`,
      'the authority is set more than once; a rewrite wins, then set, then add',
    );
  }
}
