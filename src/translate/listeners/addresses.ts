import { canonicalAddress } from '../../istio/ip-families.ts';
import { memo, oneMap } from '../../memo.ts';
import type { Listener } from '../../proto/generated/envoy/config/listener/v3.ts';
import type { ListenerResource, Translated } from '../resource.ts';

/** The addresses of a listener, as text. */
const addressesOf = ({ address, additional_addresses = [] }: Listener): readonly string[] =>
  [address, ...additional_addresses.map(more => more.address)].flatMap(one => {
    const { socket_address: socket, pipe } = one ?? {};
    if (socket) return [`${socket.protocol ?? 0} ${canonicalAddress(socket.address ?? '')}:${socket.port_value}`];
    return pipe?.path ? [pipe.path] : [];
  });

/** The listener that has each of these addresses. */
export const addressesTaken = memo(
  (listeners: readonly ListenerResource[]): ReadonlyMap<string, string> =>
    oneMap(new Map(listeners.flatMap(({ name, message }) => addressesOf(message).map(address => [address, name])))),
);

/** Further listeners, each address once: Envoy refuses a second listener of an address. */
export const othersBeside = memo(
  (
    ofOwn: ReadonlyMap<string, string>,
    planned: Translated<Listener>,
    more: readonly ListenerResource[],
  ): Translated<Listener> => {
    const taken = new Map(ofOwn);
    const problems = [...planned.problems];
    const resources = [...planned.resources, ...more].filter(({ name, message, sources }) => {
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
    return Object.freeze({ resources, problems });
  },
);
