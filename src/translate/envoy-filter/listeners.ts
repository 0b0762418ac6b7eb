import { memo } from '../../memo.ts';
import { TrafficDirection } from '../../proto/generated/envoy/config/core/v3.ts';
import type { Listener } from '../../proto/generated/envoy/config/listener/v3.ts';
import type { ListenerResource } from '../resource.ts';
import { type PatchedList, type PatchedParts, patchedList, patchedResource, withAdditions } from './list.ts';
import { patchListener } from './listener.ts';
import { listenerFaults } from './listener-faults.ts';
import { fail, patchLog } from './outcome.ts';
import { addingIn, type Patch } from './patch.ts';
import type { ContextPatches } from './patch-set.ts';

const LISTENER = 'envoy.config.listener.v3.Listener';

/** The address that a listener is for; undefined where it has none that another could have. */
function addressOf({ address }: Listener): string | undefined {
  const at = address?.socket_address;
  if (!at) return address?.pipe?.path;
  return at.port_value ? `${at.protocol ?? 0} ${at.address}:${at.port_value}` : undefined;
}

/** Envoy refuses a second listener on an address, bound or not: the EnvoyFilter that brings one is not in force. */
function withoutDoubles(made: PatchedParts<Listener>, adding: readonly Patch<Listener>[]): PatchedParts<Listener> {
  if (!adding.length || made.failures.length) return made;
  const log = patchLog();
  const taken = new Set<string>();
  for (const { name, message } of made.parts.flat()) {
    const at = addressOf(message);
    if (at === undefined) continue;
    const patch = taken.has(at) ? adding.find(({ value }) => value === message) : undefined;
    if (patch) fail(log, patch, `the listener ${name} is on the address of another one`);
    taken.add(at);
  }
  return log.failures.length ? { ...made, failures: log.failures } : made;
}

const patchedListeners = memo(
  (list: readonly ListenerResource[], contexts: readonly ContextPatches[]): PatchedList<Listener> => {
    const [first, inbound] = contexts;
    return patchedList(list, resource => {
      const isInbound = resource.message.traffic_direction === TrafficDirection.INBOUND;
      const context = inbound && isInbound ? inbound : first;
      return context
        ? patchedResource(LISTENER, resource, patchListener(resource.message, context.listeners))
        : { resource, failures: [] };
    });
  },
);

/** The listeners of a proxy after its patches. */
export function patchListeners(
  parts: readonly (readonly ListenerResource[])[],
  contexts: readonly ContextPatches[],
): PatchedParts<Listener> {
  const patched = parts.map(list => patchedListeners(list, contexts));
  const adding = contexts.flatMap(({ context, listeners }) => addingIn(context, listeners.listeners));
  return withoutDoubles(withAdditions(LISTENER, patched, adding, listenerFaults), adding);
}
