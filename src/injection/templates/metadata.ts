import { annotation, type JsonObject, labelsOf, own } from '../pod.ts';
import type { TemplateContext } from '../template.ts';
import { networksWith } from './multus.ts';
import * as parts from './parts.ts';

const { when } = parts;

/** What a sidecar adds to the pod's labels and annotations: that it takes mutual TLS, and what it is called. */
export function metadata(context: TemplateContext): JsonObject {
  const { pod, proxy } = context;
  const { labels, annotations } = parts.canonicalMetadata(context);
  const label = (name: string, standard: string) => ({ [name]: own(labelsOf(pod), name) || standard });
  return {
    labels: {
      ...label('security.istio.io/tlsMode', 'istio'),
      ...when(proxy.proxyMetadata?.['ISTIO_META_ENABLE_HBONE'] === 'true', label('networking.istio.io/tunnel', 'http')),
      ...labels,
      'service.istio.io/canonical-name': parts.asLabel(labels['service.istio.io/canonical-name'] ?? ''),
    },
    annotations: { ...annotations, ...(context.values.pilot.cni.enabled && forCni(context)) },
  };
}

/** Istio's CNI plugin reads from annotations what istio-init reads from arguments. */
function forCni(context: TemplateContext): { readonly [name: string]: string } {
  const { pod, values } = context;
  const { proxy } = values.global;
  const traffic = (name: string, value: string) => {
    const full = `traffic.sidecar.istio.io/${name}`;
    return { [full]: parts.setting(context, full, value) };
  };
  const whenSet = (name: string, value: string) =>
    when(annotation(pod, `traffic.sidecar.istio.io/${name}`) !== undefined || value !== '', traffic(name, value));
  const given = (name: string) => when(annotation(pod, name), { [name]: annotation(pod, name) ?? '' });
  const networks = 'k8s.v1.cni.cncf.io/networks';
  return {
    ...when(values.pilot.cni.provider === 'multus', {
      [networks]: networksWith(annotation(pod, networks) ?? '', 'default/istio-cni'),
    }),
    'sidecar.istio.io/interceptionMode': parts.interceptionOf(context),
    ...Object.fromEntries(
      Object.entries({
        ...traffic('includeOutboundIPRanges', proxy.includeIPRanges),
        ...traffic('excludeOutboundIPRanges', proxy.excludeIPRanges),
      }).filter(([, value]) => value),
    ),
    ...traffic('includeInboundPorts', proxy.includeInboundPorts),
    'traffic.sidecar.istio.io/excludeInboundPorts': parts.excludedInbound(context),
    ...whenSet('includeOutboundPorts', proxy.includeOutboundPorts),
    ...whenSet('excludeOutboundPorts', proxy.excludeOutboundPorts),
    ...given('traffic.sidecar.istio.io/kubevirtInterfaces'),
    ...given('istio.io/reroute-virtual-interfaces'),
    ...given('traffic.sidecar.istio.io/excludeInterfaces'),
  } as { readonly [name: string]: string };
}
