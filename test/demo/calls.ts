/** A call of productpage to reviews. */
export interface ReviewsCall {
  /** By the clock of `performance`. */
  readonly at: number;
  /** Who is logged in; empty: nobody. */
  readonly user: string;
  /** The version that answered; undefined: an error came back. */
  readonly version: string | undefined;
  readonly ms: number;
}

/** Calls counted. Shares are of all calls, between 0 and 1. */
export interface Shares {
  readonly calls: number;
  readonly v1: number;
  readonly v2: number;
  readonly v3: number;
  readonly errors: number;
  /** Milliseconds that half of the calls, and 99 of 100, did not exceed. */
  readonly p50: number;
  readonly p99: number;
}

/** Counts calls. */
export function sharesOf(calls: readonly ReviewsCall[]): Shares {
  const share = (version: string | undefined): number =>
    calls.length === 0 ? 0 : calls.filter(c => c.version === version).length / calls.length;
  const sorted = calls.map(c => c.ms).sort((a, b) => a - b);
  const below = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return {
    calls: calls.length,
    v1: share('v1'),
    v2: share('v2'),
    v3: share('v3'),
    errors: share(undefined),
    p50: below(0.5),
    p99: below(0.99),
  };
}

/** The calls of late, oldest first. */
export class Calls {
  #calls: ReviewsCall[] = [];

  add(call: ReviewsCall): void {
    this.#calls.push(call);
    if (this.#calls.length > 4000) this.#calls = this.#calls.slice(-2000);
  }

  /** Those of the last `ms` milliseconds. */
  since(ms: number): readonly ReviewsCall[] {
    const from = performance.now() - ms;
    return this.#calls.filter(c => c.at >= from);
  }

  /** The last `n` of a user; undefined where there are not so many yet. */
  last(n: number, user: string): readonly ReviewsCall[] | undefined {
    const own = this.#calls.filter(c => c.user === user);
    return own.length < n ? undefined : own.slice(-n);
  }
}
