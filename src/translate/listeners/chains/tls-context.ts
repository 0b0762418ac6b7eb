import type { MeshSettings } from '../../../istio/settings.ts';
import { memo } from '../../../memo.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import { extension } from '../../../proto/any.ts';
import type { TransportSocket } from '../../../proto/generated/envoy/config/core/v3.ts';
import {
  type DownstreamTlsContext,
  type SdsSecretConfig,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '../../../proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import { MeshConfig_TLSConfig_TLSProtocol } from '../../../proto/generated/istio/mesh/v1alpha1.ts';
import { bool } from '../../../proto/wellknown.ts';
import { certificateFiles, hasFileSocket, meshRoots, rootFile, workloadCertificate } from '../../clusters/sds.ts';
import { exchangesTcpMetadata } from '../../filters/istio-build.ts';

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
export const ALPN_WITH_METADATA_EXCHANGE: readonly string[] = ['istio-peer-exchange', 'h2', 'http/1.1'];

/** The transport socket of a server that speaks TLS. */
export const tlsSocket = (context: DownstreamTlsContext): TransportSocket =>
  extension('envoy.transport_sockets.tls', 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', context);

/** The certificate of a proxy: files that its metadata names to the agent, else its own of the mesh. */
export function serverCertificate(traits: Traits): SdsSecretConfig {
  const chain = traits.options['TLS_SERVER_CERT_CHAIN'];
  const key = traits.options['TLS_SERVER_KEY'];
  return traits.certificates === 'agent' && chain && key
    ? certificateFiles(chain, key, hasFileSocket(traits))
    : workloadCertificate(traits.certificates);
}

/** What a proxy checks its clients against: a file that its metadata names, else the mesh's roots. */
export function clientRoots(traits: Traits): SdsSecretConfig {
  const root = traits.options['TLS_SERVER_ROOT_CERT'];
  return traits.certificates === 'agent' && root
    ? rootFile(root, hasFileSocket(traits))
    : meshRoots(traits.certificates);
}

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
const meshTlsSocket = (mesh: MeshSettings, traits: Traits, alpn: readonly string[]): TransportSocket => {
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
      alpn_protocols: alpn,
      tls_certificate_sds_secret_configs: [serverCertificate(traits)],
      combined_validation_context: {
        default_validation_context: { match_subject_alt_names: trustedPrefixes(mesh) },
        validation_context_sds_secret_config: clientRoots(traits),
      },
    },
  });
};

/** The transport sockets of mutual TLS for HTTP and for TCP: on TCP a proxy that can offers to exchange metadata. */
export const meshTlsSockets = memo((mesh: MeshSettings, traits: Traits) => {
  const http = meshTlsSocket(mesh, traits, ALPN_HTTP);
  const tcp = exchangesTcpMetadata(traits.build) ? meshTlsSocket(mesh, traits, ALPN_WITH_METADATA_EXCHANGE) : http;
  return Object.freeze({ http, tcp });
});
