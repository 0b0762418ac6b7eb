import assert from 'node:assert/strict';
import type { Protocol } from '../../src/xds/frame.ts';
import { afterStep, newStream, plan, type StreamState, withSubscription } from '../../src/xds/push.ts';
import type { Snapshot } from '../../src/xds/resource-set.ts';
import type { XdsType } from '../../src/xds/resource-types.ts';
import { onRequest, onSent, type Request } from '../../src/xds/subscription.ts';
import { madeSnapshot, type World } from './made-up.ts';

/** Milliseconds that listeners and routes wait at most. */
export const grace = 5000;

/** A client and a server without a wire: what is sent is a line of text, and is answered only when the test says so. */
export class Exchange {
  readonly protocol: Protocol;
  readonly #open = new Map<XdsType, string>();
  readonly #names = new Map<XdsType, readonly string[]>();
  #snapshot: Snapshot;
  #state: StreamState = newStream(0);
  #serial = 0;
  now = 0;

  constructor(protocol: Protocol, world: World) {
    this.protocol = protocol;
    this.#snapshot = madeSnapshot(world);
  }

  /** Changes the world. */
  world(world: World): void {
    this.#snapshot = madeSnapshot(world, this.#snapshot);
  }

  subscribe(
    type: XdsType,
    names: readonly string[] = [],
    initial: Readonly<Record<string, string>> = {},
    version = '',
  ): void {
    const known = this.#names.get(type);
    this.#names.set(type, this.protocol === 'sotw' ? names : [...(known ?? []), ...names]);
    const nonce = this.protocol === 'sotw' && known ? `${this.#serialOf(type)}` : '';
    this.#request(type, { nonce, subscribe: names, initial, version });
  }

  ack(...types: readonly XdsType[]): void {
    for (const type of types) this.#answer(type, undefined);
  }

  nack(type: XdsType): void {
    this.#answer(type, { code: 3, message: 'no' });
  }

  /** Everything that can be sent now, e.g. `cluster +a -b`. */
  sends(): readonly string[] {
    const lines: string[] = [];
    for (;;) {
      const { state, step } = plan(this.#state, this.#snapshot, this.now, grace);
      this.#state = state;
      if (!step) return lines;
      const { type, target, by } = step;
      const before = state.subscriptions[type];
      const cold = type === 'cluster' && this.now >= (before?.exchange.sent?.at ?? 0) + grace;
      assert.ok(
        before && (before.exchange.phase !== 'pending' || cold),
        'one response a type at most, but for clusters that never get warm',
      );
      const nonce = `${++this.#serial}`;
      const sent = onSent(before, target, by, { nonce, version: target.set.version }, this.now);
      this.#state = afterStep(state, step, sent, this.#snapshot, this.now);
      this.#open.set(type, nonce);
      this.#nonces.set(type, nonce);
      const changed = by.changed.map(r => `+${r.name}`);
      lines.push([type, ...changed, ...by.removed.map(name => `-${name}`)].join(' '));
    }
  }

  readonly #nonces = new Map<XdsType, string>();
  #serialOf(type: XdsType): string {
    return this.#nonces.get(type) ?? '';
  }

  /** Sends and acknowledges until nothing is owed. */
  settle(): void {
    while (this.sends().length > 0) this.ack(...this.#open.keys());
  }

  #answer(type: XdsType, error: { code: number; message: string } | undefined): void {
    const nonce = this.#open.get(type);
    assert.ok(nonce, `nothing of type ${type} is to be answered`);
    this.#open.delete(type);
    this.#request(type, { nonce, error });
  }

  #request(
    type: XdsType,
    r: {
      readonly nonce: string;
      readonly error?: { code: number; message: string } | undefined;
      readonly subscribe?: readonly string[];
      readonly initial?: Readonly<Record<string, string>>;
      readonly version?: string;
    },
  ): void {
    const answered = { nonce: r.nonce, error: r.error };
    const request: Request =
      this.protocol === 'sotw'
        ? { protocol: 'sotw', ...answered, names: this.#names.get(type) ?? [], version: r.version ?? '' }
        : {
            protocol: 'delta',
            ...answered,
            subscribe: r.subscribe ?? [],
            unsubscribe: [],
            initial: new Map(Object.entries(r.initial ?? {})),
          };
    const { subscription } = onRequest(this.#state.subscriptions[type], type, request, this.now);
    this.#state = withSubscription(this.#state, subscription);
  }
}
