/** The waits of the Kubernetes source, in milliseconds unless the name says otherwise. Tests shorten them. */
export interface Timing {
  /** A watch on which nothing arrives for so long is dead; the API server sends a bookmark each minute. */
  readonly silenceMs: number;
  /** First and longest wait before a failed request is tried again. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
  /** A watch that lived so long worked: the waits begin small again. */
  readonly livedMs: number;
  /** How often the API server is asked for a kind whose CRD is not installed. */
  readonly absentMs: number;
  /** How long the API server may keep one watch open: a random time in this range, so that watches do not end together. */
  readonly watchSeconds: readonly [number, number];
  /** Objects a page of a list. */
  readonly pageSize: number;
}

export const DEFAULT_TIMING: Timing = {
  silenceMs: 150_000,
  retryMs: 200,
  retryMaxMs: 10_000,
  livedMs: 60_000,
  absentMs: 10_000,
  watchSeconds: [300, 600],
  pageSize: 500,
};
