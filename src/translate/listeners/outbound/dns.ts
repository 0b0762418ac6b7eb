/**
 * DNS for a sidecar without an agent: what iptables captures of it (53, UDP and TCP) comes to 15053, where Istio's agent would answer and Envoy does
 * in its place, from the table that the agent would have.
 */

import type { Problem } from '../../../config/problem.ts';
import type { IpFamilies } from '../../../istio/ip-families.ts';
import { memo, one } from '../../../memo.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import { typed } from '../../../proto/any.ts';
import { SocketAddress_Protocol, TrafficDirection } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { Listener } from '../../../proto/generated/envoy/config/listener/v3.ts';
import type { DnsTable_DnsVirtualDomain } from '../../../proto/generated/envoy/data/dns/v3.ts';
import { uint32 } from '../../../proto/wellknown.ts';
import { caresResolver } from '../../clusters/dns.ts';
import { resolverAddress } from '../../clusters/dynamic-dns.ts';
import { ORIGINAL_DESTINATION, plainTcpProxy } from '../../filters/well-known.ts';
import type { NameTableResource } from '../../name-table.ts';
import { DNS_LISTENER, DNS_TCP_LISTENER, PASSTHROUGH_CLUSTER } from '../../names.ts';
import { type ListenerResource, resource, type Translated } from '../../resource.ts';
import { listenerResource } from '../chains/listener.ts';

/** Whether Envoy is to answer what is captured of DNS: there is no agent that does. */
export const answersDns = ({ type, certificates, dnsCapture }: Traits): boolean =>
  type === 'sidecar' && dnsCapture && certificates !== 'agent';

/** What of a proxy's traits decides where it answers. Interned. */
interface Resolving extends IpFamilies {
  /** DNS_PROXY_ADDR of its metadata. */
  readonly resolver: string;
}

export const resolvingOf = memo(
  ({ ipv4, ipv6, options }: Traits): Resolving => one({ ipv4, ipv6, resolver: options['DNS_PROXY_ADDR'] ?? '' }),
);

/** Names in the table. Beyond them those of Kubernetes are left to the cluster's own DNS, which knows them. */
const MOST_NAMES = 20_000;
/** Addresses of a name: Envoy answers eight of them, beginning anywhere. */
const MOST_ADDRESSES = 256;
/** Seconds for which an answer is good, as the agent's; the least that Envoy takes. */
const TTL = 30;

/** Where captured DNS is sent: the loopback address of each family, from which alone an answer is taken for that of the server which was asked. */
function addressesOf({ ipv4, ipv6, resolver }: Resolving): readonly { address: string; port_value: number }[] {
  const given = resolverAddress(resolver);
  const loopback = [...(ipv4 ? ['127.0.0.1'] : []), ...(ipv6 ? ['::1'] : [])];
  return (given.address ? [given.address] : loopback).map(address => ({ address, port_value: given.port }));
}

function listener(name: string, at: Resolving, protocol: SocketAddress_Protocol, rest: Listener): Listener {
  const [first, ...others] = addressesOf(at).map(address => ({ socket_address: { protocol, ...address } }));
  return {
    name,
    address: first,
    additional_addresses: others.length > 0 ? others.map(address => ({ address })) : undefined,
    traffic_direction: TrafficDirection.OUTBOUND,
    ...rest,
  };
}

/** Over TCP Envoy answers no DNS: such a question goes to the server that was asked, and nothing else does. */
const overTcp = memo(
  (at: Resolving): ListenerResource =>
    listenerResource(
      listener(DNS_TCP_LISTENER, at, SocketAddress_Protocol.TCP, {
        listener_filters: [ORIGINAL_DESTINATION],
        filter_chains: [
          { filter_chain_match: { destination_port: uint32(53) }, filters: [plainTcpProxy(PASSTHROUGH_CLUSTER)] },
        ],
      }),
    ),
);

/** Names that the table lacks are looked up as the pod's /etc/resolv.conf says, each as it was asked: the app has appended its search domains already. */
const upstream = {
  // An Envoy that gives up says that there is no such name: let those who ask give up first.
  resolver_timeout: { seconds: 10 },
  max_pending_lookups: 1024,
  typed_dns_resolver_config: caresResolver({ dns_resolver_options: { no_default_search_domain: true } }),
};

type Named = readonly [host: string, addresses: readonly string[]];

const domainOf = ([name, addresses]: Named): DnsTable_DnsVirtualDomain => ({
  name,
  endpoint: { address_list: { address: addresses.slice(0, MOST_ADDRESSES) } },
  answer_ttl: { seconds: TTL },
});

/** What is left out of a table that is too long: a ServiceEntry's host is known nowhere else. */
function leftOut(names: readonly Named[], external: number, table: NameTableResource): readonly Problem[] {
  const object = table.sources.find(key => key.startsWith('ServiceEntry/'));
  if (external <= MOST_NAMES || !object) return [];
  const message = `${external - MOST_NAMES} hosts of ServiceEntries, from ${names[MOST_NAMES]?.[0]} on, are not answered by the DNS of sidecars without an agent: it has ${MOST_NAMES} names at most`;
  return [{ object, path: '', message, severity: 'error' }];
}

/** The listeners for captured DNS. A changed name is another UDP listener, and nothing else is. */
export const dnsListeners = memo((at: Resolving, table: NameTableResource): Translated<Listener> => {
  const hosts = Object.entries(table.message.table ?? {});
  const external = hosts.filter(([, { registry }]) => registry === 'External');
  const names = [...external, ...hosts.filter(([, { registry }]) => registry !== 'External')].map(
    ([host, { ips = [] }]): Named => [host, ips],
  );
  const filter = typed('envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig', {
    stat_prefix: 'dns',
    server_config: { inline_dns_table: { virtual_domains: names.slice(0, MOST_NAMES).map(domainOf) } },
    client_config: upstream,
    case_insensitive: true,
  });
  const overUdp = listener(DNS_LISTENER, at, SocketAddress_Protocol.UDP, {
    listener_filters: [{ name: 'envoy.filters.udp.dns_filter', typed_config: filter }],
  });
  return {
    resources: [resource('envoy.config.listener.v3.Listener', DNS_LISTENER, overUdp, table.sources), overTcp(at)],
    problems: leftOut(names, external.length, table),
  };
});
