import { loopbacks } from '../../../istio/ip-families.ts';
import { memo } from '../../../memo.ts';
import { bool } from '../../../proto/wellknown.ts';
import { listenerName } from '../../names.ts';
import type { ListenerResource } from '../../resource.ts';
import { chainSpec } from '../chains/filter-chain.ts';
import { type HttpContext, httpConnectionManagerFilter } from '../chains/http-connection-manager.ts';
import { listenerResource } from '../chains/listener.ts';
import { HTTP_PROXY_ROUTES, httpProxyPort } from './http.ts';
import { outboundListener } from './outbound.ts';

/** The listener of MeshConfig.proxyHttpPort: applications that know of HTTP proxies use the sidecar as one. None by default. */
export const httpProxy = memo((context: HttpContext): readonly ListenerResource[] => {
  const { mesh, traits } = context;
  const port = httpProxyPort(mesh, traits);
  if (port === 0) return [];
  const binds = loopbacks(traits);
  const filter = httpConnectionManagerFilter(context, {
    statPrefix: `outbound_${listenerName(binds[0], port)};`,
    routes: HTTP_PROXY_ROUTES,
    base: { http_protocol_options: { allow_absolute_url: bool(true) } },
  });
  const place = { binds, port, bindToPort: true };
  return [listenerResource(outboundListener(context, place, [chainSpec({ filters: [filter] })], []))];
});
