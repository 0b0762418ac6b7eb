import type { Identify } from '../access/caller.ts';
import type { Clock } from '../clock.ts';
import type { Methods } from '../grpc/server.ts';
import { StatusError, status } from '../grpc/status.ts';
import { unary } from '../grpc/unary.ts';
import type { Log } from '../log/log.ts';
import { decode, encode } from '../proto/message.ts';
import { type Acknowledgements, proxyOf } from '../security/acknowledgements.ts';
import type { CertificateAuthority } from '../security/authority.ts';
import { certificateChain, type SigningError, signRequest } from '../security/sign-request.ts';
import type { SigningLine } from './signing-line.ts';

/** What became of a request for a certificate: signed, of a caller that nobody knows, or why it was not signed. */
export type CertificateOutcome = 'signed' | 'unknown' | SigningError;

/** What certificates are signed with. */
export interface CertificateServiceContext {
  readonly authority: () => CertificateAuthority;
  /** Roots in PEM that the mesh trusts beside those of the authority; may be empty. */
  readonly otherRoots: () => string;
  readonly identify: Identify;
  readonly acknowledgements: Acknowledgements;
  /** Where certificates are signed, one after the other. */
  readonly line: SigningLine;
  readonly clock: Clock;
  readonly log: Log;
  readonly onOutcome: (outcome: CertificateOutcome) => void;
}

/** `istio.v1.auth.IstioCertificateService`: signs what its caller asks for, for the identity that the caller proved. */
export const certificateMethods = ({
  authority,
  otherRoots,
  identify,
  acknowledgements,
  line,
  clock,
  log,
  onOutcome,
}: CertificateServiceContext): Methods => ({
  '/istio.v1.auth.IstioCertificateService/CreateCertificate': unary(async (bytes, peer, waiting) => {
    const { csr = '', validity_duration, metadata } = read(bytes);
    const refuse = (
      code: StatusError['code'],
      message: string,
      reason: string,
      outcome: CertificateOutcome = 'unknown',
    ): never => {
      onOutcome(outcome);
      log.warn({ peer: peer.address, problem: reason }, 'a certificate was refused');
      throw new StatusError(code, message);
    };
    const identified = await identify(peer);
    if (!identified.ok)
      return refuse(identified.code, 'request authenticate failure', identified.reason ?? identified.message);
    const { caller } = identified;
    if (caller.kind !== 'workload')
      return refuse(status.UNAUTHENTICATED, 'request authenticate failure', `${caller.kind} has no identity`);
    if (metadata?.fields?.['ImpersonatedIdentity']?.string_value)
      return refuse(
        status.UNAUTHENTICATED,
        'request impersonation authentication failure',
        `${caller.proven.identity.uri} asks for another identity's certificate`,
      );
    const request = { csr, identity: caller.proven.identity.uri, validityDuration: Number(validity_duration ?? 0) };
    waiting.admit();
    const sign = async () => {
      const by = authority();
      return { by, signed: await signRequest(by, request, clock.now()) };
    };
    const answer = await line.first(peer.address, () => waiting.over, sign);
    if (!answer) throw new StatusError(status.UNAVAILABLE, 'the caller has gone');
    const { by, signed } = answer;
    if (!signed.ok) return refuse(signed.code, signed.message, signed.reason, signed.error);
    onOutcome('signed');
    // An agent takes both from the answer: its certificate, and the roots that its Envoy trusts.
    acknowledgements.acknowledge(proxyOf(caller.proven, peer.address), by.step);
    return encode('istio.v1.auth.IstioCertificateResponse', { cert_chain: certificateChain(signed, otherRoots()) });
  }),
});

function read(bytes: Buffer) {
  try {
    return decode('istio.v1.auth.IstioCertificateRequest', bytes);
  } catch {
    throw new StatusError(status.INVALID_ARGUMENT, 'malformed certificate request');
  }
}
