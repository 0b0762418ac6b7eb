import { bounds } from '../bounds.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../unknown.ts';
import { Remembered } from './remembered.ts';
import type { ServiceAccountName } from './service-account-token.ts';

/** The spec of an authorization.k8s.io/v1 SubjectAccessReview. */
export interface AccessQuestion {
  readonly user: string;
  readonly resourceAttributes: { readonly verb: 'list'; readonly resource: 'secrets'; readonly namespace: string };
}

/** Asks an API server for a SubjectAccessReview. Rejects where it does not answer in its time. */
export type ReviewAccess = (question: AccessQuestion) => Promise<{
  readonly allowed: boolean;
  /** Why, in the API server's words. */
  readonly reason?: string | undefined;
}>;

/** Whether a service account may list Secrets. */
export interface Access {
  readonly allowed: boolean;
  /** Why not, where somebody said so. */
  readonly reason: string;
  /** Until when the answer is good, in milliseconds since 1970. */
  readonly until: number;
}

const MINUTE = 60_000;

/** How long after a question that was not answered the next one is asked, in milliseconds. */
const AGAIN = 5_000;

/** Whether service accounts may list the Secrets of their namespaces: only then are their gateways given private keys (istio: Authorize). */
export class SecretAccess {
  readonly #review: ReviewAccess;
  readonly #clock: Clock;
  readonly #answers: Remembered<Access>;

  constructor(review: ReviewAccess, clock: Clock) {
    this.#review = review;
    this.#clock = clock;
    this.#answers = new Remembered({
      clock,
      until: answer => answer.until,
      lasts: answer => answer.allowed,
      mostKnown: 1_000,
      mostAsked: 1_000,
      atOnce: 16,
      mostMs: bounds['review-ms'].most,
    });
  }

  /** Whether it may; not, where that cannot be found out. Never rejects. */
  async mayListSecrets({ namespace, name }: ServiceAccountName): Promise<Access> {
    const user = `system:serviceaccount:${namespace}:${name}`;
    const question: AccessQuestion = { user, resourceAttributes: { verb: 'list', resource: 'secrets', namespace } };
    const ask = async (): Promise<Access> => {
      const { allowed, reason = '' } = await this.#review(question);
      // istiod's: a right that was given is seen within a minute, one that was taken within five.
      return { allowed, reason, until: this.#clock.now() + (allowed ? 5 : 1) * MINUTE };
    };
    return this.#answers.get(user, ask).catch((error: unknown) => ({
      allowed: false,
      reason: `the API server could not be asked: ${messageOf(error)}`,
      until: this.#clock.now() + AGAIN,
    }));
  }
}
