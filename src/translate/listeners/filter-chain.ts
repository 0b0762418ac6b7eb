import { isPartialWildcard } from '../../config/host.ts';
import type { Metadata, TransportSocket } from '../../proto/generated/envoy/config/core/v3.ts';
import type { Filter, FilterChain, FilterChainMatch } from '../../proto/generated/envoy/config/listener/v3.ts';
import { seconds } from '../../proto/wellknown.ts';
import { cidrRange, network } from './cidr.ts';

/** A filter chain of an outbound or gateway listener before it is one of several: what it matches, and its filters (istio: filterChainOpts). */
export interface ChainSpec {
  readonly sniHosts: readonly string[];
  readonly cidrs: readonly string[];
  readonly applicationProtocols: readonly string[];
  readonly transportProtocol: string;
  readonly filters: readonly Filter[];
  readonly metadata?: Metadata | undefined;
  readonly tls?: TransportSocket | undefined;
}

/** What the HTTP inspector finds on plaintext connections. */
export const PLAINTEXT_HTTP_ALPN: readonly string[] = ['http/1.1', 'h2c'];
/** What Istio's clients offer for HTTP within mutual TLS. */
export const MTLS_HTTP_ALPN: readonly string[] = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'];
/** What Istio's clients offer for TCP within mutual TLS. */
export const MTLS_TCP_ALPN: readonly string[] = ['istio-peer-exchange', 'istio'];
export const MTLS_ALPN: readonly string[] = [
  'istio',
  'istio-peer-exchange',
  'istio-http/1.0',
  'istio-http/1.1',
  'istio-h2',
];

const UNSPECIFIED = '0.0.0.0';

/** A slow handshake is given up after this, so that half-open ones cannot pile up (PILOT_GATEWAY_TRANSPORT_SOCKET_CONNECT_TIMEOUT). */
const CONNECT_TIMEOUT = seconds(15);

/** A chain with no condition on SNI, protocol or address. */
export const matchesAll = (chain: ChainSpec): boolean =>
  (chain.sniHosts.length === 0 || chain.sniHosts.includes('*')) &&
  chain.applicationProtocols.length === 0 &&
  chain.transportProtocol === '' &&
  chain.cidrs.length === 0;

/** Envoy's match of a chain; undefined where it matches all. */
export function chainMatch(chain: ChainSpec): FilterChainMatch | undefined {
  if (matchesAll(chain)) return undefined;
  const ranges = [...chain.cidrs]
    .sort()
    .map(cidrRange)
    .filter(range => range !== undefined)
    .filter(range => range.address_prefix !== UNSPECIFIED);
  return {
    application_protocols: chain.applicationProtocols,
    transport_protocol: chain.transportProtocol,
    server_names: chain.sniHosts.includes('*') ? [] : [...chain.sniHosts].sort(),
    prefix_ranges: ranges,
  };
}

/** The chain as Envoy has it; `match` where its condition is not its own. */
export const filterChain = (chain: ChainSpec, match: FilterChainMatch | undefined): FilterChain => ({
  filter_chain_match: match,
  filters: chain.filters,
  metadata: chain.metadata,
  transport_socket: chain.tls,
  transport_socket_connect_timeout: CONNECT_TIMEOUT,
});

const networksOf = (chain: ChainSpec): ReadonlyMap<string, string> =>
  new Map(
    chain.cidrs.flatMap(text => {
      const range = cidrRange(text);
      return range && range.address_prefix !== UNSPECIFIED ? [[network(range), text] as const] : [];
    }),
  );

/** The chain with every name and network once, and without names that Envoy cannot match (`*foo.com`); undefined where none is left. */
function sound(chain: ChainSpec): ChainSpec | undefined {
  const names = new Set(chain.sniHosts.filter(name => !isPartialWildcard(name)));
  if (chain.sniHosts.length > 0 && names.size === 0) return undefined;
  const ranges = new Map(chain.cidrs.map(text => [rangeName(text), text]));
  const isSound = names.size === chain.sniHosts.length && ranges.size === chain.cidrs.length;
  return isSound ? chain : { ...chain, sniHosts: [...names], cidrs: [...ranges.values()] };
}

const rangeName = (text: string): string => {
  const range = cidrRange(text);
  return range ? network(range) : text;
};

/**
 * `known` and what is new in `incoming`: Envoy rejects a listener in which two chains match the same connections, so the first one keeps
 * a server name or an address that several ask for.
 */
export function mergeChains(known: readonly ChainSpec[], incoming: readonly ChainSpec[]): readonly ChainSpec[] {
  const taken = new Set<string>();
  const merged: ChainSpec[] = [];
  for (const given of [...known, ...incoming]) {
    const chain = sound(given);
    if (!chain) continue;
    const kind = `${chain.transportProtocol}|${chain.applicationProtocols.join(' ')}`;
    const names = [...new Set(chain.sniHosts.includes('*') ? [] : chain.sniHosts)];
    const networks = networksOf(chain);
    const keys = (name: string): readonly string[] =>
      networks.size > 0 ? [...networks.keys()].map(n => `${kind}|${name}|${n}`) : [`${kind}|${name}|`];
    const isFree = (name: string) => !keys(name).some(key => taken.has(key));
    const free = (names.length > 0 ? names : ['']).filter(isFree);
    if (free.length === names.length && names.length > 0) merged.push(chain);
    else if (names.length > 0 && free.length > 0) merged.push({ ...chain, sniHosts: free });
    else if (names.length === 0) {
      const ranges = [...networks].filter(([n]) => !taken.has(`${kind}||${n}`));
      if (networks.size === 0 ? free.length > 0 : ranges.length === networks.size) merged.push(chain);
      else if (ranges.length > 0) merged.push({ ...chain, cidrs: ranges.map(([, text]) => text) });
    }
    for (const name of names.length > 0 ? names : ['']) for (const key of keys(name)) taken.add(key);
  }
  return merged;
}
