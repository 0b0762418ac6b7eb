import { memo } from '../../../memo.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import type { ObjectKey } from '../../../object-key.ts';
import type { Listener } from '../../../proto/generated/envoy/config/listener/v3.ts';
import { uint32 } from '../../../proto/wellknown.ts';
import { type ListenerResource, resource } from '../../resource.ts';

/** Connections that a process of the proxy itself accepts are taken one at a time, so that workers share them. */
export const ONE_AT_A_TIME = uint32(1);

/** Whether every worker gets as many connections as the others: the Node's metadata may ask for it. */
export const connectionBalance = (
  { options }: Traits,
  direction: 'INBOUND' | 'OUTBOUND',
): Listener['connection_balance_config'] =>
  options[`${direction}_LISTENER_EXACT_BALANCE`] === 'true' ? { exact_balance: {} } : undefined;

/** One value for a message and its sources, so that an unchanged listener is an unchanged resource. */
export const listenerResource = memo(
  (message: Listener, ...sources: readonly ObjectKey[]): ListenerResource =>
    resource('envoy.config.listener.v3.Listener', message.name ?? '', message, sources),
);
