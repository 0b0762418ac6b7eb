import { hostname, lowerCase } from './hostname.ts';

/** The form in which the text of a field is compared. */
export type Spelling = (text: string) => string;

/** `host`, or `namespace/host`. */
const namespaced: Spelling = text => {
  const at = text.lastIndexOf('/') + 1;
  return text.slice(0, at) + hostname(text.slice(at));
};

/** Letters as in a host name, but a last dot tells a resolver that the name is complete. The path of a socket is no host. */
const address: Spelling = text => (text.startsWith('unix:') ? text : lowerCase(text));

/** The host in the name of a cluster (`outbound|80|v1|host`, `outbound_.80_.v1_.host`): names of subsets are no hosts. */
const clusterName: Spelling = text =>
  text
    .split(/(\||_\.)/)
    .map((part, i) => (i === 6 ? lowerCase(part) : part))
    .join('');

/** The host in the name of a route configuration (`host:port`). A gateway's (`https.443.Name.gateway.namespace`) has the user's name of a port. */
const routesName: Spelling = text => (/^[^/|]+:\d+$/.test(text) ? lowerCase(text) : text);

const provider = { service: namespaced };
const providers = 'istio.mesh.v1alpha1.MeshConfig.ExtensionProvider';
const envoyFilter = 'istio.networking.v1alpha3.EnvoyFilter';

/**
 * Every field of Istio's configuration that names a host which is compared with others, by message and field, and how it is spelled. Text that
 * is only passed on stays as it was written: the SNI of a DestinationRule, the authority of a rewrite or a redirect, a tunnel's target, the
 * hosts of an AuthorizationPolicy, which Envoy compares in any case.
 */
export const hostFields: Readonly<Record<string, Readonly<Record<string, Spelling>>>> = {
  'istio.networking.v1alpha3.VirtualService': { hosts: hostname },
  'istio.networking.v1alpha3.Destination': { host: hostname },
  'istio.networking.v1alpha3.TLSMatchAttributes': { sniHosts: hostname },
  'istio.networking.v1alpha3.DestinationRule': { host: hostname },
  'istio.networking.v1alpha3.ServiceEntry': { hosts: hostname },
  'istio.networking.v1alpha3.WorkloadEntry': { address },
  'istio.networking.v1alpha3.Server': { hosts: namespaced },
  'istio.networking.v1alpha3.IstioEgressListener': { hosts: namespaced },
  [`${envoyFilter}.ClusterMatch`]: { service: hostname, name: clusterName },
  [`${envoyFilter}.ListenerMatch.FilterChainMatch`]: { sni: hostname },
  [`${envoyFilter}.RouteConfigurationMatch`]: { name: routesName },
  [`${envoyFilter}.RouteConfigurationMatch.VirtualHostMatch`]: { name: lowerCase, domainName: lowerCase },
  'istio.mesh.v1alpha1.MeshConfig.ServiceSettings': { hosts: hostname },
  [`${providers}.DatadogTracingProvider`]: provider,
  [`${providers}.EnvoyExternalAuthorizationGrpcProvider`]: provider,
  [`${providers}.EnvoyExternalAuthorizationHttpProvider`]: provider,
  [`${providers}.EnvoyHttpGrpcV3LogProvider`]: provider,
  [`${providers}.EnvoyOpenTelemetryLogProvider`]: provider,
  [`${providers}.EnvoyTcpGrpcV3LogProvider`]: provider,
  [`${providers}.LightstepTracingProvider`]: provider,
  [`${providers}.OpenCensusAgentTracingProvider`]: provider,
  [`${providers}.OpenTelemetryTracingProvider`]: provider,
  [`${providers}.OpenTelemetryTracingProvider.DynatraceSampler.DynatraceApi`]: provider,
  [`${providers}.SDSProvider`]: provider,
  [`${providers}.SkyWalkingTracingProvider`]: provider,
  [`${providers}.ZipkinTracingProvider`]: provider,
};
