import { createHash } from 'node:crypto';
import { bounds, sentenceOf } from '../bounds.ts';
import type { Clock } from '../clock.ts';
import { type Proof, unproven } from './authenticate.ts';

const SECOND = 1_000;

/** How long an answer is good for, in milliseconds: a deleted pod's token stops working within the first. */
const life = { accepted: 60 * SECOND, refused: 5 * SECOND } as const;

/** How many reviews the API server is asked for at once. */
const atOnce = 32;

/**
 * Remembers what is known of tokens, by their SHA-256: for no longer than a minute or the token's own life. A token is reviewed once however
 * many ask; a review that failed is not remembered. What it holds is bounded in number and by time.
 */
export class ProofCache {
  readonly #clock: Clock;
  readonly #known = new Map<string, { readonly proof: Proof; readonly until: number }>();
  readonly #flights = new Map<string, Promise<Proof>>();
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is known of the token, or what `review` finds. */
  async get(token: string, review: () => Promise<Proof>): Promise<Proof> {
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(key);
    if (known && this.#clock.now() < known.until) return known.proof;
    this.#known.delete(key);
    const flight = this.#flights.get(key);
    if (flight) return flight;
    if (this.#flights.size >= bounds['token-reviews'].most) return unproven(sentenceOf('token-reviews'));
    const begun = this.#review(key, review);
    this.#flights.set(key, begun);
    return begun;
  }

  async #review(key: string, review: () => Promise<Proof>): Promise<Proof> {
    if (this.#underWay < atOnce) this.#underWay++;
    else await new Promise<void>(turn => this.#waiting.push(turn));
    try {
      const proof = await review();
      this.#keep(key, proof);
      return proof;
    } catch (error) {
      return unproven(`it cannot be reviewed: ${error instanceof Error ? error.message : error}`);
    } finally {
      this.#flights.delete(key);
      const next = this.#waiting.shift();
      if (next) next();
      else this.#underWay--;
    }
  }

  #keep(key: string, proof: Proof): void {
    const now = this.#clock.now();
    const until = proof.ok ? Math.min(now + life.accepted, proof.caller.expiresAt) : now + life.refused;
    this.#known.set(key, { proof, until });
    for (const [oldest] of this.#known) {
      if (this.#known.size <= bounds['known-tokens'].most) break;
      this.#known.delete(oldest);
    }
  }
}
