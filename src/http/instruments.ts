import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { Distribution } from './distribution.ts';

/** Values of a metric with labels, as they are when its page is asked for. */
type Values<L extends string> = () => Iterable<readonly [labels: Readonly<Record<L, string>>, value: number]>;

/** The metrics of a page: those that are counted here, and those that are read when it is asked for. */
export class Instruments {
  readonly registry = new Registry();
  readonly #registers = [this.registry];

  counter<L extends string = never>(name: string, help: string, ...labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: this.#registers });
  }

  /** `buckets` are upper bounds, in ascending order. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    ...labelNames: readonly L[]
  ): Histogram<L> {
    return new Histogram({ name, help, buckets: [...buckets], labelNames, registers: this.#registers });
  }

  /** A histogram of values that come by the thousand. */
  distribution(name: string, help: string, buckets: readonly number[], label?: string): Distribution {
    return new Distribution({ name, help, buckets, ...(label && { label }), register: this.registry });
  }

  /** A gauge that is read; it is left out where the value is undefined. */
  read(name: string, help: string, value: () => number | undefined): void {
    new Gauge({
      name,
      help,
      registers: this.#registers,
      collect() {
        const now = value();
        if (now === undefined) this.remove();
        else this.set(now);
      },
    });
  }

  /** A gauge with labels that is read. */
  readEach<L extends string>(name: string, help: string, labelNames: readonly L[], values: Values<L>): void {
    new Gauge({ name, help, labelNames, registers: this.#registers, collect: filledWith(values) });
  }

  /** The same of what only grows. */
  countEach<L extends string>(name: string, help: string, labelNames: readonly L[], values: Values<L>): void {
    new Counter({ name, help, labelNames, registers: this.#registers, collect: filledWith(values) });
  }
}

/** Reads all values of a metric anew, those with labels that are gone left out. */
const filledWith = <L extends string>(values: Values<L>) =>
  function (this: Pick<Counter<L>, 'reset' | 'inc'>): void {
    this.reset();
    for (const [labels, value] of values()) this.inc(labels, value);
  };
