import type {
  EnvoyFilter_ClusterMatch as ClusterMatch,
  EnvoyFilter_ListenerMatch_FilterMatch as FilterMatch,
  EnvoyFilter_ListenerMatch as ListenerMatch,
  EnvoyFilter_EnvoyConfigObjectMatch as Match,
  EnvoyFilter_RouteConfigurationMatch as RouteConfigurationMatch,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import {
  EnvoyFilter_ApplyTo as ApplyTo,
  EnvoyFilter_PatchContext as Context,
  EnvoyFilter_Patch_Operation as Operation,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { currentFilterName } from '../deprecated-filters.ts';
import type { Report } from '../report.ts';

/** Which match each class of objects has. */
const matchOf: Readonly<Record<ApplyTo, 'listener' | 'routeConfiguration' | 'cluster' | undefined>> = {
  [ApplyTo.INVALID]: undefined,
  [ApplyTo.LISTENER]: 'listener',
  [ApplyTo.FILTER_CHAIN]: 'listener',
  [ApplyTo.NETWORK_FILTER]: 'listener',
  [ApplyTo.HTTP_FILTER]: 'listener',
  [ApplyTo.LISTENER_FILTER]: 'listener',
  [ApplyTo.ROUTE_CONFIGURATION]: 'routeConfiguration',
  [ApplyTo.VIRTUAL_HOST]: 'routeConfiguration',
  [ApplyTo.HTTP_ROUTE]: 'routeConfiguration',
  [ApplyTo.CLUSTER]: 'cluster',
  [ApplyTo.EXTENSION_CONFIG]: undefined,
  [ApplyTo.BOOTSTRAP]: undefined,
};

/** Classes whose match istiod takes no notice of, or takes for one of everything. */
const unread: ReadonlySet<ApplyTo> = new Set([ApplyTo.LISTENER_FILTER, ApplyTo.EXTENSION_CONFIG, ApplyTo.BOOTSTRAP]);

/**
 * Reports a match that is not of what the patch applies to (istio: ValidateEnvoyFilter), and, as warnings, what is certain to match nothing
 * or to be without effect.
 */
export function checkMatch(applyTo: ApplyTo, operation: Operation, match: Match, path: string, report: Report): void {
  const at = `${path}.match`;
  const wanted = matchOf[applyTo];
  for (const kind of ['listener', 'routeConfiguration', 'cluster'] as const) {
    if (!match[kind] || kind === wanted) continue;
    if (unread.has(applyTo)) report.warning(`${at}.${kind}`, 'it has no effect on what the patch applies to');
    else report.error(`${at}.${kind}`, `what it applies to is matched by ${wanted}`);
  }
  if (wanted === 'listener') checkListener(applyTo, operation, match, at, report);
  else if (wanted === 'routeConfiguration' && match.routeConfiguration)
    checkRoutes(match.routeConfiguration, match.context ?? Context.ANY, `${at}.routeConfiguration`, report);
  else if (wanted === 'cluster' && match.cluster) checkCluster(match.cluster, `${at}.cluster`, report);
}

const nothing = 'it matches nothing';

function checkPortNumber(port: number | undefined, path: string, report: Report): void {
  if (port !== undefined && port > 65535) report.warning(path, `${nothing}: ports end at 65535`);
}

/** Operations that do nothing to filters where the match names none. */
const needName: readonly Operation[] = [Operation.REPLACE, Operation.REMOVE];

/** Whether a match says which of the filters it is about that a patch applies to. */
function namesFilter(applyTo: ApplyTo, { listener }: Match): boolean {
  if (applyTo === ApplyTo.LISTENER_FILTER) return Boolean(listener?.listenerFilter);
  const filter = listener?.filterChain?.filter;
  return applyTo === ApplyTo.HTTP_FILTER ? filter?.subFilter !== undefined : filter !== undefined;
}

const ofFilters: readonly ApplyTo[] = [ApplyTo.LISTENER_FILTER, ApplyTo.NETWORK_FILTER, ApplyTo.HTTP_FILTER];

function checkListener(applyTo: ApplyTo, operation: Operation, match: Match, path: string, report: Report): void {
  const nameless = applyTo === ApplyTo.LISTENER_FILTER ? [...needName, Operation.MERGE] : needName;
  if (ofFilters.includes(applyTo) && nameless.includes(operation) && !namesFilter(applyTo, match)) {
    report.warning(path, 'it names no filter, and the operation does nothing without');
  }
  const { listener, context = Context.ANY } = match;
  if (!listener) return;
  const at = `${path}.listener`;
  checkPortNumber(listener.portNumber, `${at}.portNumber`, report);
  const direction = virtualListeners[listener.name ?? ''];
  if (direction !== undefined && context !== Context.ANY && context !== direction) {
    report.warning(`${at}.name`, `${nothing}: ${listener.name} is not in the context of the patch`);
  }
  if (listener.listenerFilter && applyTo !== ApplyTo.LISTENER_FILTER) {
    report.warning(`${at}.listenerFilter`, 'it has no effect on what the patch applies to');
  }
  if (listener.listenerFilter) checkName(listener.listenerFilter, 'listener', `${at}.listenerFilter`, report);
  if (listener.filterChain) checkChain(applyTo, listener.filterChain, `${at}.filterChain`, report);
}

const virtualListeners: Readonly<Record<string, Context>> = {
  virtualInbound: Context.SIDECAR_INBOUND,
  virtualOutbound: Context.SIDECAR_OUTBOUND,
};

type ChainMatch = NonNullable<ListenerMatch['filterChain']>;

function checkChain(applyTo: ApplyTo, chain: ChainMatch, path: string, report: Report): void {
  if (applyTo === ApplyTo.LISTENER || applyTo === ApplyTo.LISTENER_FILTER) {
    report.warning(path, 'it has no effect on what the patch applies to');
  }
  checkPortNumber(chain.destinationPort, `${path}.destinationPort`, report);
  if (/^\s|\s$|\s*,\s+|\s+,/.test(chain.applicationProtocols ?? '')) {
    report.warning(`${path}.applicationProtocols`, `${nothing}: names are separated by a comma alone`);
  }
  if (chain.filter) checkFilter(applyTo, chain.filter, `${path}.filter`, report);
}

function checkFilter(applyTo: ApplyTo, filter: FilterMatch, path: string, report: Report): void {
  if (applyTo === ApplyTo.FILTER_CHAIN) report.warning(path, 'it has no effect for a filter chain');
  if (!filter.name) report.error(`${path}.name`, 'a filter is matched by its name');
  else checkName(filter.name, 'network', `${path}.name`, report);
  const inner = filter.subFilter;
  if (!inner) return;
  if (applyTo !== ApplyTo.HTTP_FILTER) report.error(`${path}.subFilter`, 'it is for HTTP_FILTER only');
  else if (!/^envoy\.(?:filters\.network\.)?http_connection_manager$/.test(filter.name ?? '')) {
    report.error(`${path}.name`, 'a subFilter is within envoy.filters.network.http_connection_manager');
  }
  if (!inner.name) report.error(`${path}.subFilter.name`, 'a filter is matched by its name');
  else checkName(inner.name, 'http', `${path}.subFilter.name`, report);
}

/** Filters are matched by the names that they have in the configuration, which are today's. */
function checkName(name: string, kind: 'http' | 'network' | 'listener', path: string, report: Report): void {
  const current = currentFilterName(name, kind);
  if (current) report.warning(path, `using deprecated filter name "${name}"; use "${current}" instead`);
  const other = /^envoy\.filters\.(http|network|listener)\./.exec(name)?.[1];
  if (other && other !== kind) report.warning(path, `${nothing}: it is the name of a filter of another kind`);
}

function checkRoutes(match: RouteConfigurationMatch, context: Context, path: string, report: Report): void {
  checkPortNumber(match.portNumber, `${path}.portNumber`, report);
  const ofGateway = context === Context.GATEWAY;
  const ofSidecar = context === Context.SIDECAR_INBOUND || context === Context.SIDECAR_OUTBOUND;
  const gatewayName = /^https?\./.test(match.name ?? '');
  if ((match.name && ofGateway && !gatewayName) || (ofSidecar && gatewayName)) {
    report.warning(
      `${path}.name`,
      `${nothing}: gateways, and only they, have routes of names like http.8080 and https.443.https.my-gateway.default`,
    );
  }
  if (match.gateway && !/^[^/]+\/[^/]+$/.test(match.gateway)) {
    report.warning(`${path}.gateway`, `${nothing}: a gateway is namespace/name`);
  }
  for (const field of ['portName', 'gateway'] as const)
    if (match[field] && ofSidecar) report.warning(`${path}.${field}`, 'it has no effect for sidecars');
}

function checkCluster(match: ClusterMatch, path: string, report: Report): void {
  checkPortNumber(match.portNumber, `${path}.portNumber`, report);
  if (!match.name) return;
  for (const field of ['portNumber', 'service', 'subset'] as const)
    if (match[field]) report.warning(`${path}.${field}`, 'it has no effect beside a name');
}
