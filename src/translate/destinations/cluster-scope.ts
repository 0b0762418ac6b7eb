import { memo, one } from '../../memo.ts';
import type { Scope } from '../../model/scope/scope.ts';
import { type ClusterMode, clusterModes } from './cluster-targets.ts';

/** What of a scope clusters and their endpoints depend on: it stays the same while only routes change. */
export interface ClusterScope
  extends Pick<Scope, 'mesh' | 'services' | 'destinationRules' | 'identities' | 'peerAuthentications'> {
  readonly modes: readonly ClusterMode[];
  /** Whether any Service is served by the proxy's own node. */
  readonly byNode: boolean;
}

const anyByNode = memo((services: Scope['services']): boolean => services.some(service => service.nodeLocal));

/** The part of the scope that clusters read. */
export const clusterScope = memo((scope: Scope): ClusterScope => {
  const { mesh, services, destinationRules, identities, peerAuthentications, gateways } = scope;
  const [modes, byNode] = [clusterModes(gateways), anyByNode(services)];
  return one({ mesh, services, destinationRules, identities, peerAuthentications, modes, byNode });
});
