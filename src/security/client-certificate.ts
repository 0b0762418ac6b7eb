import type { X509Certificate } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { parseSpiffeId } from '../istio/spiffe.ts';
import { type Authenticator, type Proof, unproven } from './authenticate.ts';
import { untimely, uriNames, validityOf } from './certificate.ts';
import { pathToRoot } from './certificate-path.ts';
import { ExtendedKeyUsage } from './x509.ts';

/** The roots of each trust domain whose workloads may call. */
export type TrustedRoots = ReadonlyMap<string, readonly X509Certificate[]>;

/** What Go's verification asks of a client certificate: tls.Config wants the one, x509.VerifyOptions without KeyUsages the other. */
const usages: readonly string[] = [ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth];

/** No workload's chain comes near it; Node's TLS has bounds of its own on bytes. */
const longestChain = 10;

/**
 * Checks a client certificate, and what was sent behind it, as istiod does at the handshake (istio: PeerCertVerifier): exactly one URI among
 * its names, a SPIFFE id, and a path to a root of that trust domain. A certificate that is no proof is to end the handshake.
 */
export function verifyClientCertificate(chain: readonly X509Certificate[], roots: TrustedRoots, now: number): Proof {
  try {
    return verifyReadable(chain, roots, now);
  } catch {
    return unproven('the client certificate, or what was sent behind it, cannot be read');
  }
}

function verifyReadable(chain: readonly X509Certificate[], roots: TrustedRoots, now: number): Proof {
  const [leaf, ...intermediates] = chain;
  if (!leaf) return unproven('no client certificate is presented');
  if (chain.length > longestChain)
    return unproven(`${chain.length} certificates were sent, at most ${longestChain} are read`);
  const uris = uriNames(leaf);
  const [uri = ''] = uris;
  if (uris.length !== 1) return unproven(`peer certificate does not contain 1 URI type SAN, detected ${uris.length}`);
  const identity = parseSpiffeId(uri);
  if (!identity) return unproven(`${uri} is no SPIFFE id of a service account`);
  const trusted = roots.get(identity.trustDomain);
  if (!trusted) return unproven(`no cert pool found for trust domain ${identity.trustDomain}`);
  const late = untimely(leaf, now);
  if (late) return unproven(`the client certificate ${late}`);
  if (leaf.keyUsage && !usages.every(usage => leaf.keyUsage.includes(usage)))
    return unproven('the client certificate is not for clients and servers (extendedKeyUsage)');
  if (!pathToRoot(leaf, intermediates, trusted, now))
    return unproven(`the client certificate does not lead to a root of ${identity.trustDomain}`);
  return { ok: true, caller: { proof: 'certificate', identity, expiresAt: validityOf(leaf).notAfter } };
}

/** Knows workloads by their certificates. */
export const clientCertificates = (roots: () => TrustedRoots, clock: Clock): Authenticator => ({
  name: 'client certificate',
  authenticate: async ({ certificates }) => verifyClientCertificate(certificates, roots(), clock.now()),
});
