import type { X509Certificate } from 'node:crypto';
import { failureLine } from '../kubernetes/api-error.ts';
import { microTime, type Resource, SECRETS } from '../kubernetes/object.ts';
import type { Permit } from '../kubernetes/writer.ts';
import { timeText, validityOf } from '../security/certificate.ts';
import {
  certificateLife,
  type Milestone,
  nextMilestone,
  type WatchedCertificate,
  watchedCertificates,
} from '../security/certificate-life.ts';
import { authorityOf } from '../security/rotation.ts';
import { rotationSecret } from '../security/rotation-secret.ts';
import { isObject } from '../unknown.ts';
import { type Bell, lookOut } from './bell.ts';
import type { Cluster } from './cluster.ts';
import type { AuthorityState } from './secret-authority.ts';

const EVENTS: Resource = { apiVersion: 'events.k8s.io/v1', plural: 'events' };

/** On the Secret of the leader: the last part of its life that was told of each certificate, by its serial number. */
const TOLD = 'pilotlight.io/expiry-told';

/** Milliseconds from one look to the next. */
const LOOK = { least: 1_000, most: 3_600_000 };

const remedies: Readonly<Record<WatchedCertificate['role'], string>> = {
  root: 'It is replaced in time where it is the mesh’s own; one of cacerts is to be replaced there',
  intermediate: 'Replace it in cacerts: what it signs ends when it does',
  serving: 'It should have been renewed at half of its life: the log says why it was not',
};

/** What the leader watches. */
export interface ExpiryEventsContext {
  readonly cluster: Cluster;
  /** Names the replica in Events. */
  readonly replica: string;
  readonly state: () => AuthorityState | undefined;
  /** That of this replica's TLS port. */
  readonly serving: () => X509Certificate | undefined;
  /** Rung where other certificates are in force. */
  readonly bell: Bell;
}

function toldOf(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const told: unknown = JSON.parse(text ?? '{}');
    return isObject(told) ? told : {};
  } catch {
    return {};
  }
}

/** Tells people by Events, once each, that 50, 75 and 90 % of a certificate's life are over. For the leader alone. */
export async function tellExpiry(
  { cluster, replica, state, serving, bell }: ExpiryEventsContext,
  term: Permit,
): Promise<void> {
  const { clock, log, namespace } = cluster;
  const writer = cluster.writer(term);
  const pod = process.env['POD_NAME'];

  const tell = async (watched: WatchedCertificate, milestone: Milestone, secret: string): Promise<void> => {
    const { role, certificate } = watched;
    const serial = certificate.serialNumber.toLowerCase();
    const regarding =
      role === 'serving' && pod
        ? { apiVersion: 'v1', kind: 'Pod', namespace, name: pod }
        : { apiVersion: 'v1', kind: 'Secret', namespace, name: secret };
    const { notAfter } = validityOf(certificate);
    const note = `${milestone} % of the life of the ${role} certificate ${serial} are over: it ends at ${timeText(notAfter)}. ${remedies[role]}.`;
    const event = {
      apiVersion: EVENTS.apiVersion,
      kind: 'Event',
      metadata: { name: `${regarding.name}.${serial.slice(-12)}.${milestone}`, namespace },
      eventTime: microTime(clock.now()),
      reportingController: 'pilotlight.io/ca',
      reportingInstance: replica.slice(0, 128),
      action: 'Expire',
      reason: 'CertificateExpiry',
      type: milestone < 90 ? 'Normal' : 'Warning',
      regarding,
      note,
    };
    await writer.create(EVENTS, event);
  };

  const look = async (): Promise<number> => {
    const current = state();
    const stored = current?.found.rotation;
    if (!current || !stored) return LOOK.least;
    const now = clock.now();
    const watched = watchedCertificates(authorityOf(current.inForce.rotation), serving());
    const told = toldOf(stored.metadata.annotations?.[TOLD]);
    const next: Record<string, number> = {};
    for (const each of watched) {
      const { serialNumber, milestone } = certificateLife(each, now);
      if (milestone === undefined) continue;
      if (told[serialNumber] !== milestone) await tell(each, milestone, current.inForce.source);
      next[serialNumber] = milestone;
    }
    const text = JSON.stringify(next);
    if (text !== JSON.stringify(told))
      await writer.patch(
        SECRETS,
        { namespace, name: rotationSecret.name },
        { metadata: { annotations: { [TOLD]: text } } },
      );
    const soonest = Math.min(...watched.map(({ certificate }) => nextMilestone(validityOf(certificate), now) - now));
    return Math.min(LOOK.most, Math.max(LOOK.least, soonest));
  };

  const failed = (error: unknown): void =>
    log.error({ err: failureLine(error) }, 'the end of a certificate cannot be told by an Event');
  await lookOut({ bell, look, again: LOOK.most, failed }, term);
}
