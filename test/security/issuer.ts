import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { TokenReviewStatus } from '../../src/security/token-review.ts';

/** Whose token it is, and what else differs from a good one. */
export interface TokenWish {
  readonly namespace?: string;
  readonly account?: string;
  readonly pod?: string;
  readonly audience?: string | readonly string[];
  /** In seconds from now. */
  readonly expires?: number | undefined;
  readonly issuer?: string;
  readonly key?: CryptoKey | Uint8Array;
  readonly alg?: string;
  readonly claims?: JWTPayload;
}

/** Who makes service accounts' tokens, and answers for them as an API server does. */
export class Issuer {
  readonly #keys: { readonly publicKey: CryptoKey; readonly privateKey: CryptoKey };
  readonly pods = new Set(['bookinfo-1', 'reviews-1']);
  /** How often it was asked. */
  reviews = 0;

  private constructor(keys: Issuer['keys']) {
    this.#keys = keys;
  }

  static async make(): Promise<Issuer> {
    return new Issuer(await generateKeyPair('ES256', { extractable: true }));
  }

  get keys() {
    return this.#keys;
  }

  get jwk() {
    return exportJWK(this.#keys.publicKey);
  }

  token(wish: TokenWish = {}): Promise<string> {
    const { namespace = 'default', account = 'bookinfo', pod = 'bookinfo-1', audience = 'istio-ca' } = wish;
    const now = Math.floor(Date.now() / 1_000);
    const bound = { namespace, pod: { name: pod, uid: `uid-of-${pod}` }, serviceaccount: { name: account, uid: 'u' } };
    const jwt = new SignJWT({ 'kubernetes.io': bound, ...wish.claims })
      .setProtectedHeader({ alg: wish.alg ?? 'ES256' })
      .setIssuer(wish.issuer ?? 'https://issuer.example.com')
      .setAudience(typeof audience === 'string' ? [audience] : [...audience])
      .setIssuedAt(now);
    if (!wish.claims?.sub) jwt.setSubject(`system:serviceaccount:${namespace}:${account}`);
    if (!('expires' in wish) || wish.expires !== undefined) jwt.setExpirationTime(now + (wish.expires ?? 3_600));
    return jwt.sign(wish.key ?? this.#keys.privateKey);
  }

  /** What a kube-apiserver answers to a TokenReview. */
  async review(token: string, audiences: readonly string[]): Promise<TokenReviewStatus> {
    this.reviews++;
    const verified = await jwtVerify(token, this.#keys.publicKey, { audience: [...audiences] }).catch(
      (e: unknown) => `${e}`,
    );
    if (typeof verified === 'string') return { authenticated: false, error: `[invalid bearer token, ${verified}]` };
    const { payload } = verified;
    const { namespace, pod } = payload['kubernetes.io'] as { namespace: string; pod: { name: string; uid: string } };
    if (!this.pods.has(pod.name))
      return { authenticated: false, error: '[invalid bearer token, service account token has been invalidated]' };
    return {
      authenticated: true,
      audiences: [payload.aud].flat().filter(a => a !== undefined && audiences.includes(a)) as string[],
      user: {
        username: payload.sub,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        extra: {
          'authentication.kubernetes.io/pod-name': [pod.name],
          'authentication.kubernetes.io/pod-uid': [pod.uid],
        },
      },
    };
  }
}
