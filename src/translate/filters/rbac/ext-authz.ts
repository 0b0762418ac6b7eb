import { byKey } from '../../../istio/object.ts';
import { extension } from '../../../proto/any.ts';
import { ApiVersion } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { ExtAuthz } from '../../../proto/generated/envoy/extensions/filters/http/ext_authz/v3.ts';
import type { ExtAuthz as NetworkExtAuthz } from '../../../proto/generated/envoy/extensions/filters/network/ext_authz/v3.ts';
import type { ListStringMatcher, MetadataMatcher } from '../../../proto/generated/envoy/type/matcher/v3.ts';
import { StatusCode } from '../../../proto/generated/envoy/type/v3.ts';
import type {
  MeshConfig_ExtensionProvider_EnvoyExternalAuthorizationHttpProvider as HttpProvider,
  MeshConfig_ExtensionProvider,
  MeshConfig_ExtensionProvider_EnvoyExternalAuthorizationRequestBody as RequestBody,
} from '../../../proto/generated/istio/mesh/v1alpha1.ts';
import { seconds } from '../../../proto/wellknown.ts';
import { type ProviderCluster, type ProviderHosts, providerCluster } from '../../provider-cluster.ts';
import { HTTP_RBAC, NETWORK_RBAC } from '../well-known.ts';

/** An external authorizer as Envoy's filters take it; `problem` says why it cannot be used. */
export type Authorizer =
  | { readonly http: ExtAuthz; readonly tcp: NetworkExtAuthz | undefined; readonly problem?: undefined }
  | { readonly problem: string };

/** The RBAC filter before it leaves the name of the matching policy in metadata; only then the authorizer is asked. */
const enabledBy = (filter: string, provider: string): MetadataMatcher => ({
  filter,
  path: [{ key: 'istio_ext_authz_shadow_effective_policy_id' }],
  value: { string_match: { prefix: `istio-ext-authz-${provider}` } },
});

function headerPatterns(headers: readonly string[] | undefined): ListStringMatcher | undefined {
  if (!headers?.length) return undefined;
  return {
    patterns: headers.map(header => {
      if (header.startsWith('*')) return { suffix: header.slice(1), ignore_case: true };
      if (header.endsWith('*')) return { prefix: header.slice(0, -1), ignore_case: true };
      return { exact: header, ignore_case: true };
    }),
  };
}

const statusCodes: ReadonlySet<number> = new Set(Object.values(StatusCode));
const isStatusCode = (code: number): code is StatusCode => statusCodes.has(code);

const body = (b: RequestBody | undefined) =>
  b && {
    max_request_bytes: b.maxRequestBytes,
    allow_partial_message: b.allowPartialMessage,
    pack_as_bytes: b.packAsBytes,
  };

function wildcardProblem(p: HttpProvider): string | undefined {
  const lists = [
    p.includeRequestHeadersInCheck,
    p.includeHeadersInCheck,
    p.headersToDownstreamOnDeny,
    p.headersToDownstreamOnAllow,
    p.headersToUpstreamOnAllow,
  ];
  return lists.some(list => list?.includes('*')) ? 'a bare "*" is no header: use a prefix or a suffix' : undefined;
}

function httpService(p: HttpProvider, { hostname, cluster }: ProviderCluster): ExtAuthz['http_service'] {
  const added = Object.entries(p.includeAdditionalHeadersInCheck ?? {}).sort(byKey);
  const answered = [p.headersToUpstreamOnAllow, p.headersToDownstreamOnDeny, p.headersToDownstreamOnAllow];
  return {
    path_prefix: p.pathPrefix,
    server_uri: { uri: `http://${hostname}`, cluster, timeout: p.timeout ?? seconds(600) },
    authorization_request:
      added.length > 0 ? { headers_to_add: added.map(([key, value]) => ({ key, value })) } : undefined,
    authorization_response: answered.some(list => list?.length)
      ? {
          allowed_upstream_headers: headerPatterns(p.headersToUpstreamOnAllow),
          allowed_client_headers: headerPatterns(p.headersToDownstreamOnDeny),
          allowed_client_headers_on_success: headerPatterns(p.headersToDownstreamOnAllow),
        }
      : undefined,
  };
}

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** The authorizer that a CUSTOM policy names (istio: processExtensionProvider). */
export function authorizer(
  name: string,
  providers: readonly MeshConfig_ExtensionProvider[],
  hosts: ProviderHosts,
): Authorizer {
  const [provider, ...same] = providers.filter(p => p.name === name);
  const spec = provider?.envoyExtAuthzHttp ?? provider?.envoyExtAuthzGrpc;
  if (!spec) return { problem: `MeshConfig has no external authorizer "${name}"` };
  if (same.length > 0) return { problem: `MeshConfig has several extension providers "${name}"` };
  if (!NAME.test(name)) return { problem: `"${name}" is no DNS label` };
  const port = spec.port ?? 0;
  if (port < 1 || port > 65535) return { problem: `extension provider "${name}": port ${port} is out of range` };
  const service = providerCluster(hosts, spec.service, port);
  if (!service) return { problem: `extension provider "${name}": Service "${spec.service ?? ''}" is not known` };
  const status = spec.statusOnError ? Number(spec.statusOnError) : undefined;
  if (status !== undefined && !isStatusCode(status)) {
    return { problem: `extension provider "${name}": statusOnError "${spec.statusOnError}" is no HTTP status` };
  }
  const common = {
    status_on_error: status === undefined ? undefined : { code: status },
    failure_mode_allow: spec.failOpen,
    transport_api_version: ApiVersion.V3,
    with_request_body: body(spec.includeRequestBodyInCheck),
    clear_route_cache: spec.clearRouteCache,
    filter_enabled_metadata: enabledBy(HTTP_RBAC, name),
  };
  if (provider?.envoyExtAuthzHttp) {
    const p = provider.envoyExtAuthzHttp;
    const problem = wildcardProblem(p);
    if (problem) return { problem: `extension provider "${name}": ${problem}` };
    if (p.pathPrefix && !p.pathPrefix.startsWith('/')) {
      return { problem: `extension provider "${name}": pathPrefix must begin with "/"` };
    }
    const allowed = headerPatterns(p.includeRequestHeadersInCheck) ?? headerPatterns(p.includeHeadersInCheck);
    return { http: { ...common, http_service: httpService(p, service), allowed_headers: allowed }, tcp: undefined };
  }
  const grpc_service = {
    envoy_grpc: { cluster_name: service.cluster, authority: service.hostname },
    timeout: spec.timeout ?? seconds(600),
  };
  return {
    http: { ...common, grpc_service },
    tcp: {
      stat_prefix: 'tcp.',
      failure_mode_allow: spec.failOpen,
      transport_api_version: ApiVersion.V3,
      grpc_service,
      filter_enabled_metadata: enabledBy(NETWORK_RBAC, name),
    },
  };
}

/** An authorizer's HTTP filter, encoded. */
export const httpAuthorizer = (config: ExtAuthz) =>
  extension('envoy.filters.http.ext_authz', 'envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', config);

/** An authorizer's network filter, encoded. */
export const networkAuthorizer = (config: NetworkExtAuthz) =>
  extension('envoy.filters.network.ext_authz', 'envoy.extensions.filters.network.ext_authz.v3.ExtAuthz', config);
