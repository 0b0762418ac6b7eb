/** Where Envoy fetches certificates: from the agent beside it, or from the control plane over ADS. */

import type { CertificateSource, Traits } from '../../model/proxy/traits.ts';
import {
  ApiConfigSource_ApiType as ApiType,
  ApiVersion,
  type ConfigSource,
} from '../../proto/generated/envoy/config/core/v3.ts';
import type { SdsSecretConfig } from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import type { Duration } from '../../proto/generated/google/protobuf.ts';

const grpc = (cluster: string, initial_fetch_timeout?: Duration): ConfigSource => ({
  api_config_source: {
    api_type: ApiType.GRPC,
    set_node_on_first_message_only: true,
    transport_api_version: ApiVersion.V3,
    grpc_services: [{ envoy_grpc: { cluster_name: cluster } }],
  },
  initial_fetch_timeout,
  resource_api_version: ApiVersion.V3,
});

/** Resources that come over the stream which the proxy has open: Envoy waits for them without a limit. */
export const OVER_ADS: ConfigSource = Object.freeze({
  ads: {},
  initial_fetch_timeout: {},
  resource_api_version: ApiVersion.V3,
});

/** The names of the workload's own certificate and of the roots that the mesh trusts. */
export const WORKLOAD_CERTIFICATE = 'default';
export const MESH_ROOTS = 'ROOTCA';

/** Envoy waits for these without a limit: nothing works before they are there. */
const fromAgent = (name: string): SdsSecretConfig => Object.freeze({ name, sds_config: grpc('sds-grpc', {}) });
const overAds = (name: string): SdsSecretConfig => Object.freeze({ name, sds_config: OVER_ADS });

const workloadCertificates = { agent: fromAgent(WORKLOAD_CERTIFICATE), ads: overAds(WORKLOAD_CERTIFICATE) };
const meshRootsOf = { agent: fromAgent(MESH_ROOTS), ads: overAds(MESH_ROOTS) };

/** The workload's own certificate. A proxy that has none is to be sent nothing that asks for one. */
export const workloadCertificate = (source: CertificateSource): SdsSecretConfig =>
  workloadCertificates[source === 'ads' ? 'ads' : 'agent'];

/** The roots that the mesh trusts. */
export const meshRoots = (source: CertificateSource): SdsSecretConfig =>
  meshRootsOf[source === 'ads' ? 'ads' : 'agent'];

/** Whether the pod has a socket of its own for `sds://` credentials, or for certificate files. */
export const hasCredentialSocket = ({ options }: Pick<Traits, 'options'>): boolean => options['credential'] === 'true';
export const hasFileSocket = ({ options }: Pick<Traits, 'options'>): boolean => options['file-credential'] === 'true';

const agentFiles = (name: string, ownSocket: boolean): SdsSecretConfig => ({
  name,
  sds_config: grpc(ownSocket ? 'sds-files-grpc' : 'sds-grpc'),
});

/** A certificate in files, which the agent reads so that it can be rotated. */
export const certificateFiles = (chain: string, key: string, ownSocket: boolean): SdsSecretConfig =>
  agentFiles(`file-cert:${chain}~${key}`, ownSocket);

/** Roots in a file, which the agent reads as well; `system` for those of its image. */
export const rootFile = (path: string, ownSocket: boolean): SdsSecretConfig =>
  agentFiles(`file-root:${path}`, ownSocket);

/** The cluster of an SDS server on a socket in the pod. */
export const SDS_EXTERNAL_CLUSTER = 'sds-external';

/** The SDS resource that a `credentialName` asks for: `kubernetes://name`. */
export const credentialResource = (credential: string): string => {
  if (credential.startsWith('invalid://')) return 'invalid://';
  const typed = ['configmap://', 'kubernetes://', 'kubernetes-gateway://'].some(type => credential.startsWith(type));
  return typed ? credential : `kubernetes://${credential}`;
};

/** A `credentialName`: a Kubernetes Secret that the control plane serves. No fetch limit is set, so a missing Secret blocks nothing. */
export function credential(
  name: string,
  { certificates, credentialSocket }: { readonly certificates: CertificateSource; readonly credentialSocket: boolean },
): SdsSecretConfig {
  if (name === 'builtin://') return workloadCertificate(certificates);
  if (name === 'builtin://-cacert') return meshRoots(certificates);
  if (name.startsWith('sds://') && credentialSocket) return { name, sds_config: grpc(SDS_EXTERNAL_CLUSTER) };
  const secret = name.startsWith('sds://') ? name.slice('sds://'.length) : name;
  return {
    name: secret.startsWith('builtin://') ? 'default' : credentialResource(secret),
    sds_config: { ads: {}, resource_api_version: ApiVersion.V3 },
  };
}
