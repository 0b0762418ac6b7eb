import { onlyItem } from '../../../lists.ts';
import type {
  FilterChain,
  ListenerFilter,
  ListenerFilterChainMatchPredicate,
} from '../../../proto/generated/envoy/config/listener/v3.ts';
import { HTTP_INSPECTOR, ORIGINAL_DESTINATION, ORIGINAL_SOURCE, TLS_INSPECTOR } from '../../filters/well-known.ts';

interface Need {
  readonly tls: boolean;
  readonly http: boolean;
}

/** A predicate that holds on these ports and no others. */
function onPorts(ports: readonly number[]): ListenerFilterChainMatchPredicate {
  const rules = [...ports]
    .sort((a, b) => a - b)
    .map((port): ListenerFilterChainMatchPredicate => ({ destination_port_range: { start: port, end: port + 1 } }));
  return onlyItem(rules) ?? { or_match: { rules } };
}

/** What each destination port (0: every port without chains of its own) has to inspect. */
function needsOf(chains: readonly FilterChain[]): ReadonlyMap<number, Need> {
  const needs = new Map<number, Need>();
  for (const { filter_chain_match: match } of chains) {
    const port = match?.destination_port?.value ?? 0;
    const known = needs.get(port) ?? { tls: false, http: false };
    const alpn = match?.application_protocols ?? [];
    needs.set(port, {
      tls: known.tls || match?.transport_protocol === 'tls',
      http: known.http || alpn.includes('http/1.1') || alpn.includes('h2c'),
    });
  }
  return needs;
}

function tlsInspector(needs: ReadonlyMap<number, Need>): ListenerFilter {
  const named = [...needs].filter(([port]) => port !== 0);
  if (needs.get(0)?.tls) {
    const without = named.filter(([, n]) => !n.tls).map(([port]) => port);
    return without.length === 0 ? TLS_INSPECTOR : { ...TLS_INSPECTOR, filter_disabled: onPorts(without) };
  }
  const within = named.filter(([, n]) => n.tls).map(([port]) => port);
  return within.length === 0 ? TLS_INSPECTOR : { ...TLS_INSPECTOR, filter_disabled: { not_match: onPorts(within) } };
}

function httpInspector(needs: ReadonlyMap<number, Need>): ListenerFilter {
  const without = [...needs].filter(([, n]) => !n.http).map(([port]) => port);
  return without.length === 0 ? HTTP_INSPECTOR : { ...HTTP_INSPECTOR, filter_disabled: onPorts(without) };
}

/**
 * The listener filters of an inbound listener. Inspectors wait for the client's first bytes, so they are left out on ports whose chains do
 * not ask for what they find (istio: populateListenerFilters).
 */
export function inboundListenerFilters(
  chains: readonly FilterChain[],
  options: { readonly redirected: boolean; readonly transparent: boolean },
): readonly ListenerFilter[] {
  const needs = needsOf(chains);
  const any = (read: (n: Need) => boolean) => [...needs.values()].some(read);
  return [
    ...(options.redirected ? [ORIGINAL_DESTINATION] : []),
    ...(options.redirected && options.transparent ? [ORIGINAL_SOURCE] : []),
    ...(any(n => n.tls) ? [tlsInspector(needs)] : []),
    // After TLS: what is TLS is not looked at again.
    ...(any(n => n.http) ? [httpInspector(needs)] : []),
  ];
}
