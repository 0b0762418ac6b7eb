/** Where Envoy fetches certificates: from the agent beside it, or from the control plane over ADS. */

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

/** The workload's own certificate. Envoy waits for it without a limit: nothing works before it is there. */
export const WORKLOAD_CERTIFICATE: SdsSecretConfig = { name: 'default', sds_config: grpc('sds-grpc', {}) };

/** The roots that the mesh trusts. */
export const MESH_ROOT: SdsSecretConfig = { name: 'ROOTCA', sds_config: grpc('sds-grpc', {}) };

/** Certificate files, which the agent reads so that they can be rotated. */
export const agentFiles = (name: string, ownSocket: boolean): SdsSecretConfig => ({
  name,
  sds_config: grpc(ownSocket ? 'sds-files-grpc' : 'sds-grpc'),
});

/** The cluster of an SDS server on a socket in the pod. */
export const SDS_EXTERNAL_CLUSTER = 'sds-external';

/** The SDS resource that a `credentialName` asks for: `kubernetes://name`. */
export const credentialResource = (credential: string): string => {
  if (credential.startsWith('invalid://')) return 'invalid://';
  const typed = ['configmap://', 'kubernetes://', 'kubernetes-gateway://'].some(type => credential.startsWith(type));
  return typed ? credential : `kubernetes://${credential}`;
};

/** A `credentialName`: a Kubernetes Secret that the control plane serves. No fetch limit is set, so a missing Secret blocks nothing. */
export function credential(name: string, ownSocket: boolean): SdsSecretConfig {
  if (name === 'builtin://') return WORKLOAD_CERTIFICATE;
  if (name === 'builtin://-cacert') return MESH_ROOT;
  if (name.startsWith('sds://') && ownSocket) return { name, sds_config: grpc(SDS_EXTERNAL_CLUSTER) };
  const secret = name.startsWith('sds://') ? name.slice('sds://'.length) : name;
  return {
    name: secret.startsWith('builtin://') ? 'default' : credentialResource(secret),
    sds_config: { ads: {}, resource_api_version: ApiVersion.V3 },
  };
}
