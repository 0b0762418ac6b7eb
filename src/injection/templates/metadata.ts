import { type JsonObject, own } from '../../unknown.ts';
import { annotation, labelsOf, type StringMap } from '../pod.ts';
import type { TemplateContext } from '../template.ts';
import { excludedInbound } from './capture.ts';
import { networksWith } from './multus.ts';
import { appContainers, interceptionOf, setting, when } from './proxy-container.ts';

/** What a sidecar adds to the pod's labels and annotations: that it takes mutual TLS, and what it is called. */
export function metadata(context: TemplateContext): JsonObject {
  const { pod, proxy } = context;
  const { labels, annotations } = canonicalMetadata(context);
  const label = (name: string, standard: string) => ({ [name]: own(labelsOf(pod), name) || standard });
  return {
    labels: {
      ...label('security.istio.io/tlsMode', 'istio'),
      ...when(proxy.proxyMetadata?.['ISTIO_META_ENABLE_HBONE'] === 'true', label('networking.istio.io/tunnel', 'http')),
      ...labels,
      'service.istio.io/canonical-name': asLabel(labels['service.istio.io/canonical-name'] ?? ''),
    },
    annotations: { ...annotations, ...(context.values.pilot.cni.enabled && forCni(context)) },
  };
}

/** Labels and annotations by which tools know the workload and its revision. */
export function canonicalMetadata(context: TemplateContext): {
  readonly labels: StringMap;
  readonly annotations: StringMap;
} {
  const { pod, workload, revision } = context;
  const labels = labelsOf(pod);
  const first = (...names: readonly string[]) => names.map(name => own(labels, name)).find(value => value);
  const name = first('service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app') ?? workload.name;
  const [app] = appContainers(context);
  const forKubectl = ['kubectl.kubernetes.io/default-logs-container', 'kubectl.kubernetes.io/default-container'];
  return {
    labels: {
      'service.istio.io/canonical-name': name,
      'service.istio.io/canonical-revision':
        first('service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version') ?? 'latest',
    },
    annotations: {
      'istio.io/rev': revision || 'default',
      ...(app && Object.fromEntries(forKubectl.filter(n => annotation(pod, n) === undefined).map(n => [n, app.name]))),
    },
  };
}

/** A label's value from any text: 63 letters at most, with nothing but letters and digits at its ends. */
export const asLabel = (text: string): string => text.slice(0, 63).replace(/^[-_.]+|[-_.]+$/g, '');

/** Istio's CNI plugin reads from annotations what istio-init reads from arguments. */
function forCni(context: TemplateContext): StringMap {
  const { pod, values } = context;
  const { proxy } = values.global;
  const traffic = (name: string, value: string) => {
    const full = `traffic.sidecar.istio.io/${name}`;
    return { [full]: setting(context, full, value) };
  };
  const whenSet = (name: string, value: string) =>
    when(annotation(pod, `traffic.sidecar.istio.io/${name}`) !== undefined || value !== '', traffic(name, value));
  const given = (name: string) => when(annotation(pod, name), { [name]: annotation(pod, name) ?? '' });
  const networks = 'k8s.v1.cni.cncf.io/networks';
  return {
    ...when(values.pilot.cni.provider === 'multus', {
      [networks]: networksWith(annotation(pod, networks) ?? '', 'default/istio-cni'),
    }),
    'sidecar.istio.io/interceptionMode': interceptionOf(context),
    ...Object.fromEntries(
      Object.entries({
        ...traffic('includeOutboundIPRanges', proxy.includeIPRanges),
        ...traffic('excludeOutboundIPRanges', proxy.excludeIPRanges),
      }).filter(([, value]) => value),
    ),
    ...traffic('includeInboundPorts', proxy.includeInboundPorts),
    'traffic.sidecar.istio.io/excludeInboundPorts': excludedInbound(context),
    ...whenSet('includeOutboundPorts', proxy.includeOutboundPorts),
    ...whenSet('excludeOutboundPorts', proxy.excludeOutboundPorts),
    ...given('traffic.sidecar.istio.io/kubevirtInterfaces'),
    ...given('istio.io/reroute-virtual-interfaces'),
    ...given('traffic.sidecar.istio.io/excludeInterfaces'),
  } as StringMap;
}
