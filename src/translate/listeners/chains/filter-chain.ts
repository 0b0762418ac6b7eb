import { isUnspecified } from '../../../istio/ip-families.ts';
import type { CidrRange, Metadata, TransportSocket } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { Filter, FilterChain, FilterChainMatch } from '../../../proto/generated/envoy/config/listener/v3.ts';
import { seconds } from '../../../proto/wellknown.ts';
import { cidrRange } from '../../cidr.ts';

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

/** A chain of these filters; it takes every connection unless a condition is given. */
export const chainSpec = (part: Pick<ChainSpec, 'filters'> & Partial<ChainSpec>): ChainSpec => ({
  sniHosts: [],
  cidrs: [],
  applicationProtocols: [],
  transportProtocol: '',
  ...part,
});

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

/** A slow handshake is given up after this, so that half-open ones cannot pile up (PILOT_GATEWAY_TRANSPORT_SOCKET_CONNECT_TIMEOUT). */
const CONNECT_TIMEOUT = seconds(15);

/** Whether a range is how users write every address there is: `0.0.0.0/0`, or the unspecified address itself (istio: toFilterChainMatch). */
export const isEverywhere = ({ address_prefix: address = '', prefix_len: length }: CidrRange): boolean =>
  (isUnspecified(address) && length?.value === (address === '::' ? 128 : 32)) ||
  (address === '0.0.0.0' && !length?.value);

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
    .filter(range => !isEverywhere(range));
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
