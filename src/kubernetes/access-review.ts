import type { ApiClient } from './api-client.ts';

/** Milliseconds in which the API server is to answer. */
const ANSWER_MS = 5_000;

/** Has the API server say whether somebody may do something: a SubjectAccessReview of authorization.k8s.io/v1, of which `spec` is the question. */
export const accessBy =
  (client: ApiClient) =>
  async (spec: object): Promise<{ readonly allowed: boolean; readonly reason?: string | undefined }> => {
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    const signal = AbortSignal.timeout(ANSWER_MS);
    const answer = (await client.json(path, { method: 'POST', body, signal })) as {
      readonly status?: { readonly allowed?: unknown; readonly denied?: unknown; readonly reason?: string };
    };
    const { allowed, denied, reason } = answer.status ?? {};
    return { allowed: allowed === true && denied !== true, reason };
  };
