/**
 * The fields that nobody but their reader is to see, by message: those that Envoy's API marks with `udpa.annotations.sensitive`, which Envoy leaves out
 * of its own dumps (https://github.com/cncf/xds/blob/main/udpa/annotations/sensitive.proto), the tokens in Istio's MeshConfig, and what becomes of them.
 */
export const sensitiveFields: Readonly<Record<string, readonly string[]>> = {
  'envoy.config.core.v3.GrpcService.GoogleGrpc.SslCredentials': ['private_key'],
  'envoy.config.grpc_credential.v3.FileBasedMetadataConfig': ['secret_data'],
  'envoy.config.core.v3.HttpService': ['request_headers_to_add'],
  'envoy.config.trace.v3.ClientConfig': ['backend_token'],
  'envoy.config.trace.v3.LightstepConfig': ['access_token'],
  'envoy.extensions.common.aws.v3.AssumeRoleWithWebIdentityCredentialProvider': ['web_identity_token_data_source'],
  'envoy.extensions.common.aws.v3.CredentialsFileCredentialProvider': ['credentials_data_source'],
  'envoy.extensions.common.aws.v3.IAMRolesAnywhereCredentialProvider': ['private_key'],
  'envoy.extensions.common.aws.v3.InlineCredentialProvider': ['secret_access_key', 'session_token'],
  'envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth': ['credentials'],
  'envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute': ['credentials'],
  'envoy.extensions.filters.http.basic_auth.v3.BasicAuth': ['users'],
  'envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute': ['users'],
  'envoy.extensions.filters.http.ext_authz.v3.CheckSettings': ['context_extensions'],
  'envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions': ['auth_password', 'auth_username'],
  'envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions.Credential': ['auth_password', 'auth_username'],
  'envoy.extensions.filters.network.redis_proxy.v3.RedisProxy': [
    'downstream_auth_password',
    'downstream_auth_passwords',
    'downstream_auth_username',
  ],
  'envoy.extensions.grpc_service.call_credentials.file_based_metadata.v3.FileBasedMetadataCallCredentials': [
    'secret_data',
  ],
  'envoy.extensions.private_key_providers.cryptomb.v3alpha.CryptoMbPrivateKeyMethodConfig': ['private_key'],
  'envoy.extensions.private_key_providers.kae.v3alpha.KaePrivateKeyMethodConfig': ['private_key'],
  'envoy.extensions.private_key_providers.qat.v3alpha.QatPrivateKeyMethodConfig': ['private_key'],
  'envoy.extensions.transport_sockets.tls.v3.GenericSecret': ['secret', 'secrets'],
  'envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider': ['typed_config'],
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate': ['private_key', 'pkcs12', 'password'],
  'envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys': ['keys'],
  'istio.mesh.v1alpha1.MeshConfig.ExtensionProvider.HttpHeader': ['value'],
  'istio.mesh.v1alpha1.MeshConfig.ExtensionProvider.SkyWalkingTracingProvider': ['accessToken'],
  'istio.mesh.v1alpha1.MeshConfig.ExtensionProvider.LightstepTracingProvider': ['accessToken'],
  'istio.mesh.v1alpha1.Tracing.Lightstep': ['accessToken'],
};

/** Too many other things have these names. */
const COMMON = new Set(['typed_config', 'context_extensions', 'request_headers_to_add', 'value', 'keys']);

/** The names of such fields where the message is not known: in JSON that somebody wrote, in either spelling. What is another thing of that name is withheld, too. */
export const sensitiveNames: ReadonlySet<string> = new Set(
  ['session_ticket_keys', 'generic_secret', ...Object.values(sensitiveFields).flat()]
    .filter(name => !COMMON.has(name))
    .flatMap(name => [
      name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
      name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
    ]),
);
