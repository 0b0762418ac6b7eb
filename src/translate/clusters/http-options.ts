/** How a cluster speaks HTTP to its endpoints (istio: setUpstreamProtocol, applyH2Upgrade and the HTTP half of applyConnectionPool). */

import { isHttp, isHttp2, isUnsupported, type Protocol } from '../../istio/protocol.ts';
import { extension, typed } from '../../proto/any.ts';
import type {
  HttpProtocolOptions as CommonOptions,
  Http1ProtocolOptions,
} from '../../proto/generated/envoy/config/core/v3.ts';
import type { HttpProtocolOptions } from '../../proto/generated/envoy/extensions/upstreams/http/v3.ts';
import type { Any } from '../../proto/generated/google/protobuf.ts';
import {
  type MeshConfig,
  MeshConfig_H2UpgradePolicy as MeshUpgrade,
} from '../../proto/generated/istio/mesh/v1alpha1.ts';
import {
  type ConnectionPoolSettings,
  ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy as Upgrade,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { ClusterTraits } from './cluster-traits.ts';

const TYPE = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Header names keep the case in which they came. */
export const PRESERVE_CASE: Http1ProtocolOptions = {
  header_key_format: {
    stateful_formatter: extension(
      'preserve_case',
      'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
      {},
    ),
  },
};

/** Which HTTP version goes to the endpoints; `default` leaves it to Envoy, which speaks HTTP/1.1. */
export type UpstreamProtocol = 'default' | 'preserveCase' | 'http2' | 'downstream' | 'downstreamPreserveCase';

const upgrades = (protocol: Protocol, mesh: MeshConfig, pool: ConnectionPoolSettings | undefined): boolean => {
  if (pool?.http?.useClientProtocol) return false;
  const own = pool?.http?.h2UpgradePolicy;
  if (own === Upgrade.UPGRADE) return true;
  if (own === Upgrade.DO_NOT_UPGRADE) return false;
  return isHttp(protocol) && mesh.h2UpgradePolicy === MeshUpgrade.UPGRADE;
};

/** The HTTP version for a port. Only sidecars take up the client's version on sniffed ports, and only outbound clusters are upgraded. */
export function upstreamProtocol(
  protocol: Protocol,
  traits: ClusterTraits,
  outbound: boolean,
  mesh: MeshConfig,
  pool: ConnectionPoolSettings | undefined,
): UpstreamProtocol {
  const client = pool?.http?.useClientProtocol === true;
  if (isHttp2(protocol)) return client ? 'downstream' : 'http2';
  const sniffed = isUnsupported(protocol);
  const preserve = (isHttp(protocol) || sniffed) && traits.preserveCase;
  if (client || (sniffed && traits.sidecar)) return preserve ? 'downstreamPreserveCase' : 'downstream';
  if (preserve) return 'preserveCase';
  return outbound && upgrades(protocol, mesh, pool) ? 'http2' : 'default';
}

type Selected =
  | Pick<HttpProtocolOptions, 'explicit_http_config'>
  | Pick<HttpProtocolOptions, 'use_downstream_protocol_config'>;

function select(protocol: UpstreamProtocol, pool: ConnectionPoolSettings | undefined): Selected {
  switch (protocol) {
    case 'http2': {
      const { maxConcurrentStreams = 0, http2KeepAlive: keepAlive } = pool?.http ?? {};
      return {
        explicit_http_config: {
          http2_protocol_options: {
            max_concurrent_streams: maxConcurrentStreams > 0 ? { value: maxConcurrentStreams } : undefined,
            connection_keepalive: keepAlive && { interval: keepAlive.interval, timeout: keepAlive.timeout },
          },
        },
      };
    }
    case 'preserveCase':
      return { explicit_http_config: { http_protocol_options: PRESERVE_CASE } };
    case 'downstream':
      return { use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} } };
    case 'downstreamPreserveCase':
      return { use_downstream_protocol_config: { http_protocol_options: PRESERVE_CASE, http2_protocol_options: {} } };
    case 'default':
      return { explicit_http_config: { http_protocol_options: {} } };
  }
}

function commonOptions(pool: ConnectionPoolSettings | undefined): CommonOptions | undefined {
  const { http, tcp } = pool ?? {};
  const idle_timeout = http?.idleTimeout ?? tcp?.idleTimeout;
  const max_connection_duration = tcp?.maxConnectionDuration;
  const requests = http?.maxRequestsPerConnection ?? 0;
  const reads = idle_timeout || max_connection_duration || requests > 0;
  if (!reads && !((http?.maxConcurrentStreams ?? 0) > 0) && !http?.http2KeepAlive) return undefined;
  return {
    idle_timeout,
    max_connection_duration,
    max_requests_per_connection: requests > 0 ? { value: requests } : undefined,
  };
}

/** Names for the server's certificate that Envoy takes from the request: as SNI, and as what the certificate must be for. */
export interface AutoNames {
  readonly sni: boolean;
  readonly sanValidation: boolean;
}

/** `typed_extension_protocol_options` of a cluster; undefined where Envoy's defaults will do. */
export function httpOptions(
  protocol: UpstreamProtocol,
  pool: ConnectionPoolSettings | undefined,
  auto: AutoNames | undefined,
): Readonly<Record<string, Any>> | undefined {
  const common = commonOptions(pool);
  const names = auto && (auto.sni || auto.sanValidation);
  if (protocol === 'default' && !common && !names) return undefined;
  const options: HttpProtocolOptions = {
    common_http_protocol_options: common,
    upstream_http_protocol_options: names
      ? { auto_sni: auto.sni || undefined, auto_san_validation: auto.sanValidation || undefined }
      : undefined,
    ...select(protocol, pool),
  };
  return { [TYPE]: typed(TYPE, options) };
}

const passthrough = (http1: Http1ProtocolOptions): Readonly<Record<string, Any>> => ({
  [TYPE]: typed(TYPE, {
    common_http_protocol_options: { idle_timeout: { seconds: 300 } },
    use_downstream_protocol_config: { http_protocol_options: http1, http2_protocol_options: {} },
  }),
});

const PASSTHROUGH = passthrough({});
const PASSTHROUGH_PRESERVE_CASE = passthrough(PRESERVE_CASE);

/** The options of clusters that carry traffic on to where it was going: the client's HTTP version, 5 minutes idle. */
export const passthroughHttpOptions = (traits: ClusterTraits): Readonly<Record<string, Any>> =>
  traits.preserveCase ? PASSTHROUGH_PRESERVE_CASE : PASSTHROUGH;
