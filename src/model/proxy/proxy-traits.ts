import type { EnvoyFilter } from '../../istio/config.ts';
import { compare } from '../../istio/object.ts';
import { memo, type Name, one } from '../../memo.ts';
import type { Locality } from '../endpoints/endpoint.ts';
import type { ProxyClass } from './proxy.ts';
import type { Traits } from './traits.ts';

/** Metadata that translation reads. */
const known: readonly string[] = [
  'DNS_PROXY_ADDR',
  'ENVOY_PROMETHEUS_PORT',
  'ENVOY_STATUS_PORT',
  'HTTP10',
  'HTTP_PROXY_PORT',
  'IDLE_TIMEOUT',
  'INBOUND_LISTENER_EXACT_BALANCE',
  'OUTBOUND_LISTENER_EXACT_BALANCE',
  'PROXY_CONFIG',
  'TLS_CLIENT_CERT_CHAIN',
  'TLS_CLIENT_KEY',
  'TLS_CLIENT_ROOT_CERT',
  'TLS_SERVER_CERT_CHAIN',
  'TLS_SERVER_KEY',
  'TLS_SERVER_ROOT_CERT',
  'UNPRIVILEGED_POD',
  'credential',
  'file-credential',
];

/** Metadata that EnvoyFilters match, so that it tells proxies apart only while one does. */
export const matchedMetadata: (filters: ReadonlyMap<unknown, EnvoyFilter>) => readonly string[] = memo(filters => {
  const names = new Set<string>();
  for (const { spec } of filters.values()) {
    for (const { match } of spec.configPatches ?? []) {
      for (const name of Object.keys(match?.proxy?.metadata ?? {})) names.add(name);
    }
  }
  return [...names].sort(compare);
});

const isTrue = (text: string | undefined): boolean => text === 'true' || text === '1';

const interception = (mode: string | undefined): Traits['interception'] =>
  mode === 'TPROXY' || mode === 'NONE' ? mode : 'REDIRECT';

/** The traits of proxies of a class at a place; equal ones are one value. */
export const traitsOf: (
  proxy: ProxyClass,
  locality: Locality,
  matched: readonly string[],
  network: string,
  node: Name | undefined,
) => Traits = memo((proxy, locality, matched, network, node) => {
  // What the class says in fields of its own can be matched by its name too.
  const metadata: ProxyClass['metadata'] = { ...proxy.metadata, NAMESPACE: proxy.namespace, NODE_NAME: proxy.nodeName };
  const options: Record<string, string> = {};
  for (const name of [...known, ...matched]) {
    const value = metadata[name];
    if (value !== undefined) options[name] = value;
  }
  return one<Traits>({
    type: proxy.type,
    build: proxy.build,
    istioVersion: proxy.istioVersion,
    certificates: proxy.certificates,
    ipv4: proxy.ipv4,
    ipv6: proxy.ipv6,
    interception: interception(metadata['INTERCEPTION_MODE']),
    locality,
    node,
    network: metadata['NETWORK'] || network,
    clusterId: metadata['CLUSTER_ID'] ?? '',
    meshId: metadata['MESH_ID'] ?? '',
    dnsDomain: proxy.dnsDomain,
    dnsCapture: isTrue(metadata['DNS_CAPTURE']),
    options: one(options),
  });
});
