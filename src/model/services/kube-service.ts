import { serviceHostname } from '../../istio/hosts.ts';
import type { KubeService } from '../../istio/kubernetes.ts';
import { servicePortProtocol } from '../../istio/protocol.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { spiffeId } from '../../istio/spiffe.ts';
import { visibilityOf } from '../../istio/visibility.ts';
import type { Service } from './service.ts';

/** Words of an annotation that lists them with commas. */
const words = (text: string | undefined): readonly string[] =>
  (text ?? '')
    .split(',')
    .map(word => word.trim())
    .filter(word => word !== '');

/**
 * How traffic to a Service is spread: the field, else the Service's annotation, else its namespace's. An annotation with an unknown word
 * counts as `Any` and hides the namespace's (istio: model.GetTrafficDistribution).
 */
export function trafficDistribution(
  field: string,
  annotation: string | undefined,
  ofNamespace: string | undefined,
): Service['trafficDistribution'] {
  const known: Readonly<Record<string, Service['trafficDistribution']>> = {
    preferclose: 'PreferSameZone',
    prefersamezone: 'PreferSameZone',
    prefersamenode: 'PreferSameNode',
  };
  const byField = known[field.toLowerCase()];
  return byField ?? known[(annotation || ofNamespace || '').toLowerCase()] ?? 'Any';
}

export const trafficDistributionAnnotation = 'networking.istio.io/traffic-distribution';

/** A Kubernetes Service as a host of the mesh (istio: kube.ConvertService). */
export function kubeService(
  service: KubeService,
  settings: MeshSettings,
  namespaceTrafficDistribution: string | undefined,
): Service {
  const { meta } = service;
  const { annotations, namespace, name } = meta;
  const alias = service.type === 'ExternalName';
  const accounts = [
    ...words(annotations['alpha.istio.io/canonical-serviceaccounts']),
    ...words(annotations['alpha.istio.io/kubernetes-serviceaccounts']).map(account =>
      spiffeId(settings.trustDomain, namespace, account),
    ),
  ];
  return Object.freeze({
    hostname: serviceHostname(name, namespace, settings.domain),
    namespace,
    name,
    registry: 'Kubernetes' as const,
    source: meta.key,
    ports: service.ports.map(port =>
      Object.freeze({
        name: port.name,
        port: port.port,
        protocol: servicePortProtocol(port),
        targetPort: port.targetPort,
        nodePort: port.nodePort,
      }),
    ),
    addresses: service.headless || alias ? [] : service.clusterIPs,
    autoAllocated: [],
    resolution: alias ? 'Alias' : service.headless ? 'Passthrough' : 'ClientSideLB',
    headless: service.headless,
    meshExternal: alias,
    visibility: visibilityOf(
      words(annotations['networking.istio.io/exportTo']),
      settings.config.defaultServiceExportTo,
      namespace,
    ),
    labels: meta.labels,
    selector: service.selector,
    aliases: [],
    aliasOf: alias ? service.externalName : ('' as const),
    publishNotReady: service.publishNotReady,
    nodeLocal: service.internalTrafficPolicy === 'Local',
    trafficDistribution: trafficDistribution(
      service.trafficDistribution,
      annotations[trafficDistributionAnnotation],
      namespaceTrafficDistribution,
    ),
    subjectAltNames: accounts,
    createdAt: meta.createdAt,
  });
}
