import type { Labels } from '../../istio/labels.ts';
import { compare, selects } from '../../istio/object.ts';
import { addTo, distinctBy } from '../../lists.ts';
import { memo, one } from '../../memo.ts';
import type { EndpointIndex } from '../endpoints/endpoint.ts';
import { endpointsKey, serves } from '../endpoints/endpoint.ts';
import type { PodShape } from '../endpoints/pods.ts';
import { findPort } from '../endpoints/pods.ts';
import type { Service, ServicePort, ServiceTarget } from '../services/service.ts';

/** One target; the same arguments give the same object, for as long as a workload has it. */
export const serviceTarget = (service: Service, port: ServicePort, targetPort: number): ServiceTarget =>
  one({ service, port, targetPort });

/** Kubernetes Services that select something, with their place in the list, by one label that they ask for. */
const bySelector = memo((services: readonly Service[]) => {
  const found = new Map<string, { readonly service: Service; readonly at: number }[]>();
  for (const [at, service] of services.entries()) {
    const [first] = Object.entries(service.selector);
    if (service.registry !== 'Kubernetes' || !first) continue;
    const key = first.join('=');
    addTo(found, key, { service, at });
  }
  return found;
});

const none: readonly Service[] = Object.freeze([]);

/** The Kubernetes Services of a list whose selector picks the labels, in the list's order. */
export const selectingServices: (services: readonly Service[], labels: Labels) => readonly Service[] = memo(
  (services, labels) => {
    const indexed = bySelector(services);
    const found = Object.entries(labels)
      .flatMap(label => indexed.get(label.join('=')) ?? [])
      .filter(({ service }) => selects(service.selector, labels));
    return found.length ? found.sort((a, b) => a.at - b.at).map(({ service }) => service) : none;
  },
);

/** Of ports that lead to one target port and protocol only the first counts (istio: GetProxyServiceTargetsByPod). */
const once = (targets: readonly ServiceTarget[]): readonly ServiceTarget[] =>
  distinctBy(targets, ({ port, targetPort }) => `${targetPort} ${port.protocol}`);

/** The ports that a workload serves of each Service that selects it; a named port that the workload lacks is left out. */
export const selectedTargets = (services: readonly Service[], ports: PodShape['ports']): readonly ServiceTarget[] =>
  services.flatMap(service =>
    once(
      service.ports.flatMap(port => {
        const targetPort = findPort(ports, port);
        return targetPort === undefined ? [] : [serviceTarget(service, port, targetPort)];
      }),
    ),
  );

/** Targets by address: those of the Services that have the address as an endpoint. */
export function addressedTargets(
  services: readonly Service[],
  endpoints: EndpointIndex,
  address: string,
): readonly ServiceTarget[] {
  return services.flatMap(service => {
    const own = endpoints.get(endpointsKey(service))?.endpoints.filter(endpoint => endpoint.address === address);
    return (own ?? []).flatMap(endpoint => {
      const port = service.ports.find(port => serves(endpoint, port));
      return port ? [serviceTarget(service, port, endpoint.port)] : [];
    });
  });
}

/** Older Service first, then by host name; the ports of a Service stay in its order. */
export const sortTargets = (targets: readonly ServiceTarget[]): readonly ServiceTarget[] =>
  [...targets].sort(
    (a, b) => a.service.createdAt - b.service.createdAt || compare(a.service.hostname, b.service.hostname),
  );
