import { bounds } from '../bounds.ts';
import type { Clock } from '../clock.ts';
import { Remembered } from './remembered.ts';
import type { ServiceAccountName } from './service-account-token.ts';

/** The spec of an authorization.k8s.io/v1 SubjectAccessReview. */
export interface AccessQuestion {
  readonly user: string;
  readonly resourceAttributes: { readonly verb: 'list'; readonly resource: 'secrets'; readonly namespace: string };
}

/** Asks an API server for a SubjectAccessReview; whether it is allowed. Rejects where it does not answer in its time. */
export type ReviewAccess = (question: AccessQuestion) => Promise<boolean>;

const MINUTE = 60_000;

/** Whether a gateway's service account may list the Secrets of its namespace: only then it is given their private keys (istio: Authorize). */
export class SecretAccess {
  readonly #review: ReviewAccess;
  readonly #answers: Remembered<boolean>;

  constructor(review: ReviewAccess, clock: Clock) {
    this.#review = review;
    this.#answers = new Remembered({
      clock,
      // istiod's: a right that was given is seen within a minute, one that was taken within five.
      until: (allowed, now) => now + (allowed ? 5 : 1) * MINUTE,
      mostKnown: 1_000,
      mostAsked: 1_000,
      atOnce: 16,
      mostMs: bounds['review-ms'].most,
    });
  }

  /** Whether it may; not, where that cannot be found out: then it is asked again the next time. */
  async mayListSecrets({ namespace, name }: ServiceAccountName): Promise<boolean> {
    const user = `system:serviceaccount:${namespace}:${name}`;
    const question: AccessQuestion = { user, resourceAttributes: { verb: 'list', resource: 'secrets', namespace } };
    return this.#answers.get(user, () => this.#review(question)).catch(() => false);
  }
}
