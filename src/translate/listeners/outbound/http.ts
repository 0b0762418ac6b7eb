import type { MeshSettings } from '../../../istio/settings.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import type { Service, ServicePort } from '../../../model/services/service.ts';
import { isDynamicForwardProxy } from '../../destinations/cluster-targets.ts';
import { listenerName } from '../../names.ts';
import { type ChainSpec, chainSpec, PLAINTEXT_HTTP_ALPN } from '../chains/filter-chain.ts';
import { type HttpContext, httpConnectionManagerFilter } from '../chains/http-connection-manager.ts';
import { httpForwardProxy } from '../chains/network-filters.ts';

/** The RDS name of the HTTP proxy's routes. */
export const HTTP_PROXY_ROUTES = 'http_proxy';

/** The port that the sidecar is to listen on as an HTTP proxy; 0: none. */
export const httpProxyPort = (mesh: MeshSettings, traits: Traits): number =>
  Number(traits.options['HTTP_PROXY_PORT'] ?? 0) || (mesh.config.proxyHttpPort ?? 0);

/** The RDS name of an outbound HTTP listener: the port, `host:port` where the listener is one sniffed Service's alone, or the Unix socket. */
export function outboundRouteName(service: Service, port: ServicePort, bind: string, wildcard: string): string {
  if (port.port === 0) return bind;
  return port.protocol === 'Unsupported' && bind !== wildcard ? `${service.hostname}:${port.port}` : String(port.port);
}

/** The HTTP chain of an outbound listener (istio: buildSidecarOutboundHTTPListenerOpts). `sniffed`: only what the inspector finds to be HTTP. */
export function outboundHttpChain(
  context: HttpContext,
  service: Service,
  port: ServicePort,
  bind: string,
  options: { readonly wildcard: string; readonly sniffed: boolean },
): ChainSpec {
  const filter = httpConnectionManagerFilter(context, {
    statPrefix: `outbound_${listenerName(bind, port.port)};`,
    routes: outboundRouteName(service, port, bind, options.wildcard),
    grpcWeb: port.protocol === 'GRPCWeb',
    dynamicForwardProxy: isDynamicForwardProxy(service) ? [httpForwardProxy(service, context.traits)] : [],
  });
  const sniffed = options.sniffed && { applicationProtocols: PLAINTEXT_HTTP_ALPN, transportProtocol: 'raw_buffer' };
  return chainSpec({ ...sniffed, filters: [filter] });
}
