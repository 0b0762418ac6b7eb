/** Names that statistics carry (istio: telemetry.BuildStatPrefix). */

import type { MeshSettings } from '../../istio/settings.ts';
import type { Service, ServicePort } from '../../model/services/service.ts';

/** Istio's proxies cut statistics at this sign, so that names with dots and bars in them stay whole. */
export const delimited = (name: string): string => `${name};`;

/** What names say of a Service; what is not of Kubernetes has its host and nothing else. */
export interface StatService {
  readonly hostname: string;
  readonly kubernetes: { readonly name: string; readonly namespace: string } | undefined;
}

export const statService = ({ hostname, name, namespace, registry }: Service): StatService => ({
  hostname,
  kubernetes: registry === 'Kubernetes' ? { name, namespace } : undefined,
});

type StatPort = Pick<ServicePort, 'port' | 'name'>;

/** A name from a pattern of MeshConfig: `%SERVICE%`, `%SERVICE_NAME%`, `%SERVICE_FQDN%`, `%SERVICE_PORT%`, `%TARGET_PORT%`, `%SERVICE_PORT_NAME%`, `%SUBSET_NAME%`. */
function filledIn(pattern: string, service: StatService, port: StatPort, subset: string, targetPort: number): string {
  const { hostname, kubernetes } = service;
  return pattern
    .replaceAll('%SERVICE%', kubernetes ? `${kubernetes.name}.${kubernetes.namespace}` : hostname)
    .replaceAll('%SERVICE_NAME%', kubernetes?.name ?? hostname)
    .replaceAll('%SERVICE_FQDN%', hostname)
    .replaceAll('%SUBSET_NAME%', subset)
    .replaceAll('%TARGET_PORT%', String(targetPort))
    .replaceAll('%SERVICE_PORT%', String(port.port))
    .replaceAll('%SERVICE_PORT_NAME%', port.name);
}

/** The name of what goes to a Service, or to none that is known: `cluster` unless MeshConfig.outboundClusterStatName says otherwise. */
export function outboundStatName(
  { config: { outboundClusterStatName: pattern } }: MeshSettings,
  service: Service | undefined,
  port: StatPort,
  subset: string,
  cluster: string,
): string {
  return pattern && service ? filledIn(pattern, statService(service), port, subset, 0) : cluster;
}

/** The name of what comes in on a port: `cluster` unless MeshConfig.inboundClusterStatName says otherwise. */
export function inboundStatName(
  { config: { inboundClusterStatName: pattern } }: MeshSettings,
  service: StatService,
  port: StatPort,
  targetPort: number,
  cluster: string,
): string {
  return pattern ? filledIn(pattern, service, port, '', targetPort) : cluster;
}
