import type { Protocol } from '../../../istio/protocol.ts';
import { isHttp, isTcp } from '../../../istio/protocol.ts';

/** What a Service port does to a listener that others have made before it. */
export type Effect = 'create' | 'merge' | 'ignore';

/** How a listener takes a port of a protocol (istio: ListenerProtocol). */
export const listenerProtocol = (p: Protocol): 'http' | 'tcp' | 'auto' | 'none' =>
  p === 'UDP' ? 'none' : isHttp(p) ? 'http' : isTcp(p) ? 'tcp' : 'auto';

const serverSpeaksFirst = (p: Protocol): boolean => p === 'Mongo' || p === 'MySQL';

/**
 * What the arrival of a port of protocol `incoming` means for a listener that so far has `existing` (undefined: there is none), and what
 * the listener's protocol is then. HTTP and TCP on one address are told apart by sniffing; HTTP Services share a chain; the oldest
 * Service wins equal conditions (istio: buildSidecarOutboundListener).
 */
export function conflict(
  existing: Protocol | undefined,
  incoming: Protocol,
  onWildcard: boolean,
): { readonly effect: Effect; readonly protocol: Protocol } {
  const kind = listenerProtocol(incoming);
  const ignored = { effect: 'ignore', protocol: existing ?? incoming } as const;
  if (kind === 'none') return ignored;
  // An HTTP proxy's port takes the place of whatever was there.
  if (incoming === 'HTTP_PROXY') return { effect: 'create', protocol: incoming };
  if (existing === undefined) {
    return { effect: 'create', protocol: kind === 'http' && onWildcard ? 'Unsupported' : incoming };
  }
  const before = isHttp(existing) ? 'http' : isTcp(existing) ? 'tcp' : 'auto';
  if (kind === 'http' && before !== 'tcp') return ignored;
  if (kind === 'auto' && before === 'auto') return ignored;
  // Inspectors wait for the client, which breaks protocols where the server speaks first.
  if ((serverSpeaksFirst(incoming) || serverSpeaksFirst(existing)) && incoming !== existing) return ignored;
  if (kind === 'auto' && before === 'http') return { effect: 'create', protocol: incoming };
  if (kind === 'tcp' && before !== 'http') return { effect: 'merge', protocol: existing };
  return { effect: 'merge', protocol: 'Unsupported' };
}
