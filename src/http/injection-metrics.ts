import type { Counter, Histogram } from 'prom-client';
import { type Restart, restartReasons } from '../injection/restarts.ts';
import type { ReviewOutcome } from '../injection/review.ts';
import type { Instruments } from './instruments.ts';

const BUCKETS = [0.001, 0.005, 0.01, 0.1, 1, 3, 5, 10, 20, 30, 60];

/** What the webhook did, under istiod's names (pkg/kube/inject/monitoring.go). */
export class InjectionMetrics {
  readonly #requests: Counter;
  readonly #outcomes: Readonly<Record<ReviewOutcome['kind'], Counter>>;
  readonly #time: Histogram;

  /** `restarts`: pods that would have another sidecar if they were made now; undefined where that is not known. */
  constructor(instruments: Instruments, restarts: () => readonly Restart[] | undefined) {
    instruments.readEach(
      'pilotlight_pods_to_restart',
      'Pods that have no sidecar and should, or one of another revision or image; /debug/injection lists them',
      ['reason'],
      () => {
        const found = restarts();
        return found ? restartReasons.map(reason => [{ reason }, found.filter(of => of.reason === reason).length]) : [];
      },
    );
    const outcome = (name: string, words: string): Counter =>
      instruments.counter(`sidecar_injection_${name}_total`, `Requests to inject a pod that ${words}`);
    this.#requests = instruments.counter('sidecar_injection_requests_total', 'Requests to inject a pod');
    this.#outcomes = {
      injected: outcome('success', 'had it injected'),
      skipped: outcome('skip', 'let it pass as it is'),
      failed: outcome('failure', 'refused it'),
    };
    this.#time = instruments.histogram(
      'sidecar_injection_time_seconds',
      'What a request to inject a pod took',
      BUCKETS,
    );
  }

  /** A request was answered, in so many seconds. */
  reviewed({ kind }: ReviewOutcome, seconds: number): void {
    this.#requests.inc();
    this.#outcomes[kind].inc();
    this.#time.observe(seconds);
  }
}
