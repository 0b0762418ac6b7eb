import { isIP } from 'node:net';
import { type Hostname, hostname } from '../proto/hostname.ts';

/**
 * The fully qualified form of a host as users write it in a VirtualService or DestinationRule: a name without a dot is a Service of the
 * object's own namespace (istio: ResolveShortnameToFQDN).
 */
export function qualify(host: Hostname, namespace: string, domain: string): Hostname {
  if (host === '' || host === '*' || host.includes('.') || isIP(host)) return host;
  return hostname(`${host}${namespace && `.${namespace}`}.svc.${domain}`);
}

/** The host name of a Kubernetes Service. */
export const serviceHostname = (name: string, namespace: string, domain: string): Hostname =>
  hostname(`${name}.${namespace}.svc.${domain}`);

/** `namespace/name` of a Gateway as a VirtualService names it; `mesh` stays (istio: resolveGatewayName). */
export function qualifyGateway(name: string, namespace: string): string {
  if (name === 'mesh') return name;
  if (name.includes('/')) return name.startsWith('./') ? `${namespace}${name.slice(1)}` : name;
  const [first = '', second] = name.split('.');
  return second === undefined ? `${namespace}/${name}` : `${second}/${first}`;
}
