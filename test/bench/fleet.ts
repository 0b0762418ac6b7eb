import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { XdsType } from '../../src/xds/resource-types.ts';
import type { Order, Report, Secure } from './streams.ts';

/** Proxies in a process of their own, so that the server's time is the server's. */
export class Fleet {
  readonly #process: ChildProcess = fork(new URL('./streams.ts', import.meta.url));

  readonly #gone = new AbortController();

  constructor() {
    this.#process.once('exit', () => this.#gone.abort());
  }

  /** Opens delta streams and waits until each has everything. Gives the bytes that arrived. */
  async open(
    address: string,
    open: number,
    classes: number,
    names: Readonly<Partial<Record<XdsType, readonly string[]>>>,
    namespaces = 0,
    how: { readonly secure?: Secure; readonly agentless?: boolean } = {},
  ): Promise<number> {
    const report = await this.#ask({ open, address, classes, namespaces, names, ...how });
    return 'synced' in report ? report.bytes : 0;
  }

  /** Waits until every stream has received `text`, from now on; `change` brings it about. */
  async receive(text: string, change: () => void): Promise<Extract<Report, { readonly seen: string }>> {
    const arrived = this.#ask({ await: text });
    // The order is on its way before what it waits for.
    setTimeout(change, 20);
    const report = await arrived;
    if (!('seen' in report)) throw new Error('the fleet answered something else');
    return report;
  }

  /** Some streams stop reading. */
  async pause(count: number): Promise<void> {
    await this.#ask({ pause: count });
  }

  close(): void {
    this.#process.disconnect();
  }

  async #ask(order: Order): Promise<Report> {
    const answer = once(this.#process, 'message', { signal: this.#gone.signal }) as Promise<[Report]>;
    this.#process.send(order);
    const [report] = await answer;
    return report;
  }
}
