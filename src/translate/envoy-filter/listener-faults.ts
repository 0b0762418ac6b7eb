import { typeName } from '../../proto/any.ts';
import type { Filter, FilterChain, Listener } from '../../proto/generated/envoy/config/listener/v3.ts';
import { encode } from '../../proto/message.ts';
import { connectionManager } from './network-filter.ts';
import { routesFaults } from './routes-faults.ts';
import { ruleFaults } from './rule-faults.ts';
import type { TypedConfig } from './typed-config.ts';

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

const typeOf = ({ typed_config: config }: TypedConfig): string => typeName(config?.type_url ?? '');
const packageOf = (type: string): string => type.replace(/\.v\d\w*\.\w+$/, '');

type Discovered = TypedConfig & { readonly config_discovery?: unknown };

function* unconfigured(filters: readonly Discovered[]): Iterable<string> {
  for (const { name, typed_config, config_discovery } of filters)
    if (!typed_config && !config_discovery)
      yield `the filter ${name || 'without a name'} has neither a typed_config nor a config_discovery`;
}

/** Filters that end a chain and are not its last. */
function* early(filters: readonly Discovered[], ends: (type: string) => boolean): Iterable<string> {
  const last = filters.at(-1);
  for (const filter of filters)
    if (filter !== last && ends(typeOf(filter)))
      yield `the filter ${filter.name ?? ''} ends the chain and has to be the last, not before ${last?.name ?? ''}`;
}

function* httpFaults(filter: Filter): Iterable<string> {
  const manager = connectionManager(filter);
  if (!manager) return;
  const filters = manager.http_filters ?? [];
  yield* unconfigured(filters);
  yield* early(filters, type => type === ROUTER);
  const last = filters.at(-1);
  const type = last ? typeOf(last) : '';
  if (type.startsWith(HTTP) && type !== ROUTER && !mayEnd.has(packageOf(type)))
    yield `the HTTP filter ${last?.name ?? ''} cannot be the last: the router has to follow`;
  if (manager.route_config) yield* routesFaults(manager.route_config);
}

function* chainFaults({ filters = [] }: FilterChain): Iterable<string> {
  yield* unconfigured(filters);
  yield* early(filters, type => terminal.has(type));
  const last = filters.at(-1);
  if (last && passing.has(typeOf(last))) yield `the filter ${last.name ?? ''} cannot be the last of a chain`;
  for (const filter of filters) yield* httpFaults(filter);
}

function* doubledMatches(chains: readonly FilterChain[]): Iterable<string> {
  const seen = new Set<string>();
  for (const { name = '', filter_chain_match: match = {} } of chains) {
    const text = encode('envoy.config.listener.v3.FilterChainMatch', match).toString('base64');
    if (seen.has(text)) yield `the filter chain ${name || 'without a name'} has the same match as another one`;
    seen.add(text);
  }
}

/** What Envoy would reject a listener for. */
export function* listenerFaults(listener: Listener): Iterable<string> {
  yield* structureFaults(listener);
  yield* ruleFaults('envoy.config.listener.v3.Listener', listener);
}

function* structureFaults(listener: Listener): Iterable<string> {
  const { name, address, filter_chains: chains = [], default_filter_chain: last } = listener;
  if (!name) yield 'a listener needs a name';
  if (listener.api_listener || listener.udp_listener_config) return;
  if (!address && !listener.internal_listener) yield 'a listener needs an address';
  if (!chains.length && !last) yield `the listener ${name} has no filter chain`;
  if (!listener.filter_chain_matcher) yield* doubledMatches(chains);
  yield* unconfigured(listener.listener_filters ?? []);
  for (const chain of last ? [...chains, last] : chains)
    for (const fault of chainFaults(chain)) yield `in the filter chain ${chain.name || 'without a name'}: ${fault}`;
}
