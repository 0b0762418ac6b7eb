import type { Filter, FilterChain, Listener, ListenerFilter } from '../../proto/generated/envoy/config/listener/v3.ts';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import { VIRTUAL_INBOUND_LISTENER, VIRTUAL_OUTBOUND_LISTENER } from '../names.ts';
import type { Patch } from './patch.ts';

const isVirtual = ({ name }: Listener): boolean =>
  name === VIRTUAL_INBOUND_LISTENER || name === VIRTUAL_OUTBOUND_LISTENER;

/** Whether a patch of something within listeners is for this one. The ports of the virtual listeners are those of their chains. */
export const matchesWithin = (listener: Listener, patch: Patch): boolean => {
  const wanted = patch.match.listener;
  if (!wanted?.name || wanted.name === listener.name) return isVirtual(listener) || matchesPort(listener, patch);
  return false;
};

const matchesPort = ({ address }: Listener, { match }: Patch): boolean =>
  !match.listener?.portNumber || address?.socket_address?.port_value === match.listener.portNumber;

/** Whether a patch of listeners is for this one. */
export const matchesListener = (listener: Listener, patch: Patch): boolean =>
  (!patch.match.listener?.name || patch.match.listener.name === listener.name) && matchesPort(listener, patch);

/** Whether a patch that is for a listener is for this chain of it. */
export function matchesChain(listener: Listener, chain: FilterChain, { match }: Patch): boolean {
  const { filterChain: wanted, portNumber } = match.listener ?? {};
  const own = chain.filter_chain_match;
  const port = own?.destination_port?.value;
  if (isVirtual(listener) && portNumber && port !== portNumber) return false;
  if (!wanted) return true;
  const protocols = wanted.applicationProtocols ? wanted.applicationProtocols.split(',') : [];
  return (
    (!wanted.name || wanted.name === chain.name) &&
    (!wanted.sni || (own?.server_names?.includes(wanted.sni) ?? false)) &&
    (!wanted.transportProtocol || wanted.transportProtocol === own?.transport_protocol) &&
    protocols.every(protocol => own?.application_protocols?.includes(protocol) ?? false) &&
    (!wanted.destinationPort || wanted.destinationPort === port)
  );
}

/** Whether a patch says which listener filter it is about. */
export const choosesListenerFilter = ({ match }: Patch): boolean => Boolean(match.listener?.listenerFilter);

/** Whether a patch is about this listener filter. */
export const matchesListenerFilter = ({ name = '' }: ListenerFilter, { match }: Patch): boolean =>
  name === match.listener?.listenerFilter;

/** Whether a patch says which network filter it is about. */
export const choosesFilter = ({ match }: Patch): boolean => match.listener?.filterChain?.filter !== undefined;

/** Whether a patch is about this network filter. */
export const matchesFilter = ({ name }: Filter, patch: Patch): boolean =>
  !choosesFilter(patch) || (patch.match.listener?.filterChain?.filter?.name ?? '') === (name ?? '');

/** Whether a patch says which HTTP filter it is about. */
export const choosesHttpFilter = ({ match }: Patch): boolean =>
  match.listener?.filterChain?.filter?.subFilter !== undefined;

/** Whether a patch is about this HTTP filter. */
export const matchesHttpFilter = ({ name }: HttpFilter, patch: Patch): boolean =>
  !choosesHttpFilter(patch) || (patch.match.listener?.filterChain?.filter?.subFilter?.name ?? '') === (name ?? '');
