import { type Problem, problemLine } from '../../config/problem.ts';
import type { Proxy } from '../../model/proxy/proxy.ts';
import { envoyVersion } from '../../model/proxy/traits.ts';
import { type ClientConfig, ConfigStatus } from '../../proto/generated/envoy/service/status/v3.ts';
import { timestamp } from '../../proto/timestamp.ts';
import { struct } from '../../proto/wellknown.ts';
import type { Connection, TypeStatus } from '../../xds/connection.ts';
import type { XdsType } from '../../xds/resource-types.ts';
import { filled } from './go-json.ts';
import { proxyName } from './view.ts';

const time = (at: number | undefined): string | undefined =>
  at === undefined ? undefined : new Date(at).toISOString();

/** Go's zero time, which istiod says of what was never sent. */
const NEVER = '0001-01-01T00:00:00Z';
const NEVER_SECONDS = -62_135_596_800;

/** istiod's names of the types in /debug/syncz. */
const SYNC_NAMES: Partial<Record<XdsType, string>> = {
  cluster: 'cluster',
  listener: 'listener',
  route: 'route',
  endpoint: 'endpoint',
  extension: 'extensionconfig',
};

/** One row of /debug/syncz: istiod's fields (SyncStatus), then what it does not tell: where a proxy came in, versions, and credentials that are withheld. */
export function syncStatus(connection: Connection<Proxy>, withheld: readonly Problem[]): object {
  const { client, protocol, connectedAt, peer } = connection;
  const types = connection.status();
  const { class: proxyClass } = client;
  const nonces = types.flatMap(t => {
    const name = SYNC_NAMES[t.type];
    return name ? [[`${name}_sent`, t.nonceSent] as const, [`${name}_acked`, t.nonceAcked] as const] : [];
  });
  return {
    ...filled({
      cluster_id: proxyClass.metadata['CLUSTER_ID'],
      proxy: proxyName(client),
      proxy_type: proxyClass.type,
      proxy_version: envoyVersion(proxyClass.build),
      istio_version: proxyClass.istioVersion,
      ...Object.fromEntries(nonces),
    }),
    resources: Object.fromEntries(
      types.map(t => [
        t.typeUrl,
        {
          ...(stateOf(connection, t) === 'NOT_SENT'
            ? { sentTime: NEVER }
            : { ...filled({ sent: t.nonceSent, acked: t.nonceAcked }), sentTime: time(t.sentAt) }),
          ...filled({ lastError: t.rejection?.message }),
        },
      ]),
    ),
    id: client.id,
    protocol,
    peer: peer.address,
    port: peer.port,
    connected: time(connectedAt),
    types: types.map(t => ({
      type: t.typeUrl,
      names: t.names,
      state: STATES[stateOf(connection, t)],
      version_sent: t.versionSent,
      version_acked: t.versionAcked,
      nonce_sent: t.nonceSent,
      nonce_acked: t.nonceAcked,
      sent: time(t.sentAt),
      acked: time(t.ackedAt),
      ...(t.type === 'secret' && withheld.length && { withheld: withheld.map(problemLine) }),
      ...(t.rejection && { rejected: { version: t.rejection.version, error: t.rejection.message } }),
    })),
  };
}

type State = Exclude<keyof typeof ConfigStatus, 'UNKNOWN'>;

const STATES: Readonly<Record<State, string>> = {
  NOT_SENT: 'NOT SENT',
  SYNCED: 'SYNCED',
  STALE: 'STALE',
  ERROR: 'REJECTED',
};

/** As istiod's debugSyncStatus. Who asked for secrets and was given none was answered, but has not been sent what it asked for. */
function stateOf(connection: Connection<Proxy>, { type, rejection, pending, sentAt }: TypeStatus): State {
  if (rejection) return 'ERROR';
  if (sentAt === undefined) return 'NOT_SENT';
  if (type === 'secret' && [...connection.held().resources(type)].length === 0) return 'NOT_SENT';
  return pending ? 'STALE' : 'SYNCED';
}

/** One resource of `istio.io/debug/syncz`, which `istioctl proxy-status` reads. */
export function clientConfig(connection: Connection<Proxy>): ClientConfig {
  const { client } = connection;
  const { namespace, class: proxyClass } = client;
  const metadata = filled({
    CLUSTER_ID: proxyClass.metadata['CLUSTER_ID'],
    ISTIO_VERSION: proxyClass.istioVersion,
    NAMESPACE: namespace,
  });
  const types = [...connection.status()].sort((a, b) => (a.typeUrl < b.typeUrl ? -1 : 1));
  return {
    node: { id: proxyName(client), metadata: struct(metadata as Record<string, string>) },
    generic_xds_configs: types.map(t => {
      const at = t.sentAt === undefined ? { seconds: NEVER_SECONDS, nanos: 0 } : timestamp(t.sentAt);
      return {
        type_url: t.typeUrl,
        config_status: ConfigStatus[stateOf(connection, t)],
        last_updated: at,
        ...(t.rejection && { error_state: { details: t.rejection.message, last_update_attempt: at } }),
      };
    }),
  };
}
