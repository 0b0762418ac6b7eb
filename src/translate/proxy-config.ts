import type { MeshSettings } from '../istio/settings.ts';
import { memo } from '../memo.ts';
import type { Traits } from '../model/proxy/traits.ts';
import {
  HttpConnectionManager_ForwardClientCertDetails as EnvoyForward,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from '../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { BoolValue, Duration } from '../proto/generated/google/protobuf.ts';
import type {
  ProxyConfig,
  ProxyConfig_ConnectionSettings,
  ProxyConfig_ProxyHeaders_SetCurrentClientCertDetails,
} from '../proto/generated/istio/mesh/v1alpha1.ts';
import {
  ProxyConfig_ConnectionSettings_PathWithEscapedSlashesAction as EscapedSlashes,
  ForwardClientCertDetails,
  ProxyConfig_ConnectionSettings_Profile as Profile,
  ProxyConfig_ConnectionSettings_HeadersWithUnderscoresAction as Underscores,
} from '../proto/generated/istio/mesh/v1alpha1.ts';
import { fromJson } from '../proto/json.ts';
import { bool, seconds } from '../proto/wellknown.ts';

/** Which side of a proxy a listener stands on (istio: networking.ListenerClass). */
export type ListenerClass = 'inbound' | 'outbound' | 'gateway';

/** The ProxyConfig in force: the one that the agent put into the Node's metadata, else the mesh's default. */
export const proxyConfigOf = memo((mesh: MeshSettings, traits: Traits): ProxyConfig => {
  const own = traits.options['PROXY_CONFIG'];
  return own ? fromJson('istio.mesh.v1alpha1.ProxyConfig', JSON.parse(own)).value : (mesh.config.defaultConfig ?? {});
});

/** What ProxyConfig.proxyHeaders says of the headers that Envoy adds, with Istio's defaults. */
export interface ProxyHeaders {
  readonly serverName: string | undefined;
  readonly serverHeader: ServerHeader | undefined;
  readonly forwardClientCert: EnvoyForward;
  readonly certDetails: ProxyConfig_ProxyHeaders_SetCurrentClientCertDetails | undefined;
  readonly suppressDebugHeaders: boolean;
  readonly generateRequestId: BoolValue | undefined;
  readonly skipMetadataExchange: boolean;
  readonly appendForwardedPort: boolean;
  readonly attemptCount: boolean;
  readonly forwardedHost: boolean;
  readonly preserveCase: boolean;
}

const FORWARD: Readonly<Record<ForwardClientCertDetails, EnvoyForward>> = {
  [ForwardClientCertDetails.UNDEFINED]: EnvoyForward.SANITIZE,
  [ForwardClientCertDetails.SANITIZE]: EnvoyForward.SANITIZE,
  [ForwardClientCertDetails.FORWARD_ONLY]: EnvoyForward.FORWARD_ONLY,
  [ForwardClientCertDetails.APPEND_FORWARD]: EnvoyForward.APPEND_FORWARD,
  [ForwardClientCertDetails.SANITIZE_SET]: EnvoyForward.SANITIZE_SET,
  [ForwardClientCertDetails.ALWAYS_FORWARD_ONLY]: EnvoyForward.ALWAYS_FORWARD_ONLY,
};

/** Envoy's name for what ProxyConfig says of `x-forwarded-client-cert`. */
export const forwardClientCertDetails = (d: ForwardClientCertDetails): EnvoyForward => FORWARD[d];

/** The headers that a proxy's listeners of a class add and forward. */
export const proxyHeaders = memo((mesh: MeshSettings, traits: Traits, listener: ListenerClass): ProxyHeaders => {
  const h = proxyConfigOf(mesh, traits).proxyHeaders;
  const hidden = h?.server?.disabled?.value ?? false;
  // The outbound side keeps Envoy's own server name, as Istio always did.
  const named = h?.server?.value || (listener === 'outbound' ? undefined : 'istio-envoy');
  const forwarded = h?.forwardedClientCert ?? ForwardClientCertDetails.UNDEFINED;
  return Object.freeze({
    serverName: hidden ? undefined : named,
    serverHeader: hidden ? ServerHeader.PASS_THROUGH : undefined,
    forwardClientCert:
      forwarded === ForwardClientCertDetails.UNDEFINED ? EnvoyForward.APPEND_FORWARD : FORWARD[forwarded],
    certDetails: h?.setCurrentClientCertDetails,
    suppressDebugHeaders: h?.envoyDebugHeaders?.disabled?.value ?? false,
    generateRequestId: h?.requestId?.disabled?.value ? bool(false) : undefined,
    skipMetadataExchange: h?.metadataExchangeHeaders?.mode === 1,
    appendForwardedPort: h?.xForwardedPort?.enabled?.value ?? false,
    attemptCount: !(h?.attemptCount?.disabled?.value ?? false),
    forwardedHost: h?.xForwardedHost?.enabled?.value ?? false,
    preserveCase: h?.preserveHttp1HeaderCase?.value ?? false,
  });
});

/** Limits of an edge proxy that ProxyConfig.connectionSettings.profile EDGE stands for. */
const EDGE: ProxyConfig_ConnectionSettings = {
  listenerPerConnectionBufferLimitBytes: { value: 32768 },
  httpIdleTimeout: seconds(3600),
  httpStreamIdleTimeout: seconds(300),
  httpRequestTimeout: seconds(300),
  httpRequestHeadersTimeout: seconds(60),
  httpMaxConcurrentStreams: { value: 100 },
  http2InitialStreamWindowSize: { value: 65536 },
  http2InitialConnectionWindowSize: { value: 1048576 },
  httpMergeSlashes: { value: true },
};

/** ProxyConfig.connectionSettings in force; a router with profile EDGE gets that profile's limits where none is set. */
export const connectionSettings = memo(
  (mesh: MeshSettings, traits: Traits): ProxyConfig_ConnectionSettings | undefined => {
    const set = proxyConfigOf(mesh, traits).connectionSettings ?? mesh.config.defaultConfig?.connectionSettings;
    if (set?.profile !== Profile.EDGE || traits.type !== 'router') return set;
    const given = Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined));
    const merged: ProxyConfig_ConnectionSettings = { ...EDGE, ...given };
    return {
      ...merged,
      httpHeadersWithUnderscoresAction:
        merged.httpHeadersWithUnderscoresAction || Underscores.HEADERS_WITH_UNDERSCORES_REJECT_REQUEST,
      httpPathWithEscapedSlashesAction: merged.httpPathWithEscapedSlashesAction || EscapedSlashes.UNESCAPE_AND_REDIRECT,
    };
  },
);

const UNITS: Readonly<Record<string, number>> = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, µs: 1e3, ns: 1 };

/** A duration as Go writes it (`1h30m`, `500ms`); undefined where it is none. Node metadata carries such. */
export function goDuration(text: string | undefined): Duration | undefined {
  if (!text || !/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return text === '0' ? seconds(0) : undefined;
  let nanos = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    nanos += Number(number) * (UNITS[unit ?? ''] ?? 0);
  }
  return { seconds: Math.floor(nanos / 1e9), nanos: Math.round(nanos % 1e9) };
}
