import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { type Restart, restartReasons } from '../injection/restarts.ts';
import type { ReviewOutcome } from '../injection/review.ts';

const counted = { injected: 'success', skipped: 'skip', failed: 'failure' } as const;

/** What the webhook did, under istiod's names (pkg/kube/inject/monitoring.go). */
export class InjectionMetrics {
  readonly #requests: Counter;
  readonly #outcomes: Readonly<Record<ReviewOutcome['kind'], Counter>>;
  readonly #time: Histogram;

  /** `restarts`: pods that would have another sidecar if they were made now; undefined where that is not known. */
  constructor(registry: Registry, restarts: () => readonly Restart[] | undefined) {
    const registers = [registry];
    new Gauge({
      name: 'pilotlight_pods_to_restart',
      help: 'Pods that have no sidecar and should, or one of another revision or image; /debug/injection lists them',
      labelNames: ['reason'],
      registers,
      collect() {
        this.reset();
        const found = restarts();
        if (!found) return;
        for (const reason of restartReasons) this.set({ reason }, found.filter(of => of.reason === reason).length);
      },
    });
    const outcome = (kind: ReviewOutcome['kind'], words: string): Counter =>
      new Counter({
        name: `sidecar_injection_${counted[kind]}_total`,
        help: `Requests to inject a pod that ${words}`,
        registers,
      });
    this.#requests = new Counter({
      name: 'sidecar_injection_requests_total',
      help: 'Requests to inject a pod',
      registers,
    });
    this.#outcomes = {
      injected: outcome('injected', 'had it injected'),
      skipped: outcome('skipped', 'let it pass as it is'),
      failed: outcome('failed', 'refused it'),
    };
    this.#time = new Histogram({
      name: 'sidecar_injection_time_seconds',
      help: 'What a request to inject a pod took',
      buckets: [0.001, 0.005, 0.01, 0.1, 1, 3, 5, 10, 20, 30, 60],
      registers,
    });
  }

  /** A request was answered, in so many seconds. */
  reviewed({ kind }: ReviewOutcome, seconds: number): void {
    this.#requests.inc();
    this.#outcomes[kind].inc();
    this.#time.observe(seconds);
  }
}
