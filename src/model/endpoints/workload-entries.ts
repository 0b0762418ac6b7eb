import { isIP } from 'node:net';
import type { WorkloadEntry } from '../../istio/config.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { spiffeId } from '../../istio/spiffe.ts';
import { memo } from '../../memo.ts';
import type { WorkloadEntry as Entry } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { Endpoint } from './endpoint.ts';
import { augmentLabels, labelledLocality, nowhere, parseLocality } from './locality.ts';
import type { EndpointPlace } from './pods.ts';

/** What can serve a host besides the pods of EndpointSlices: a WorkloadEntry (also one within a ServiceEntry), or a pod. */
export interface WorkloadInstance {
  readonly address: string;
  /** Ports by the name of the Service port (ServiceEntries) or of its target port (Services). */
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly weight: number;
  readonly place: EndpointPlace;
}

const unix = 'unix://';

/** Whether only a ServiceEntry with DNS resolution can use it: its address is a host name or a socket. */
export const needsDns = (instance: WorkloadInstance): boolean => instance.address !== '' && !isIP(instance.address);

/** A WorkloadEntry's spec as something that serves (istio: convertWorkloadEntryToWorkloadInstance). */
export function inlineInstance(
  spec: Entry,
  labels: Readonly<Record<string, string>>,
  workload: string,
  namespace: string,
  settings: MeshSettings,
): WorkloadInstance {
  const place = spec.locality ? parseLocality(spec.locality) : (labelledLocality(labels) ?? nowhere);
  const network = spec.network || labels['topology.istio.io/network'] || settings.network;
  const mode = labels['security.istio.io/tlsMode'];
  const tlsMode: Endpoint['tlsMode'] =
    (mode ?? (spec.serviceAccount ? 'istio' : '')) === 'istio' ? 'istio' : 'disabled';
  return Object.freeze({
    address: spec.address ?? '',
    ports: spec.ports ?? {},
    labels,
    weight: spec.weight ?? 0,
    place: Object.freeze({
      locality: place,
      labels: augmentLabels(labels, settings.clusterId, place, '', network),
      namespace,
      workload,
      pod: '',
      node: '',
      network: spec.network ?? '',
      clusterId: settings.clusterId,
      identity: spec.serviceAccount ? spiffeId(settings.trustDomain, namespace, spec.serviceAccount) : '',
      tlsMode,
      hostname: '',
      subdomain: '',
    }),
  });
}

/** A WorkloadEntry object as something that serves; labels of its metadata win over those of its spec. */
export const workloadEntryInstance: (entry: WorkloadEntry, settings: MeshSettings) => WorkloadInstance = memo(
  ({ meta, spec }, settings) => {
    const { annotations, labels, name, namespace } = meta;
    const workload = annotations['istio.io/autoRegistrationGroup'] ?? labels['service.istio.io/workload-name'] ?? name;
    return inlineInstance(spec, Object.freeze({ ...spec.labels, ...labels }), workload, namespace, settings);
  },
);

/** One endpoint of a Service's port. A Unix socket has no port. */
export function instanceEndpoint(
  instance: WorkloadInstance,
  portName: string,
  port: number,
  servicePort = 0,
): Endpoint {
  const socket = instance.address.startsWith(unix);
  return Object.freeze({
    ...instance.place,
    address: instance.address,
    port: socket ? 0 : port,
    portName,
    servicePort,
    health: instance.place.pod ? ('healthy' as const) : ('unknown' as const),
    weight: instance.weight,
  });
}
