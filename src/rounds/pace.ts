/** What the last round of pushes took. */
export interface Round {
  /** When it began, in milliseconds of the clock. */
  readonly begun: number;
  /** Milliseconds of CPU time until every stream had had its turn. */
  readonly cost: number;
}

/** Milliseconds that a change waits at most for others to share its push, where a round costs less than that. */
const LONGEST_WAIT = 60;
/** After a dearer round, the next waits so many times what it cost. */
const BREATH = 1.5;

/**
 * When a round may begin for changes of which the first arrived at `since`: once the last round comes to no more than `share` of a core, and
 * no later than a change can be kept waiting. After quiet that is at once. It is a control loop and no fixed delay: where a round is cheap
 * there is hardly a wait, and where it is dear more changes share the next one.
 */
export function nextRoundAt(last: Round | undefined, since: number, share: number): number {
  if (!last) return since;
  const paid = last.begun + last.cost / share;
  const latest = Math.max(since, last.begun + last.cost) + Math.max(LONGEST_WAIT, BREATH * last.cost);
  return Math.max(since, Math.min(paid, latest));
}
