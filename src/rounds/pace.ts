/** The last round of pushes. */
export interface Round {
  /** When it began, in milliseconds of the clock. */
  readonly begun: number;
  /** Milliseconds of CPU time until every stream had had its turn. */
  readonly cost: number;
}

/** Milliseconds that a change waits at most for others to share its push once the last round is over, where that one cost little. */
const LONGEST_WAIT = 75;
/** After a dearer round, the next waits so many times what it cost. */
const BREATH = 2.5;

/**
 * When a round may begin for changes of which the first arrived at `since`: once what the last round has come to is no more than `share` of a
 * core, and no later than a change can be kept waiting. `spent` is that: milliseconds of CPU time since it began, the answers to it included. After
 * quiet that is at once. It is a control loop and no fixed delay: where a round is cheap there is hardly a wait, and where it is dear more
 * changes share the next one.
 */
export function nextRoundAt(last: Round | undefined, spent: number, since: number, share: number): number {
  if (!last) return since;
  const paid = last.begun + spent / share;
  const latest = last.begun + last.cost + Math.max(LONGEST_WAIT, BREATH * last.cost);
  return Math.max(since, Math.min(paid, latest));
}
