import { randomBytes, type X509Certificate } from 'node:crypto';
import { hostname } from 'node:os';
import type { Problem } from '../config/problem.ts';
import type { ApiClient } from '../kubernetes/api-client.ts';
import type { Permit } from '../kubernetes/writer.ts';
import { objectKey } from '../object-key.ts';
import type { Acknowledgements } from '../security/acknowledgements.ts';
import { type CertificateAuthority, isSameAuthority, rootBundle } from '../security/authority.ts';
import { authorityOf, type Pace, type RotationStep, stepOf, usualPace } from '../security/rotation.ts';
import { rotationSecret } from '../security/rotation-secret.ts';
import { Bell } from './bell.ts';
import type { Cluster } from './cluster.ts';
import { tellExpiry } from './expiry-events.ts';
import { LEADER_LEASE, lead, webhookLease } from './leader.ts';
import { Replicas } from './replicas.ts';
import { rootsOfNamespaces } from './root-certificates.ts';
import { Rotating } from './rotating.ts';
import { type AuthorityState, SecretAuthority, type StateHeard } from './secret-authority.ts';
import { type Kept, Upkeep } from './upkeep.ts';
import { rootsOfWebhooks } from './webhook-roots.ts';

/** Who hears of the authority of a mesh. */
export interface AuthorityHeard {
  /** Each that is in force. */
  inForce(authority: CertificateAuthority): void;
  /** All that is wrong with what it is kept in, and who holds up a rotation. */
  problems(problems: readonly Problem[]): void;
  /** How far a rotation has come. For how many it waits the leader alone knows. */
  rotation?(step: RotationStep, waitedFor: number): void;
}

/** What an authority is for. */
export interface AuthorityMesh {
  readonly trustDomain: () => string;
  readonly acknowledgements: Acknowledgements;
  readonly pace?: Pace;
  /** Whose webhooks are known by the mesh's roots; nobody's without. */
  readonly revision?: string | undefined;
  /** The certificate of this replica's TLS port. */
  readonly serving?: () => X509Certificate | undefined;
}

/** Milliseconds from one look at a rotation to the next: often enough for its pace. */
const lookEvery = ({ beforeSigning, beforeDropping }: Pace): number =>
  Math.min(10_000, Math.max(250, Math.min(beforeSigning, beforeDropping) / 4));

/** Follows the authority that a cluster keeps, and competes for doing what one replica alone does for it. Resolves once it has been looked up. */
export async function clusterAuthority(
  cluster: Cluster,
  client: ApiClient,
  { trustDomain, acknowledgements, pace = usualPace, revision, serving = () => undefined }: AuthorityMesh,
  heard: AuthorityHeard,
  signal: AbortSignal,
): Promise<void> {
  const replica = `${process.env['POD_NAME'] ?? hostname()}-${randomBytes(4).toString('hex')}`;
  const every = lookEvery(pace);
  const replicas = new Replicas(cluster, client, replica, every);
  let state: AuthorityState | undefined;
  let current: CertificateAuthority | undefined;
  let roots: Upkeep | undefined;
  let webhooks: Upkeep | undefined;
  let ofSecrets: readonly Problem[] = [];
  let ofRotation: readonly Problem[] = [];
  let waitedFor = 0;
  const ofExpiry = new Bell();
  const tell = (): void => {
    heard.problems([...ofSecrets, ...ofRotation]);
    if (state) heard.rotation?.(stepOf(state.inForce.rotation), waitedFor);
  };
  const rotating = new Rotating(
    {
      cluster,
      replicas,
      pace,
      trustDomain,
      state: () => state,
      owed: () => roots?.owed,
      holding(holding) {
        const object = objectKey('Secret', cluster.namespace, rotationSecret.name);
        waitedFor = holding?.count ?? 0;
        ofRotation = holding ? [{ object, path: '', message: holding.message, severity: 'warning' }] : [];
        tell();
      },
    },
    every,
  );
  const isRotating = (): boolean => state !== undefined && stepOf(state.inForce.rotation) !== 'settled';

  const begin = (): void => {
    void replicas.run(acknowledgements, isRotating, signal);
    const keeping = (kept: Kept): Upkeep => new Upkeep(cluster, kept, current ? rootBundle(current) : '');
    const duties = () => {
      const keeps = keeping(rootsOfNamespaces(cluster));
      roots = keeps;
      const expiry = { cluster, replica, state: () => state, serving, bell: ofExpiry };
      return [
        (term: Permit) => keeps.run(term),
        (term: Permit) => rotating.run(term),
        (term: Permit) => tellExpiry(expiry, term),
      ];
    };
    void lead(cluster, client, { lease: LEADER_LEASE, identity: replica }, duties, signal);
    if (revision === undefined) return;
    const webhookDuties = () => {
      const keeps = keeping(rootsOfWebhooks(cluster, revision));
      webhooks = keeps;
      return [(term: Permit) => keeps.run(term)];
    };
    void lead(cluster, client, { lease: webhookLease(revision), identity: replica }, webhookDuties, signal);
  };

  const secrets: StateHeard = {
    state(next) {
      state = next;
      const { rotation } = next.inForce;
      const authority = authorityOf(rotation);
      const isSame = current && isSameAuthority(current, authority);
      // Nobody is waited for where nothing is under way.
      if (!isSame || (stepOf(rotation) !== 'settled' && current?.step !== authority.step)) {
        const isFirst = !current;
        current = authority;
        heard.inForce(authority);
        roots?.replace(rootBundle(authority));
        webhooks?.replace(rootBundle(authority));
        if (isFirst) begin();
      }
      tell();
      for (const bell of [rotating.bell, replicas.bell, ofExpiry]) bell.ring();
    },
    problems(problems) {
      ofSecrets = problems;
      tell();
    },
  };
  await new SecretAuthority(cluster, trustDomain, secrets, signal).follow();
}
