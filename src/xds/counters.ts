/** How much work was done since the process started, for metrics and for tests that count encodings. */
export interface XdsCounters {
  /** Resources encoded. */
  resources: number;
  /** Elements of fragmented fields (virtual hosts) encoded. */
  fragments: number;
  /** Differences between two views computed. */
  differences: number;
  /** Responses built; each may be written to any number of connections. */
  frames: number;
}

/** The process's counters. */
export const counters: XdsCounters = { resources: 0, fragments: 0, differences: 0, frames: 0 };
