import { hash } from 'node:crypto';
import { bounds, sentenceOf } from '../bounds.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../unknown.ts';
import { type Proof, unproven } from './authenticate.ts';
import { CrowdedError, Remembered } from './remembered.ts';

const SECOND = 1_000;

/** How long an answer is good for, in milliseconds: a deleted pod's token stops working within the first. */
const life = { accepted: 60 * SECOND, refused: 5 * SECOND } as const;

/**
 * Remembers what is known of tokens, by their SHA-256: for no longer than a minute or the token's own life. A token is reviewed once however
 * many ask; a review that failed is not remembered.
 */
export class ProofCache {
  readonly #proofs: Remembered<Proof>;

  constructor(clock: Clock) {
    this.#proofs = new Remembered({
      clock,
      until: (proof, now) => (proof.ok ? Math.min(now + life.accepted, proof.caller.expiresAt) : now + life.refused),
      lasts: proof => proof.ok,
      mostKnown: bounds['known-tokens'].most,
      mostAsked: bounds['token-reviews'].most,
      atOnce: 32,
      mostMs: bounds['review-ms'].most,
    });
  }

  /** What is known of the token, or what `review` finds. `origin` is the address that it came from. */
  async get(token: string, review: () => Promise<Proof>, origin = ''): Promise<Proof> {
    const key = hash('sha256', token, 'base64');
    return this.#proofs
      .get(key, review, origin)
      .catch((error: unknown) =>
        unproven(
          error instanceof CrowdedError ? sentenceOf('token-reviews') : `it cannot be reviewed: ${messageOf(error)}`,
        ),
      );
  }
}
