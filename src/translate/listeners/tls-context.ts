import { memo } from '../../memo.ts';
import type { MeshSettings } from '../../model/settings.ts';
import type { Traits } from '../../model/traits.ts';
import { typed } from '../../proto/any.ts';
import {
  ApiConfigSource_ApiType,
  ApiVersion,
  type TransportSocket,
} from '../../proto/generated/envoy/config/core/v3.ts';
import {
  type DownstreamTlsContext,
  type SdsSecretConfig,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import { MeshConfig_TLSConfig_TLSProtocol } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import { bool, seconds } from '../../proto/wellknown.ts';

/** Cipher suites that Istio's servers accept. */
const CIPHER_SUITES: readonly string[] = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
];

export const ALPN_HTTP: readonly string[] = ['h2', 'http/1.1'];

/** A secret that the agent beside the proxy serves: `default`, `ROOTCA` or a `file-cert:` name. */
export function agentSecret(name: string): SdsSecretConfig {
  const workload = name === 'default' || name === 'ROOTCA';
  return {
    name,
    sds_config: {
      api_config_source: {
        api_type: ApiConfigSource_ApiType.GRPC,
        transport_api_version: ApiVersion.V3,
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
        set_node_on_first_message_only: true,
      },
      // A listener waits for the workload's own certificate however long it takes; other secrets may not exist.
      initial_fetch_timeout: workload ? seconds(0) : undefined,
      resource_api_version: ApiVersion.V3,
    },
  };
}

/** The transport socket of a server that speaks TLS. */
export const tlsSocket = (context: DownstreamTlsContext): TransportSocket => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: typed('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', context),
});

/** SPIFFE prefixes of the trust domains whose clients a server takes. */
function trustedPrefixes(mesh: MeshSettings): readonly { readonly prefix: string }[] {
  const { trustDomainAliases = [], caCertificates = [] } = mesh.config;
  const domains = [
    mesh.trustDomain,
    ...trustDomainAliases,
    ...caCertificates.flatMap(c => c.trustDomains ?? []),
  ].filter(d => d !== '');
  return [...new Set(domains)].map(domain => ({
    prefix: `spiffe://${domain}/`,
  }));
}

/** The transport socket of mutual TLS within the mesh (istio: authn utils.BuildInboundTLS). */
export const meshTlsSocket = memo((mesh: MeshSettings, _traits: Traits): TransportSocket => {
  const mtls = mesh.config.meshMTLS;
  const suites = mtls?.cipherSuites ?? [];
  return tlsSocket({
    require_client_certificate: bool(true),
    common_tls_context: {
      tls_params: {
        tls_minimum_protocol_version:
          mtls?.minProtocolVersion === MeshConfig_TLSConfig_TLSProtocol.TLSV1_3
            ? TlsProtocol.TLSv1_3
            : TlsProtocol.TLSv1_2,
        tls_maximum_protocol_version: TlsProtocol.TLSv1_3,
        cipher_suites: suites.length > 0 ? suites : CIPHER_SUITES,
      },
      alpn_protocols: ALPN_HTTP,
      tls_certificate_sds_secret_configs: [agentSecret('default')],
      combined_validation_context: {
        default_validation_context: { match_subject_alt_names: trustedPrefixes(mesh) },
        validation_context_sds_secret_config: agentSecret('ROOTCA'),
      },
    },
  });
});
