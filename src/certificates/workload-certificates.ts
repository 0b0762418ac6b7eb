import { type Clock, runAt } from '../clock.ts';
import type { Log } from '../log/log.ts';
import { memo } from '../memo.ts';
import type { Caller } from '../security/authenticate.ts';
import { type CertificateAuthority, joinedPem, rootBundle } from '../security/authority.ts';
import { timeText } from '../security/certificate.ts';
import { leafLife } from '../security/issue.ts';
import { type OwnCertificate, ownCertificate, renewalTime } from '../security/own-certificate.ts';
import { MESH_ROOTS, WORKLOAD_CERTIFICATE } from '../translate/clusters/sds.ts';
import type { Stream } from '../xds/handler.ts';
import { encodeResource, Part } from '../xds/resource-set.ts';
import { resourceIn, type View } from '../xds/view.ts';
import { SigningLine } from './signing-line.ts';

/** The secrets of one stream. Whoever holds them has its private key. */
export interface WorkloadSecrets {
  /** The certificate with its key: of this stream alone. */
  readonly own: Part;
  /** The roots, one part for all streams. */
  readonly roots: Part;
}

interface Made {
  readonly own: Part;
  readonly by: CertificateAuthority;
  readonly renewAt: number;
}

/** What a stream has, for as long as it lasts. */
interface Held {
  readonly caller: Caller;
  made: Made;
  cancel: () => void;
}

/** A client that waits to be admitted. */
interface Waiting {
  /** The address at the other end. */
  readonly connection: string;
  /** Whether it has gone meanwhile. */
  readonly isOver: () => boolean;
}

export interface WorkloadCertificatesContext {
  /** Roots in PEM that the mesh trusts beside those of the authority; may be empty. */
  readonly otherRoots: () => string;
  readonly clock: Clock;
  readonly log: Log;
  /** How long leaves live, in seconds. */
  readonly life?: number;
  readonly line?: SigningLine;
}

/** Milliseconds until what could not be signed is tried again. */
const AGAIN = 10_000;
/** A certificate is not renewed sooner than after so many milliseconds, however short its life is. */
const SOONEST = 500;

const rootsOf = memo((authority: CertificateAuthority, others: string): Part => {
  const trusted_ca = { inline_bytes: Buffer.from(joinedPem(rootBundle(authority), others)) };
  return new Part([encodeResource('secret', { name: MESH_ROOTS, validation_context: { trusted_ca } })]);
});

const ownPart = ({ chain, key }: OwnCertificate): Part =>
  new Part([
    encodeResource('secret', {
      name: WORKLOAD_CERTIFICATE,
      tls_certificate: {
        certificate_chain: { inline_bytes: Buffer.from(chain.join('')) },
        private_key: { inline_bytes: Buffer.from(key.revealPem()) },
      },
    }),
  ]);

/**
 * The certificates of proxies without an agent, which get them over the streams on which they proved who they are: for that identity, whatever
 * their Nodes say. A key is made here, kept for as long as its stream has it, and sent to that stream alone. It is renewed at half its life,
 * and at once when the authority is another.
 */
export class WorkloadCertificates<C extends { readonly id: string }> {
  readonly #context: WorkloadCertificatesContext;
  readonly #line: SigningLine;
  readonly #admitted = new WeakMap<C, Held>();
  readonly #streams = new Map<Stream<C>, Held>();
  #inForce: CertificateAuthority | undefined;

  constructor(context: WorkloadCertificatesContext) {
    this.#context = context;
    this.#line = context.line ?? new SigningLine();
  }

  /** Signs by another authority from now on: every stream gets a new certificate, and the roots. */
  use(authority: CertificateAuthority): void {
    this.#inForce = authority;
    for (const [stream, held] of this.#streams) this.#renew(stream, held);
  }

  /** Makes the first certificate of a client that is to be admitted; none where it has gone. Rejects where nothing can be signed. */
  async admit(client: C, caller: Caller, { connection, isOver }: Waiting): Promise<void> {
    const made = await this.#line.first(connection, isOver, () => this.#make(caller));
    if (made) this.#admitted.set(client, { caller, made, cancel: () => {} });
  }

  /** The stream of a client has begun. */
  opened(stream: Stream<C>): void {
    const held = this.#admitted.get(stream.client);
    if (!held) return;
    this.#streams.set(stream, held);
    if (held.made.by === this.#inForce) this.#await(stream, held);
    else this.#renew(stream, held);
  }

  /** It is over: what it had is forgotten. */
  closed(stream: Stream<C>): void {
    this.#streams.get(stream)?.cancel();
    this.#streams.delete(stream);
    this.#admitted.delete(stream.client);
  }

  /** What a client is to have; undefined for who has an agent, or has proved nothing. */
  of(client: C): WorkloadSecrets | undefined {
    const held = this.#admitted.get(client);
    return held && this.#secretsOf(held);
  }

  /** A client has acknowledged secrets; gives the step of a rotation that it has all of by now. */
  acknowledge(client: C, view: View): string | undefined {
    const held = this.#admitted.get(client);
    if (!held) return undefined;
    const { by } = held.made;
    const { own, roots } = this.#secretsOf(held);
    const hasAll = [...own.list, ...roots.list].every(
      ({ name, version }) => resourceIn(view, name)?.version === version,
    );
    return hasAll ? by.step : undefined;
  }

  #secretsOf({ made }: Held): WorkloadSecrets {
    return { own: made.own, roots: rootsOf(made.by, this.#context.otherRoots()) };
  }

  async #make({ identity, proof, expiresAt }: Caller): Promise<Made> {
    const authority = this.#inForce;
    const { clock, life = leafLife.default } = this.#context;
    const now = clock.now();
    if (!authority) throw new Error('there is no authority yet');
    if (authority.notAfter <= now)
      throw new Error(`the signing certificate has expired at ${timeText(authority.notAfter)}`);
    // By a certificate nobody gets one that outlives it: else one that was stolen would last for ever.
    const longest = proof === 'certificate' ? (expiresAt - now) / 1_000 : life;
    const certificate = await ownCertificate(authority, [identity.uri], Math.min(life, longest), now);
    const renewAt = Math.max(now + SOONEST, renewalTime(now, certificate.notAfter, Math.random()));
    return { own: ownPart(certificate), by: authority, renewAt };
  }

  /** Waits for the time of the next certificate. */
  #await(stream: Stream<C>, held: Held): void {
    held.cancel();
    held.cancel = runAt(this.#context.clock, held.made.renewAt, () => this.#renew(stream, held));
  }

  #renew(stream: Stream<C>, held: Held): void {
    held.cancel();
    const isOver = (): boolean => this.#streams.get(stream) !== held;
    const renewed = this.#line.later(async () => {
      if (isOver() || (held.made.by === this.#inForce && this.#context.clock.now() < held.made.renewAt)) return;
      const made = await this.#make(held.caller);
      if (isOver()) return;
      held.made = made;
      stream.touch([]);
    });
    renewed.then(
      () => {
        if (!isOver()) this.#await(stream, held);
      },
      (error: unknown) => {
        const { clock, log } = this.#context;
        log.error({ proxy: stream.client.id, err: error }, 'the certificate of a proxy could not be renewed');
        if (!isOver()) held.cancel = clock.after(AGAIN, () => this.#renew(stream, held));
      },
    );
  }
}
