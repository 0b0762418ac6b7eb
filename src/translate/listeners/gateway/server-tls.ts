import type { MeshSettings } from '../../../istio/settings.ts';
import { memo } from '../../../memo.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import type { TransportSocket } from '../../../proto/generated/envoy/config/core/v3.ts';
import {
  type CertificateValidationContext,
  type CommonTlsContext,
  type SdsSecretConfig,
  type TlsParameters,
  TlsParameters_TlsProtocol as TlsProtocol,
  CertificateValidationContext_TrustChainVerification as TrustChain,
} from '../../../proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import { MeshConfig_TLSConfig_TLSProtocol } from '../../../proto/generated/istio/mesh/v1alpha1.ts';
import {
  ServerTLSSettings_TLSmode as Mode,
  type ServerTLSSettings,
} from '../../../proto/generated/istio/networking/v1alpha3.ts';
import { bool } from '../../../proto/wellknown.ts';
import {
  certificateFiles,
  credential,
  hasCredentialSocket,
  hasFileSocket,
  meshRoots,
  rootFile,
  workloadCertificate,
} from '../../clusters/sds.ts';
import {
  ALPN_HTTP,
  ALPN_WITH_METADATA_EXCHANGE,
  clientRoots,
  serverCertificate,
  tlsSocket,
} from '../chains/tls-context.ts';

const exact = (names: readonly string[] | undefined) => (names ?? []).map(name => ({ exact: name }));

const untrusted = (tls: ServerTLSSettings) => (tls.insecureSkipVerify?.value ? TrustChain.ACCEPT_UNTRUSTED : undefined);

/** Certificates by `credentialName`, which the control plane serves (istio: ApplyCredentialSDSToServerCommonTLSContext). */
function credentials(tls: ServerTLSSettings, names: readonly string[], traits: Traits): CommonTlsContext {
  const source = { certificates: traits.certificates, credentialSocket: hasCredentialSocket(traits) };
  const certificates = names.map(name => credential(name, source));
  if (tls.mode === Mode.MUTUAL || tls.mode === Mode.OPTIONAL_MUTUAL) {
    const ca = tls.caCertCredentialName || `${names[0] ?? ''}-cacert`;
    return {
      tls_certificate_sds_secret_configs: certificates,
      combined_validation_context: {
        default_validation_context: {
          match_subject_alt_names: exact(tls.subjectAltNames),
          verify_certificate_spki: tls.verifyCertificateSpki,
          verify_certificate_hash: tls.verifyCertificateHash,
          trust_chain_verification: untrusted(tls),
        },
        validation_context_sds_secret_config: credential(ca, source),
      },
    };
  }
  const match_subject_alt_names = exact(tls.subjectAltNames);
  return {
    tls_certificate_sds_secret_configs: certificates,
    ...(match_subject_alt_names.length > 0 && { validation_context: { match_subject_alt_names } }),
  };
}

const checksOf = (tls: ServerTLSSettings): CertificateValidationContext => ({
  match_subject_alt_names: exact(tls.subjectAltNames),
  crl: tls.caCrl ? { filename: tls.caCrl } : undefined,
  trust_chain_verification: untrusted(tls),
});

/** Certificates in files, which the agent reads, or the workload's own (istio: ApplyToCommonTLSContext). */
const fetched = (
  tls: ServerTLSSettings,
  certificates: readonly SdsSecretConfig[],
  root: SdsSecretConfig,
  validates: boolean,
): CommonTlsContext => ({
  tls_certificate_sds_secret_configs: certificates,
  ...(validates && {
    combined_validation_context: {
      default_validation_context: checksOf(tls),
      validation_context_sds_secret_config: root,
    },
  }),
});

/** Certificates in files that Envoy reads by itself, for want of an agent. */
function files(tls: ServerTLSSettings, validates: boolean): CommonTlsContext {
  const pairs = tls.tlsCertificates?.length ? tls.tlsCertificates : [tls];
  const trusted_ca = tls.caCertificates ? { filename: tls.caCertificates } : undefined;
  return {
    tls_certificates: pairs.map(({ serverCertificate = '', privateKey = '' }) => ({
      certificate_chain: { filename: serverCertificate },
      private_key: { filename: privateKey },
    })),
    ...(validates && { validation_context: { ...checksOf(tls), trusted_ca } }),
  };
}

function certificates(tls: ServerTLSSettings, traits: Traits, validates: boolean): CommonTlsContext {
  if (tls.mode === Mode.ISTIO_MUTUAL) return fetched(tls, [serverCertificate(traits)], clientRoots(traits), validates);
  const names = tls.credentialNames?.length ? tls.credentialNames : tls.credentialName ? [tls.credentialName] : [];
  if (names.length > 0) return credentials(tls, names, traits);
  if (traits.certificates !== 'agent') return files(tls, validates);
  const own = hasFileSocket(traits);
  const pairs = tls.tlsCertificates?.length ? tls.tlsCertificates : [tls];
  const found = pairs.map(({ serverCertificate, privateKey }) =>
    serverCertificate && privateKey
      ? certificateFiles(serverCertificate, privateKey, own)
      : workloadCertificate(traits.certificates),
  );
  const root = tls.caCertificates ? rootFile(tls.caCertificates, own) : meshRoots(traits.certificates);
  return fetched(tls, found, root, validates);
}

/** Istio's protocol versions count as Envoy's do. */
function parameters(mesh: MeshSettings, tls: ServerTLSSettings): TlsParameters | undefined {
  const own = tls.mode === Mode.SIMPLE || tls.mode === Mode.MUTUAL || tls.mode === Mode.OPTIONAL_MUTUAL;
  if (!own) return undefined;
  const defaults = mesh.config.tlsDefaults;
  const leastOfMesh =
    defaults?.minProtocolVersion === MeshConfig_TLSConfig_TLSProtocol.TLSV1_3
      ? TlsProtocol.TLSv1_3
      : defaults?.minProtocolVersion
        ? TlsProtocol.TLSv1_2
        : undefined;
  const suites = tls.cipherSuites?.length ? tls.cipherSuites : defaults?.cipherSuites;
  const set: TlsParameters = {
    ecdh_curves: defaults?.ecdhCurves?.length ? defaults.ecdhCurves : undefined,
    cipher_suites: suites?.length ? suites : undefined,
    tls_minimum_protocol_version: tls.minProtocolVersion || leastOfMesh,
    tls_maximum_protocol_version: tls.maxProtocolVersion || undefined,
  };
  return Object.values(set).some(v => v !== undefined) ? set : undefined;
}

/** The transport socket of a server of a Gateway that ends TLS; `tcp` where it does not route HTTP (istio: BuildListenerTLSContext). */
export const serverTlsSocket = memo(
  (mesh: MeshSettings, tls: ServerTLSSettings, traits: Traits, tcp: boolean): TransportSocket => {
    const required = tls.mode === Mode.MUTUAL || tls.mode === Mode.ISTIO_MUTUAL;
    return tlsSocket({
      require_client_certificate: bool(required),
      common_tls_context: {
        // Sidecars offer to exchange metadata on TCP within the mesh.
        alpn_protocols: tcp && tls.mode === Mode.ISTIO_MUTUAL ? ALPN_WITH_METADATA_EXCHANGE : ALPN_HTTP,
        ...certificates(tls, traits, required || tls.mode === Mode.OPTIONAL_MUTUAL),
        tls_params: parameters(mesh, tls),
      },
    });
  },
);
