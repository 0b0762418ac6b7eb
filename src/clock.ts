/** Time, so that tests can hold it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs something once, after this many milliseconds; the result cancels it. Does not keep the process alive. */
  after(ms: number, run: () => void): () => void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: Date.now,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** The same for what is about how long something takes: it goes on steadily, and has fractions of milliseconds. */
export const steadyClock: Clock = { ...systemClock, now: () => performance.now() };

/** Longer than so many milliseconds no timer waits. */
const LONGEST = 2 ** 31 - 1;

/** Runs something once, at a moment in milliseconds since 1970, however far that is; the result cancels it. */
export function runAt(clock: Clock, moment: number, run: () => void): () => void {
  let cancel = (): void => {};
  const wait = (): void => {
    cancel = clock.after(Math.min(LONGEST, Math.max(0, moment - clock.now())), () => {
      if (clock.now() < moment) wait();
      else run();
    });
  };
  wait();
  return () => cancel();
}
