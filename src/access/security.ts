import type { AuthorityHeard, AuthorityMesh } from '../authority/cluster-authority.ts';
import type { Clock } from '../clock.ts';
import type { Authenticator } from '../security/authenticate.ts';
import type { ReviewAccess } from '../security/secret-access.ts';
import type { ReviewToken } from '../security/token-review.ts';

/** What vouches for proxies. */
export interface Security {
  /** Follows the mesh's certificate authority. Resolves once it has been looked up. */
  followAuthority(
    mesh: Pick<AuthorityMesh, 'trustDomain' | 'acknowledgements' | 'serving' | 'revision'>,
    heard: AuthorityHeard,
    signal: AbortSignal,
  ): Promise<void>;
  /** Knows the tokens that it has made itself. */
  readonly ownTokens?: (trustDomain: () => string, clock: Clock) => Authenticator;
  /** Who is asked about other tokens. */
  readonly review?: ReviewToken;
  /** Who is asked what a caller may have beyond its own; nobody gets it without. */
  readonly access?: ReviewAccess;
}
