import type { FilterChain, FilterChainMatch, Listener } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import { duplicates } from './duplicates.ts';

/** Addresses that two listeners have. */
export function addressFindings(listeners: readonly Listener[]): readonly string[] {
  const addresses = listeners.flatMap(listener =>
    [listener.address, ...(listener.additional_addresses ?? []).map(a => a.address)].flatMap(address => {
      const socket = address?.socket_address;
      return socket ? [`${socket.protocol === 1 ? 'udp' : 'tcp'} ${socket.address}:${socket.port_value}`] : [];
    }),
  );
  return duplicates(addresses).map(address => `two listeners have the address ${address}`);
}

/** {@link addressFindings}, and {@link chainFindings} of each. */
export const listenerFindings = (listeners: readonly Listener[]): readonly string[] => [
  ...addressFindings(listeners),
  ...listeners.flatMap(chainFindings),
];

/** Filter chain matches that Envoy would refuse as ambiguous, and filters that it would not take. */
export function chainFindings(listener: Listener): readonly string[] {
  const chains = listener.filter_chains ?? [];
  const criteria = chains.flatMap(chain => matchCriteria(chain.filter_chain_match));
  return [
    ...duplicates(criteria).map(text => `two filter chains match ${text}`),
    ...[...chains, ...(listener.default_filter_chain ? [listener.default_filter_chain] : [])].flatMap(chain =>
      filterFindings(chain),
    ),
  ];
}

const anyOf = (values: readonly string[] | undefined): readonly string[] => (values?.length ? values : ['*']);

/** One text for each combination of criteria that a match stands for: Envoy refuses two chains that share one. */
export function matchCriteria(match: FilterChainMatch = {}): readonly string[] {
  const range = (r: {
    readonly address_prefix?: string | undefined;
    readonly prefix_len?: { readonly value?: number | undefined } | undefined;
  }): string => `${r.address_prefix}/${r.prefix_len?.value ?? 0}`;
  const parts: readonly (readonly [string, readonly string[]])[] = [
    ['port', anyOf(match.destination_port ? [String(match.destination_port.value)] : [])],
    ['address', anyOf(match.prefix_ranges?.map(range))],
    ['server name', anyOf(match.server_names)],
    ['transport', anyOf(match.transport_protocol ? [match.transport_protocol] : [])],
    ['application', anyOf(match.application_protocols)],
    ['direct source', anyOf(match.direct_source_prefix_ranges?.map(range))],
    ['source type', anyOf(match.source_type ? [String(match.source_type)] : [])],
    ['source', anyOf(match.source_prefix_ranges?.map(range))],
    ['source port', anyOf(match.source_ports?.map(String))],
  ];
  let texts = [''];
  for (const [what, values] of parts)
    texts = texts.flatMap(text => values.map(value => (value === '*' ? text : `${text} ${what} ${value}`)));
  return texts.map(text => text.trim());
}

const terminal = [
  'envoy.filters.network.http_connection_manager',
  'envoy.filters.network.tcp_proxy',
  'envoy.filters.network.redis_proxy',
  'envoy.filters.network.direct_response',
  'envoy.filters.network.echo',
  'envoy.filters.network.thrift_proxy',
];

function filterFindings(chain: FilterChain): readonly string[] {
  const names = (chain.filters ?? []).map(f => f.typed_config?.type_url ?? '');
  const ends = names.map(url =>
    terminal.some(t => url.includes(t.replace('envoy.filters', 'envoy.extensions.filters'))),
  );
  if (names.length === 0) return [`filter chain '${chain.name ?? ''}' has no filter`];
  return ends.indexOf(true) === names.length - 1
    ? []
    : [`filter chain '${chain.name ?? ''}' must have exactly one terminal filter, as its last`];
}
