import { status } from '../grpc/status.ts';
import type { Value } from '../proto/generated/google/protobuf.ts';
import type { IstioCertificateRequest, IstioCertificateResponse } from '../proto/generated/istio/v1/auth.ts';
import type { Caller } from './authenticate.ts';
import type { CertificateAuthority } from './authority.ts';
import { type Refusal, refused } from './refusal.ts';
import { certificateChain, signRequest } from './sign-request.ts';

/** With it a node's proxy (ztunnel) asks in the name of a pod. */
const IMPERSONATED = 'ImpersonatedIdentity';

/** A certificate as an answer to who asked for it. */
export type Created =
  | {
      readonly ok: true;
      readonly response: IstioCertificateResponse;
      /** The end of the leaf, in milliseconds since 1970. */
      readonly notAfter: number;
    }
  | Refusal;

const textOf = (value: Value | undefined): string => value?.string_value ?? '';

/**
 * Answers `istio.v1.auth.IstioCertificateService/CreateCertificate` for a caller that is known. `CertSigner` of the metadata makes no
 * difference, as with istiod's own CA. Nobody may ask in the name of another: istiod without CA_TRUSTED_NODE_ACCOUNTS.
 */
export async function createCertificate(
  authority: CertificateAuthority,
  { csr = '', validity_duration: validityDuration = 0, metadata }: IstioCertificateRequest,
  { identity }: Caller,
  now: number,
): Promise<Created> {
  const impersonated = textOf(metadata?.fields?.[IMPERSONATED]);
  if (impersonated)
    return refused(
      status.UNAUTHENTICATED,
      'request impersonation authentication failure',
      `${identity.uri} asked in the name of ${impersonated}: nobody may`,
    );
  const signed = await signRequest(authority, { csr, identity: identity.uri, validityDuration }, now);
  return signed.ok
    ? { ok: true, response: { cert_chain: certificateChain(signed) }, notAfter: signed.notAfter }
    : signed;
}
