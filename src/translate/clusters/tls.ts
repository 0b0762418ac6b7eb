/** TLS from a cluster to its endpoints (istio: cluster_tls.go). */

import { isUnsupported } from '../../istio/protocol.ts';
import type { Service, ServicePort } from '../../model/services/service.ts';
import { extension, typed } from '../../proto/any.ts';
import type { Cluster_TransportSocketMatch as TransportSocketMatch } from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { TransportSocket } from '../../proto/generated/envoy/config/core/v3.ts';
import {
  type CertificateValidationContext,
  type CommonTlsContext,
  type TlsParameters,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import type { MeshConfig } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import {
  type ClientTLSSettings,
  ClientTLSSettings_TLSmode as Mode,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { struct } from '../../proto/wellknown.ts';
import type { MutualTlsMode } from '../endpoints/peer-authentication.ts';
import type { ClusterTraits } from './cluster-traits.ts';
import type { AutoNames } from './http-options.ts';
import { certificateFiles, credential, meshRoots, rootFile, workloadCertificate } from './sds.ts';

/** What decides the TLS of one cluster. */
export interface TlsInput {
  readonly mesh: MeshConfig;
  readonly traits: ClusterTraits;
  readonly service: Service;
  readonly port: ServicePort;
  /** The rule's settings; undefined lets automatic mutual TLS decide. */
  readonly settings: ClientTLSSettings | undefined;
  /** The rule selects workloads, so its secrets concern only those. */
  readonly selectsWorkloads: boolean;
  /** What the server's certificate may be issued to. */
  readonly identities: readonly string[];
  /** The SNI of mutual TLS within the mesh; empty for dynamic forward proxies, which take it from the request. */
  readonly sni: string;
  readonly clusterName: string;
  readonly dynamicForwardProxy: boolean;
  readonly http2: boolean;
  /** The mode of the server; undefined where it is not known, for Services outside the mesh. */
  readonly serverMode: MutualTlsMode | undefined;
  /** Connections go to the address that the client asked for: endpoints carry no metadata to match. */
  readonly originalDestination: boolean;
}

/** The TLS fields of a cluster. `fault` says why settings could not be used. */
export interface UpstreamTls {
  readonly transport_socket?: TransportSocket;
  readonly transport_socket_matches?: readonly TransportSocketMatch[];
  readonly auto?: AutoNames;
  /** The settings in force check neither SNI nor certificate, which Envoy's dynamic forward proxy must be told to allow. */
  readonly insecure?: boolean;
  readonly fault?: string;
}

const RAW_BUFFER = typed('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', {});
const MUTUAL_MATCH = struct({ tlsMode: 'istio' });
const PLAINTEXT: TransportSocketMatch = {
  name: 'tlsMode-disabled',
  match: struct({}),
  transport_socket: { name: 'envoy.transport_sockets.raw_buffer', typed_config: RAW_BUFFER },
};
const TLS_VERSIONS: TlsParameters = {
  tls_minimum_protocol_version: TlsProtocol.TLSv1_2,
  tls_maximum_protocol_version: TlsProtocol.TLSv1_3,
};
const SYSTEM_ROOTS = '/etc/ssl/certs/ca-certificates.crt';

const tlsSocket = (common: CommonTlsContext, sni: string | undefined): TransportSocket =>
  extension('envoy.transport_sockets.tls', 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
    common_tls_context: common,
    sni: sni || undefined,
  });

const exactly = (names: readonly string[]): CertificateValidationContext => ({
  match_subject_alt_names: names.length ? names.map(exact => ({ exact })) : undefined,
});

/**
 * What servers of the mesh choose a chain by. Istio's build names the HTTP version of each request in place of this; for a stock Envoy a port whose
 * protocol is found by looking is HTTP, and chains of TCP say that they are not (`plainTcp`).
 */
function alpnOf({ traits, service, port, http2 }: TlsInput): readonly string[] {
  if (traits.certificates === 'ads' && isUnsupported(port.protocol) && !service.meshExternal)
    return ['istio-http/1.1', 'istio'];
  return [...(traits.metadataExchange ? ['istio-peer-exchange'] : []), 'istio', ...(http2 ? ['h2'] : [])];
}

function istioMutual(input: TlsInput, identities: readonly string[], sni: string): TransportSocket {
  const common: CommonTlsContext = {
    tls_params: TLS_VERSIONS,
    tls_certificate_sds_secret_configs: [workloadCertificate(input.traits.certificates)],
    combined_validation_context: {
      default_validation_context: exactly(identities),
      validation_context_sds_secret_config: meshRoots(input.traits.certificates),
    },
    alpn_protocols: alpnOf(input),
  };
  return tlsSocket(common, sni || (input.dynamicForwardProxy ? '' : input.clusterName));
}

/** Which names Envoy takes from the request: the SNI where none is set, the certificate's where none are listed either. */
function autoNames(input: TlsInput, settings: ClientTLSSettings): Pick<UpstreamTls, 'auto' | 'insecure'> {
  const verify = settings.insecureSkipVerify?.value !== true;
  const sni = !settings.sni;
  const names = input.dynamicForwardProxy || (sni && !settings.subjectAltNames?.length);
  const auto = { sni, sanValidation: verify && names };
  return { auto, insecure: input.dynamicForwardProxy && !(verify && auto.sni && auto.sanValidation) };
}

type Certificates = Pick<CommonTlsContext, 'tls_certificates' | 'tls_certificate_sds_secret_configs'>;
type Validation = Pick<CommonTlsContext, 'validation_context'> | Pick<CommonTlsContext, 'combined_validation_context'>;

function certificates(input: TlsInput, settings: ClientTLSSettings): Certificates {
  const { traits } = input;
  if (settings.mode !== Mode.MUTUAL) return {};
  if (settings.credentialName) {
    return {
      tls_certificate_sds_secret_configs: [credential(settings.credentialName, traits)],
    };
  }
  const { clientCertificate = '', privateKey = '' } = settings;
  if (traits.certificates !== 'agent') {
    const file = { certificate_chain: { filename: clientCertificate }, private_key: { filename: privateKey } };
    return { tls_certificates: [file] };
  }
  const files = certificateFiles(clientCertificate, privateKey, traits.fileCredentialSocket);
  return { tls_certificate_sds_secret_configs: [files] };
}

function validation(input: TlsInput, settings: ClientTLSSettings): Validation {
  const { traits, service } = input;
  const listed = settings.subjectAltNames ?? [];
  const names = listed.length || service.registry !== 'External' ? listed : input.identities;
  const skip = settings.insecureSkipVerify?.value === true;
  if (settings.credentialName) {
    if (skip) return {};
    return {
      combined_validation_context: {
        default_validation_context: exactly(names),
        validation_context_sds_secret_config: credential(`${settings.credentialName}-cacert`, traits),
      },
    };
  }
  if (skip) return { validation_context: {} };
  const checks = { ...exactly(names), crl: settings.caCrl ? { filename: settings.caCrl } : undefined };
  const root = settings.caCertificates || 'system';
  if (traits.certificates !== 'agent') {
    const filename = root === 'system' ? SYSTEM_ROOTS : root;
    return { validation_context: { ...checks, trusted_ca: { filename } } };
  }
  return {
    combined_validation_context: {
      default_validation_context: checks,
      validation_context_sds_secret_config: rootFile(root, traits.fileCredentialSocket),
    },
  };
}

function ownTls(input: TlsInput, settings: ClientTLSSettings): UpstreamTls {
  const { credentialName = '', clientCertificate, privateKey } = settings;
  if (credentialName && !credentialName.startsWith('configmap://')) {
    if (input.traits.sidecar && !input.selectsWorkloads)
      return { fault: 'credentialName is used by sidecars only where the rule has a workloadSelector' };
  }
  if (settings.mode === Mode.MUTUAL && !credentialName && !(clientCertificate && privateKey))
    return { fault: 'MUTUAL needs clientCertificate and privateKey, or credentialName' };
  const defaults = input.mesh.tlsDefaults;
  const common: CommonTlsContext = {
    tls_params: {
      ...TLS_VERSIONS,
      ecdh_curves: defaults?.ecdhCurves?.length ? defaults.ecdhCurves : undefined,
      cipher_suites: defaults?.cipherSuites?.length ? defaults.cipherSuites : undefined,
    },
    alpn_protocols: input.http2 ? ['h2'] : undefined,
    ...certificates(input, settings),
    ...validation(input, settings),
  };
  return { transport_socket: tlsSocket(common, settings.sni), ...autoNames(input, settings) };
}

function mutualFromMetadata(input: TlsInput, settings: ClientTLSSettings): UpstreamTls {
  return ownTls(input, { ...settings, ...input.traits.metadataCerts, mode: Mode.MUTUAL });
}

/** Mutual TLS without being asked: where the server is in the mesh and no policy switches it off. */
function automatic(input: TlsInput): UpstreamTls {
  const { mesh, traits, service, serverMode } = input;
  const off = service.meshExternal || mesh.enableAutoMtls?.value !== true || !serverMode || serverMode === 'DISABLE';
  if (off) return {};
  if (traits.metadataCerts) {
    return mutualFromMetadata(input, { subjectAltNames: input.identities, sni: input.sni });
  }
  if (traits.certificates === 'none') return {};
  const transport_socket = istioMutual(input, input.identities, input.sni);
  if (input.originalDestination) return { transport_socket };
  const names = input.dynamicForwardProxy ? autoNames(input, {}) : {};
  const mutual: TransportSocketMatch = { name: 'tlsMode-istio', match: MUTUAL_MATCH, transport_socket };
  return { transport_socket_matches: [mutual, PLAINTEXT], ...names };
}

const withoutCertificate =
  'ISTIO_MUTUAL needs a certificate: the proxy has neither an agent nor a secure connection (pilotlight bootstrap --secure), and speaks plaintext';

/** TLS to the endpoints of a cluster. A proxy without a certificate speaks plaintext within the mesh. */
export function upstreamTls(input: TlsInput): UpstreamTls {
  const { settings, traits, service } = input;
  if (!settings) return automatic(input);
  const mode = settings.mode ?? Mode.DISABLE;
  if (mode === Mode.DISABLE) return {};
  if (mode === Mode.SIMPLE) return ownTls(input, settings);
  if (traits.metadataCerts && !service.meshExternal) {
    const { subjectAltNames, sni, insecureSkipVerify } = settings;
    return mutualFromMetadata(input, { subjectAltNames, sni, insecureSkipVerify });
  }
  if (mode === Mode.MUTUAL) return ownTls(input, settings);
  if (traits.certificates === 'none') return { fault: withoutCertificate };
  const listed = settings.subjectAltNames ?? [];
  return {
    transport_socket: istioMutual(input, listed.length ? listed : input.identities, settings.sni || input.sni),
    ...(input.dynamicForwardProxy && autoNames(input, settings)),
  };
}

/** The sockets of a cluster wrapped so that each connection starts with a PROXY protocol header of the version. */
export function withProxyProtocol(tls: UpstreamTls, version: 0 | 1): UpstreamTls {
  const wrap = (transport_socket: TransportSocket | undefined): TransportSocket =>
    extension(
      'envoy.transport_sockets.upstream_proxy_protocol',
      'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
      {
        config: { version: version || undefined },
        transport_socket: transport_socket ?? { name: 'raw_buffer', typed_config: RAW_BUFFER },
      },
    );
  if (tls.transport_socket_matches) {
    const matches = tls.transport_socket_matches.map(m => ({ ...m, transport_socket: wrap(m.transport_socket) }));
    return { ...tls, transport_socket_matches: matches };
  }
  return { ...tls, transport_socket: wrap(tls.transport_socket) };
}
