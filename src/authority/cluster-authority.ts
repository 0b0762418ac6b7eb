import type { ApiClient } from '../kubernetes/api-client.ts';
import type { CertificateAuthority } from '../security/authority.ts';
import type { Cluster } from './cluster.ts';
import { AuthorityLeader } from './leader.ts';
import { type AuthorityHeard, followAuthority } from './secret-authority.ts';

/** Follows the authority that a cluster keeps, and competes for doing what one replica alone does for it. */
export async function clusterAuthority(
  cluster: Cluster,
  client: ApiClient,
  trustDomain: () => string,
  heard: AuthorityHeard,
  signal: AbortSignal,
): Promise<void> {
  const leader = new AuthorityLeader(cluster, client);
  void leader.run(signal);
  const inForce = (authority: CertificateAuthority): void => {
    heard.inForce(authority);
    leader.follow(authority);
  };
  await followAuthority(cluster, trustDomain, { ...heard, inForce }, signal);
}
