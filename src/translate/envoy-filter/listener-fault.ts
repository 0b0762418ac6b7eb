import { typeName } from '../../proto/any.ts';
import type { Filter, FilterChain, Listener } from '../../proto/generated/envoy/config/listener/v3.ts';
import { encode } from '../../proto/message.ts';
import type { FilterConfig } from './filter-config.ts';
import { connectionManager } from './network-filter.ts';
import { routesFault } from './routes-fault.ts';

const NETWORK = 'envoy.extensions.filters.network.';
const HTTP = 'envoy.extensions.filters.http.';
const ROUTER = `${HTTP}router.v3.Router`;

/** Network filters that end a chain, always. */
const terminal: ReadonlySet<string> = new Set(
  [
    'direct_response.v3.Config',
    'dubbo_proxy.v3.DubboProxy',
    'echo.v3.Echo',
    'generic_proxy.v3.GenericProxy',
    'http_connection_manager.v3.HttpConnectionManager',
    'redis_proxy.v3.RedisProxy',
    'tcp_proxy.v3.TcpProxy',
    'thrift_proxy.v3.ThriftProxy',
  ].map(name => NETWORK + name),
);

/** Network filters that never end a chain. */
const passing: ReadonlySet<string> = new Set(
  [
    'connection_limit.v3.ConnectionLimit',
    'ext_authz.v3.ExtAuthz',
    'local_ratelimit.v3.LocalRateLimit',
    'ratelimit.v3.RateLimit',
    'rbac.v3.RBAC',
    'set_filter_state.v3.Config',
    'sni_cluster.v3.SniCluster',
  ].map(name => NETWORK + name),
);

/** HTTP filters that may end a chain, by what they are told. */
const mayEnd: ReadonlySet<string> = new Set(['dynamic_modules', 'composite'].map(name => HTTP + name));

const typeOf = ({ typed_config: config }: FilterConfig): string => typeName(config?.type_url ?? '');
const packageOf = (type: string): string => type.replace(/\.v\d\w*\.\w+$/, '');

type Discovered = FilterConfig & { readonly config_discovery?: unknown };

function unconfigured(filters: readonly Discovered[]): string | undefined {
  const filter = filters.find(f => !f.typed_config && !f.config_discovery);
  return filter && `the filter ${filter.name || 'without a name'} has neither a typed_config nor a config_discovery`;
}

function httpFault(filter: Filter): string | undefined {
  const manager = connectionManager(filter);
  if (!manager) return undefined;
  const filters = manager.http_filters ?? [];
  const fault = unconfigured(filters);
  if (fault) return fault;
  const last = filters.at(-1);
  const early = filters.find(f => f !== last && typeOf(f) === ROUTER);
  if (early)
    return `the HTTP filter ${early.name ?? ''} ends the chain and has to be the last, not before ${last?.name ?? ''}`;
  const type = last ? typeOf(last) : '';
  if (type.startsWith(HTTP) && type !== ROUTER && !mayEnd.has(packageOf(type)))
    return `the HTTP filter ${last?.name ?? ''} cannot be the last: the router has to follow`;
  return manager.route_config && routesFault(manager.route_config);
}

function chainFault({ filters = [] }: FilterChain): string | undefined {
  const fault = unconfigured(filters);
  if (fault) return fault;
  const last = filters.at(-1);
  const early = filters.find(f => f !== last && terminal.has(typeOf(f)));
  if (early)
    return `the filter ${early.name ?? ''} ends the chain and has to be the last, not before ${last?.name ?? ''}`;
  if (last && passing.has(typeOf(last))) return `the filter ${last.name ?? ''} cannot be the last of a chain`;
  for (const filter of filters) {
    const inside = httpFault(filter);
    if (inside) return inside;
  }
  return undefined;
}

function doubledMatch(chains: readonly FilterChain[]): string | undefined {
  const seen = new Set<string>();
  for (const { name = '', filter_chain_match: match = {} } of chains) {
    const text = encode('envoy.config.listener.v3.FilterChainMatch', match).toString('base64');
    if (seen.has(text)) return `the filter chain ${name || 'without a name'} has the same match as another one`;
    seen.add(text);
  }
  return undefined;
}

/** Why Envoy would reject a listener, as far as its chains and filters tell; undefined where they do not. */
export function listenerFault(listener: Listener): string | undefined {
  const { name, address, filter_chains: chains = [], default_filter_chain: last } = listener;
  if (!name) return 'a listener needs a name';
  if (listener.api_listener || listener.udp_listener_config) return undefined;
  if (!address && !listener.internal_listener) return 'a listener needs an address';
  if (!chains.length && !last) return `the listener ${name} has no filter chain`;
  if (!listener.filter_chain_matcher) {
    const doubled = doubledMatch(chains);
    if (doubled) return doubled;
  }
  const unset = unconfigured(listener.listener_filters ?? []);
  if (unset) return unset;
  for (const chain of last ? [...chains, last] : chains) {
    const fault = chainFault(chain);
    if (fault) return `in the filter chain ${chain.name || 'without a name'}: ${fault}`;
  }
  return undefined;
}
