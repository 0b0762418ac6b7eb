import type { Problem } from '../../../config/problem.ts';
import { memo } from '../../../memo.ts';
import type { Scope } from '../../../model/scope/scope.ts';
import type { Hostname } from '../../../model/services/service.ts';

const NO_PROBLEMS: readonly Problem[] = Object.freeze([]);

/** What keeps a Sidecar's egress proxy from being reached: istiod sends it all the same, and Envoy answers 503. */
export const egressProxyProblems = memo((scope: Scope): readonly Problem[] => {
  const { sidecar, outboundPolicy, serviceByHost } = scope;
  const { egressProxy } = outboundPolicy;
  if (!sidecar || !egressProxy) return NO_PROBLEMS;
  const { host, port } = egressProxy;
  const service = serviceByHost.get(host as Hostname);
  const warn = (path: string, message: string): readonly Problem[] => [
    {
      object: sidecar.meta.key,
      path: `spec.outboundTrafficPolicy.egressProxy.${path}`,
      message: `${message}; requests for hosts outside the mesh get 503 (NC, no cluster)`,
      severity: 'warning',
    },
  ];
  if (!service) {
    const whole = `${host}.${sidecar.meta.namespace}.svc.${scope.mesh.domain}`;
    const meant = serviceByHost.has(whole as Hostname) ? `; ${whole} has to be written out here` : '';
    return warn('host', `no egress listener of this Sidecar imports a Service with the host ${host}${meant}`);
  }
  if (service.ports.some(known => known.port === port)) return NO_PROBLEMS;
  const ports = service.ports.map(known => known.port).join(', ');
  return warn('port.number', `${host} has no port ${port} (it has ${ports || 'none'})`);
});
