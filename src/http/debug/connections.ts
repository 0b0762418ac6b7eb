import { augmentLabels, nowhere } from '../../model/endpoints/locality.ts';
import { identify } from '../../model/identify.ts';
import type { MeshModel } from '../../model/mesh.ts';
import type { Proxy } from '../../model/proxy/proxy.ts';
import { each, type LateJson } from '../../proto/json.ts';
import { shownJson } from '../../proto/redact.ts';
import type { Json } from '../../unknown.ts';
import type { Connection } from '../../xds/connection.ts';
import { filled } from './go-json.ts';
import { byName, connectionId } from './view.ts';

const head = (connection: Connection<Proxy>) => ({
  connectionId: connectionId(connection),
  connectedAt: new Date(connection.connectedAt).toISOString(),
  address: connection.peer.address,
});

const counted = (connections: readonly Connection<Proxy>[], client: (connection: Connection<Proxy>) => LateJson) => ({
  totalClients: connections.length,
  ...(connections.length && { clients: each(byName(connections), client) }),
});

/** Who is connected, since when: /debug/connections. */
export const connectionList = (connections: readonly Connection<Proxy>[]): object => counted(connections, head);

/** `mesh`: tells of the pod what the Node does not. */
function detailed(connection: Connection<Proxy>, mesh: MeshModel | undefined): LateJson {
  const { class: of, namespace, addresses } = connection.client;
  const { PROXY_CONFIG: config, ...metadata } = of.metadata;
  const { workload, traits } = mesh ? identify(mesh, connection.client) : {};
  const place = traits?.locality ?? of.locality ?? nowhere;
  const clusterId = metadata['CLUSTER_ID'] ?? '';
  const labels = augmentLabels(workload?.labels ?? of.labels, clusterId, place, of.nodeName, traits?.network ?? '');
  return {
    ...head(connection),
    ...filled({ labels }),
    metadata: {
      ...(config && { PROXY_CONFIG: shownJson(JSON.parse(config) as Json) }),
      ...metadata,
      ...filled({ LABELS: of.labels, INSTANCE_IPS: addresses.join() }),
      NAMESPACE: namespace,
    },
    locality: filled({ region: place.region, zone: place.zone, sub_zone: place.subzone }),
    watches: Object.fromEntries(
      connection.status().map(({ type, typeUrl }) => {
        const names = [...connection.watched(type)];
        // As istiod: who asks for all by delta watches what it was sent.
        const all = connection.protocol === 'delta' && !names.length;
        return [typeUrl, all ? Array.from(connection.held().resources(type), ({ name }) => name) : names];
      }),
    ),
  };
}

/** The same with who each is and what it asks for: /debug/adsz. */
export const connectionDetails = (connections: readonly Connection<Proxy>[], mesh: MeshModel | undefined): object =>
  counted(connections, connection => detailed(connection, mesh));
