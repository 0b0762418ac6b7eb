import type { ApiClient } from './api-client.ts';

/** What the API server says of a token: the status of an authentication.k8s.io/v1 TokenReview. */
interface Reviewed {
  readonly authenticated?: boolean;
  readonly error?: string;
  readonly audiences?: readonly string[];
  readonly user?: {
    readonly username?: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
}

/** Milliseconds in which the API server is to answer: who waits for it is a stream that has not begun. */
const ANSWER_MS = 5_000;

/** Has the API server review tokens. */
export const reviewBy =
  (client: ApiClient) =>
  async (token: string, audiences: readonly string[]): Promise<Reviewed> => {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } };
    const path = '/apis/authentication.k8s.io/v1/tokenreviews';
    const signal = AbortSignal.timeout(ANSWER_MS);
    const { status = {} } = (await client.json(path, { method: 'POST', body, signal })) as { status?: Reviewed };
    return status;
  };
