import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { ApiClient } from '../kubernetes/api-client.ts';
import { LeaderElection } from '../kubernetes/leader.ts';
import type { Permit } from '../kubernetes/writer.ts';
import { type CertificateAuthority, rootBundle } from '../security/authority.ts';
import type { Cluster } from './cluster.ts';
import { RootCertificates } from './root-certificates.ts';

/**
 * The Lease of the replica that alone writes what the authority is about. istiod's locks are ConfigMaps of other names (`istio-leader`,
 * `istio-namespace-controller-election`), which the istiod of the default revision takes from everybody else: an istiod beside leads for itself.
 */
export const LEADER_LEASE = 'pilotlight-ca-leader';

/** What one replica of all does for the authority, whichever is the leader. */
export class AuthorityLeader {
  readonly #cluster: Cluster;
  readonly #election: LeaderElection;
  #authority: CertificateAuthority | undefined;
  #term: { readonly permit: Permit; readonly roots: RootCertificates } | undefined;
  #begin = (): void => {};

  constructor(cluster: Cluster, client: ApiClient) {
    const { namespace, log } = cluster;
    const identity = `${process.env['POD_NAME'] ?? hostname()}_${randomUUID()}`;
    this.#cluster = cluster;
    this.#election = new LeaderElection({ client, log, namespace, name: LEADER_LEASE, identity });
  }

  /** The authority that is in force now. Nobody leads before there is one. */
  follow(authority: CertificateAuthority): void {
    this.#authority = authority;
    this.#term?.roots.replace(rootBundle(authority));
    this.#begin();
  }

  async run(signal: AbortSignal): Promise<void> {
    await new Promise<void>(begin => {
      this.#begin = begin;
      signal.addEventListener('abort', () => begin(), { once: true });
      if (this.#authority || signal.aborted) begin();
    });
    await this.#election.run(signal, permit => this.#lead(permit));
  }

  async #lead(permit: Permit): Promise<void> {
    if (!this.#authority) throw new Error('nobody leads before there is an authority');
    const roots = new RootCertificates(this.#cluster, rootBundle(this.#authority));
    this.#term = { permit, roots };
    try {
      await roots.run(permit);
    } finally {
      this.#term = undefined;
    }
  }
}
