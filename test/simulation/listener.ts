import { typeName } from '../../src/proto/any.ts';
import type {
  FilterChain,
  FilterChainMatch,
  Listener,
  ListenerFilterChainMatchPredicate,
} from '../../src/proto/generated/envoy/config/listener/v3.ts';
import type { Call } from './call.ts';
import { addressInRange } from './cidr.ts';

const socketOf = (listener: Listener): string => {
  const socket = listener.address?.socket_address;
  return `${socket?.address}:${socket?.port_value}`;
};

/** The listener that takes a call: by the original destination where the proxy restores it, by its own address otherwise. */
export function listenerFor(listeners: readonly Listener[], call: Call): Listener | undefined {
  const tcp = listeners.filter(l => l.address?.socket_address && l.address.socket_address.protocol !== 1);
  const at = (address: string): Listener | undefined => tcp.find(l => socketOf(l) === `${address}:${call.port}`);
  const wildcard = call.address.includes(':') ? '::' : '0.0.0.0';
  const byAddress = (): Listener | undefined => at(call.address) ?? at(wildcard);
  if (call.direction === 'gateway') return byAddress();
  if (call.direction === 'inbound') {
    const inbound = tcp.find(l => l.name === 'virtualInbound');
    // Without interception the proxy binds the ports of its own listeners.
    return inbound ?? byAddress();
  }
  const virtual = tcp.find(l => l.use_original_dst?.value === true);
  const found = byAddress();
  return found && found !== virtual ? found : virtual;
}

/** Whether a listener filter leaves connections to a port alone. */
export function isDisabled(predicate: ListenerFilterChainMatchPredicate | undefined, port: number): boolean {
  if (!predicate) return false;
  if (predicate.or_match) return (predicate.or_match.rules ?? []).some(rule => isDisabled(rule, port));
  if (predicate.and_match) return (predicate.and_match.rules ?? []).every(rule => isDisabled(rule, port));
  if (predicate.not_match) return !isDisabled(predicate.not_match, port);
  if (predicate.destination_port_range)
    return port >= (predicate.destination_port_range.start ?? 0) && port < (predicate.destination_port_range.end ?? 0);
  return predicate.any_match ?? false;
}

/** What the listener's inspectors find out about a connection. */
export interface Inspected {
  readonly transport: string;
  readonly applications: readonly string[];
  readonly serverName: string;
}

/** Reads a connection with the inspectors that the listener has for the call's port. */
export function inspect(listener: Listener, call: Call): Inspected {
  const has = (inspector: string): boolean =>
    (listener.listener_filters ?? []).some(
      f =>
        typeName(f.typed_config?.type_url ?? '').includes(`.${inspector}.`) &&
        !isDisabled(f.filter_disabled, call.port),
    );
  if (call.tls)
    return has('tls_inspector')
      ? { transport: 'tls', applications: call.tls.alpn ?? [], serverName: call.tls.sni ?? '' }
      : { transport: 'raw_buffer', applications: [], serverName: '' };
  const http = (call.protocol ?? 'http') === 'http' && has('http_inspector');
  return { transport: 'raw_buffer', applications: http ? ['http/1.1'] : [], serverName: '' };
}

/** A criterion of a chain match: how well (higher is better) a match fits, and undefined where it does not. 0: it does not ask. */
type Criterion = (match: FilterChainMatch) => number | undefined;

const asked = (isAsked: boolean, fits: boolean): number | undefined => (isAsked ? (fits ? 1 : undefined) : 0);

function bestRange(ranges: FilterChainMatch['prefix_ranges'], address: string): number | undefined {
  if (!ranges?.length) return 0;
  const fitting = ranges.filter(range => addressInRange(address, range)).map(r => 1 + (r.prefix_len?.value ?? 0));
  return fitting.length > 0 ? Math.max(...fitting) : undefined;
}

function bestServerName(names: readonly string[] | undefined, name: string): number | undefined {
  if (!names?.length) return 0;
  const fits = names.flatMap(pattern => {
    if (pattern === name) return [10_000];
    return pattern.startsWith('*.') && name.endsWith(pattern.slice(1)) ? [pattern.length] : [];
  });
  return fits.length > 0 ? Math.max(...fits) : undefined;
}

/** Envoy's order of criteria: after each only the best fitting chains stay, and there is no way back. */
const criteria = (call: Call, seen: Inspected): readonly Criterion[] => [
  match => asked(match.destination_port !== undefined, match.destination_port?.value === call.port),
  match => bestRange(match.prefix_ranges, call.address),
  match => bestServerName(match.server_names, seen.serverName),
  match => asked(Boolean(match.transport_protocol), match.transport_protocol === seen.transport),
  match => {
    const wanted = match.application_protocols ?? [];
    return asked(
      wanted.length > 0,
      seen.applications.some(protocol => wanted.includes(protocol)),
    );
  },
  match => bestRange(match.direct_source_prefix_ranges, call.source ?? '127.0.0.1'),
  match => asked(Boolean(match.source_type), false),
  match => bestRange(match.source_prefix_ranges, call.source ?? '127.0.0.1'),
  match => asked((match.source_ports ?? []).length > 0, false),
];

/** The filter chain that takes a call; undefined where the connection is closed. */
export function chainFor(listener: Listener, call: Call): FilterChain | undefined {
  let chains = listener.filter_chains ?? [];
  for (const criterion of criteria(call, inspect(listener, call))) {
    const fits = chains.flatMap(chain => {
      const fit = criterion(chain.filter_chain_match ?? {});
      return fit === undefined ? [] : [{ chain, fit }];
    });
    const best = Math.max(0, ...fits.map(({ fit }) => fit));
    chains = fits.filter(({ fit }) => fit === best).map(({ chain }) => chain);
  }
  return chains[0] ?? listener.default_filter_chain;
}
