import type { ApiClient } from '../kubernetes/api-client.ts';
import { LeaderElection } from '../kubernetes/leader.ts';
import type { Permit } from '../kubernetes/writer.ts';
import type { Cluster } from './cluster.ts';

/**
 * The Lease of the replica that alone writes what the authority is about. istiod's locks are ConfigMaps of other names (`istio-leader`,
 * `istio-namespace-controller-election`), which the istiod of the default revision takes from everybody else: an istiod beside leads for itself.
 */
export const LEADER_LEASE = 'pilotlight-ca-leader';

/** The Lease of the replica that alone writes what the webhooks of a revision are about: revisions share the mesh's authority, and have each their own webhooks. */
export const webhookLease = (revision: string): string => `pilotlight-webhook-leader-${revision}`;

/** Part of a leader's work. It ends when the term does. */
export type Duty = (term: Permit) => Promise<void>;

/** Who competes for which Lease. */
export interface Candidate {
  readonly lease: string;
  readonly identity: string;
}

/** Competes for a Lease until `signal` aborts, and does its duties in every term. Where one of them fails the term ends. */
export async function lead(
  { namespace, log, leaderTiming }: Cluster,
  client: ApiClient,
  { lease, identity }: Candidate,
  duties: () => readonly Duty[],
  signal: AbortSignal,
): Promise<void> {
  const election = new LeaderElection({
    client,
    log,
    namespace,
    name: lease,
    identity,
    ...(leaderTiming && { timing: leaderTiming }),
  });
  await election.run(signal, async term => {
    await Promise.all(duties().map(duty => duty(term)));
  });
}
