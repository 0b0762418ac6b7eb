import type { Proxy } from '../../model/proxy/proxy.ts';
import type { Connection } from '../../xds/connection.ts';
import { connectionId, each } from './view.ts';

const head = (connection: Connection<Proxy>) => ({
  connectionId: connectionId(connection),
  connectedAt: new Date(connection.connectedAt).toISOString(),
  address: connection.peer.address,
});

const counted = (connections: readonly Connection<Proxy>[], client: (connection: Connection<Proxy>) => object) => ({
  totalClients: connections.length,
  ...(connections.length && { clients: each(connections, client) }),
});

/** Who is connected, since when: /debug/connections. */
export const connectionList = (connections: readonly Connection<Proxy>[]): object => counted(connections, head);

function detailed(connection: Connection<Proxy>): object {
  const { class: of, namespace } = connection.client;
  const { PROXY_CONFIG: config, ...metadata } = of.metadata;
  const { region = '', zone = '', subzone = '' } = of.locality ?? {};
  return {
    ...head(connection),
    labels: of.labels,
    metadata: {
      ...(config && { PROXY_CONFIG: JSON.parse(config) as unknown }),
      ...metadata,
      LABELS: of.labels,
      NAMESPACE: namespace,
    },
    ...(of.locality && { locality: { region, zone, sub_zone: subzone } }),
    watches: Object.fromEntries(
      connection.status().map(({ type, typeUrl }) => [typeUrl, [...connection.watched(type)]]),
    ),
  };
}

/** The same with who each is and what it asks for: /debug/adsz. */
export const connectionDetails = (connections: readonly Connection<Proxy>[]): object => counted(connections, detailed);
