import type { Problem } from '../../config/problem.ts';
import { canonicalAddress } from '../../istio/ip-families.ts';
import type { Listener } from '../../proto/generated/envoy/config/listener/v3.ts';
import type { ListenerResource, Translated } from '../resource.ts';

/** The addresses of a listener, as text. */
const addressesOf = ({ address, additional_addresses = [] }: Listener): readonly string[] =>
  [address, ...additional_addresses.map(more => more.address)].flatMap(one => {
    const { socket_address: socket, pipe } = one ?? {};
    if (socket) return [`${socket.protocol ?? 0} ${canonicalAddress(socket.address ?? '')}:${socket.port_value}`];
    return pipe?.path ? [pipe.path] : [];
  });

/**
 * Listeners, each address once: Envoy refuses a second listener of an address. `first` come first and stay; of the others the earlier one does.
 */
export function distinct(
  first: readonly ListenerResource[],
  others: readonly ListenerResource[],
): { readonly others: readonly ListenerResource[]; readonly problems: Translated<Listener>['problems'] } {
  const taken = new Map<string, string>();
  for (const { name, message } of first) for (const address of addressesOf(message)) taken.set(address, name);
  const problems: Problem[] = [];
  const kept = others.filter(({ name, message, sources }) => {
    const addresses = addressesOf(message);
    const at = addresses.find(address => taken.has(address));
    if (at === undefined) {
      for (const address of addresses) taken.set(address, name);
      return true;
    }
    const [object] = sources;
    const why = `its listener ${name} is left out: the listener ${taken.get(at)} has that address`;
    if (object) problems.push({ object, path: '', message: why, severity: 'error' });
    return false;
  });
  return { others: kept.length === others.length ? others : kept, problems };
}
