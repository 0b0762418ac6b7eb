import { typeName } from '../../../src/proto/any.ts';
import type {
  FilterChain,
  FilterChainMatch,
  Listener,
  ListenerFilterChainMatchPredicate,
} from '../../../src/proto/generated/envoy/config/listener/v3.ts';
import type { Call } from '../call.ts';
import { addressInRange } from '../match/cidr.ts';

const UDP = 1;

/** Addresses of TCP, or the path of a Unix socket. */
function socketsOf(listener: Listener): readonly string[] {
  const addresses = [listener.address, ...(listener.additional_addresses ?? []).map(more => more.address)];
  return addresses.flatMap(address => {
    if (address?.pipe) return [`unix:${address.pipe.path}`];
    const socket = address?.socket_address;
    return socket && socket.protocol !== UDP ? [`${socket.address}:${socket.port_value}`] : [];
  });
}

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

/** The pod's network leaves alone what goes to loopback, and gateways have no interception. */
const isCaptured = ({ direction, address, captured = true }: Call): boolean =>
  captured && direction !== 'gateway' && !isLoopback(address);

/** The listener that takes a call: by the original destination where the proxy restores it, by its own address otherwise. */
export function listenerFor(listeners: readonly Listener[], call: Call): Listener | undefined {
  const bound = listeners.filter(l => l.bind_to_port?.value !== false);
  const at = (among: readonly Listener[], socket: string): Listener | undefined =>
    among.find(l => socketsOf(l).includes(socket));
  if (call.socket) return at(bound, `unix:${call.socket}`);
  const wildcard = call.address.includes(':') ? '::' : '0.0.0.0';
  const byAddress = (among: readonly Listener[]): Listener | undefined =>
    at(among, `${call.address}:${call.port}`) ?? at(among, `${wildcard}:${call.port}`);
  const comesIn = call.direction === 'inbound';
  const virtual = listeners.find(l => (comesIn ? l.name === 'virtualInbound' : l.use_original_dst?.value === true));
  // Without interception the proxy binds the ports of its own listeners.
  if (!isCaptured(call) || !virtual) return byAddress(bound);
  return comesIn ? virtual : (byAddress(listeners) ?? virtual);
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
