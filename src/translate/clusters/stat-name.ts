/** Names that statistics carry (istio: telemetry.BuildStatPrefix). */

import type { Service, ServicePort } from '../../model/services/service.ts';

/** Istio's proxies cut statistics at this sign, so that names with dots and bars in them stay whole. */
export const delimited = (name: string): string => `${name};`;

/** A name from a pattern of MeshConfig: `%SERVICE%`, `%SERVICE_NAME%`, `%SERVICE_FQDN%`, `%SERVICE_PORT%`, `%TARGET_PORT%`, `%SERVICE_PORT_NAME%`, `%SUBSET_NAME%`. */
export function statName(
  pattern: string,
  about: {
    readonly service: Pick<Service, 'hostname' | 'name' | 'namespace'> & { readonly kubernetes: boolean };
    readonly port: Pick<ServicePort, 'port' | 'name'>;
    readonly subset: string;
    readonly targetPort: number;
  },
): string {
  const { service, port, subset, targetPort } = about;
  const short = service.kubernetes ? service.name : service.hostname;
  return pattern
    .replaceAll('%SERVICE%', service.kubernetes ? `${service.name}.${service.namespace}` : service.hostname)
    .replaceAll('%SERVICE_NAME%', short)
    .replaceAll('%SERVICE_FQDN%', service.hostname)
    .replaceAll('%SUBSET_NAME%', subset)
    .replaceAll('%TARGET_PORT%', String(targetPort))
    .replaceAll('%SERVICE_PORT%', String(port.port))
    .replaceAll('%SERVICE_PORT_NAME%', port.name);
}
