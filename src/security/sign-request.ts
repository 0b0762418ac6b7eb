import { status } from '../grpc/status.ts';
import { type CertificateAuthority, joinedPem } from './authority.ts';
import { timeText } from './certificate.ts';
import { readCsr } from './csr.ts';
import { type Issued, issue, leafLife } from './issue.ts';
import { type Refusal, refused } from './refusal.ts';

/** A request to sign: `istio.v1.auth.IstioCertificateRequest`, and who asks. */
export interface SigningRequest {
  /** The CSR in PEM. */
  readonly csr: string;
  /** The identity that the caller proved. The names in the CSR are not read. */
  readonly identity: string;
  /** In seconds; zero or less is the default. */
  readonly validityDuration: number;
}

/** istiod's words for why nothing was signed (security/pkg/pki/error). */
export type SigningError = 'CSR_ERROR' | 'TTL_ERROR' | 'CERT_GEN_ERROR';

interface NotSigned extends Refusal {
  readonly error: SigningError;
}

/** The longest CN that X.509 has room for (RFC 5280, ub-common-name). */
const longestCommonName = 64;

/** Seconds as Go prints a duration: `2160h0m1s`. */
export function goDuration(seconds: number): string {
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60), seconds % 60];
  return `${h ? `${h}h` : ''}${h || m ? `${m}m` : ''}${s}s`;
}

/**
 * Signs what a workload asks for, or refuses with istiod's code and words: InvalidArgument for a bad CSR or too long a life, Internal where
 * the signer has expired.
 */
export async function signRequest(
  authority: CertificateAuthority,
  { csr, identity, validityDuration }: SigningRequest,
  now: number,
): Promise<({ readonly ok: true } & Issued) | NotSigned> {
  const request = readCsr(csr);
  if (!request.ok) return { ...request, error: 'CSR_ERROR' };
  if (validityDuration > leafLife.most)
    return {
      ...refused(
        status.INVALID_ARGUMENT,
        `CSR signing error (requested TTL ${goDuration(validityDuration)} is greater than the max allowed TTL ${goDuration(leafLife.most)})`,
      ),
      error: 'TTL_ERROR',
    };
  if (now >= authority.notAfter)
    return {
      ...refused(
        status.INTERNAL,
        `CSR signing error (signing certificate has expired at ${timeText(authority.notAfter)})`,
      ),
      error: 'CERT_GEN_ERROR',
    };
  const issued = await issue(
    authority,
    {
      publicKey: request.publicKey,
      names: [identity],
      commonName: request.wantsCommonName && identity.length <= longestCommonName ? identity : undefined,
      life: validityDuration > 0 ? validityDuration : leafLife.default,
    },
    now,
  );
  return { ok: true, ...issued };
}

/**
 * The `cert_chain` of an `IstioCertificateResponse`: one certificate each, the leaf first, and the roots last as one text, which pilot-agent
 * makes its `ROOTCA`. It wants two texts at least.
 */
export const certificateChain = ({ chain, roots }: Issued, otherRoots = ''): readonly string[] => [
  ...chain,
  joinedPem(roots, otherRoots),
];
