import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bounds } from '../../src/bounds.ts';
import { BoundError } from '../../src/grpc/status.ts';
import { KeptBytes, StreamKept } from '../../src/xds/kept.ts';
import { onRequest, type Subscription } from '../../src/xds/subscription.ts';

type Type = 'endpoint' | 'route';

/** What one of a few clients does: asks for names, gives some up, comes with versions, acknowledges, or goes. */
type Deed = {
  readonly client: number;
  readonly type: Type;
  readonly does: 'subscribe' | 'unsubscribe' | 'comes back' | 'acknowledges' | 'goes';
  readonly names: readonly string[];
};

/** Names of all lengths: some streams come to what they may cost. */
const name = fc.oneof(
  fc.integer({ min: 0, max: 200 }).map(n => `outbound|${n}`),
  fc.constantFrom(...Array.from({ length: 5 }, (_, n) => `${n}`.padEnd(9_000_000, 'x'))),
);
const deed: fc.Arbitrary<Deed> = fc.record({
  client: fc.integer({ min: 0, max: 3 }),
  type: fc.constantFrom<Type>('endpoint', 'route'),
  does: fc.constantFrom('subscribe', 'subscribe', 'subscribe', 'unsubscribe', 'comes back', 'acknowledges', 'goes'),
  names: fc.array(name, { maxLength: 6 }),
});

const weight = (names: Iterable<string>): number => [...names].reduce((sum, { length }) => sum + length + 64, 0);

/** A client by the model: plain sets, weighed anew each time. */
interface Modelled {
  readonly names: Record<Type, Set<string>>;
  readonly versions: Record<Type, number>;
}

const modelled = (): Modelled => ({
  names: { endpoint: new Set(), route: new Set() },
  versions: { endpoint: 0, route: 0 },
});
const costOf = ({ names, versions }: Modelled): number =>
  weight(names.endpoint) + weight(names.route) + versions.endpoint + versions.route;

/** Names that several clients ask for count once; versions are each client's own. */
function costOfAll(clients: readonly Modelled[]): number {
  const sets = clients.flatMap(({ names }) => [names.endpoint, names.route]);
  const distinct = new Map(
    sets.map(set => [
      [...set]
        .map(n => n.slice(0, 20))
        .sort()
        .join(),
      set,
    ]),
  );
  const versions = clients.reduce((sum, c) => sum + c.versions.endpoint + c.versions.route, 0);
  return [...distinct.values()].reduce((sum, set) => sum + weight(set), versions);
}

/** A client as the server has it. */
class Kept {
  readonly bytes: StreamKept;
  readonly #subscriptions: { [T in Type]?: Subscription } = {};

  constructor(all: KeptBytes) {
    this.bytes = new StreamKept(all, 10_000);
  }

  does({ type, does, names }: Deed): void {
    if (does === 'acknowledges') {
      this.bytes.versions(type, undefined);
      return;
    }
    const request = {
      protocol: 'delta',
      nonce: '',
      error: undefined,
      subscribe: does === 'subscribe' ? names : [],
      unsubscribe: does === 'unsubscribe' ? names : [],
      initial: new Map(does === 'comes back' ? names.map(one => [one, '1']) : []),
    } as const;
    const reaction = onRequest(this.#subscriptions[type], type, request, 0);
    this.#subscriptions[type] = reaction.subscription;
    this.bytes.names(type, reaction.subscription.names);
    if (reaction.names === 'first') this.bytes.versions(type, reaction.subscription.resumed?.initialVersions);
  }

  asksFor(type: Type): boolean {
    return this.#subscriptions[type] !== undefined;
  }
}

test('what streams cost is what they have said and not taken back, equal names once; who says more than it may is ended', () => {
  let ended = 0;
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 40 }), deeds => {
      const all = new KeptBytes();
      const clients = Array.from({ length: 4 }, () => new Kept(all));
      const models = Array.from({ length: 4 }, modelled);
      const renew = (at: number): void => {
        clients[at]?.bytes.close();
        clients[at] = new Kept(all);
        models[at] = modelled();
      };
      for (const one of deeds) {
        const { client, type, does, names } = one;
        const [kept, model] = [clients[client], models[client]];
        assert.ok(kept && model);
        if (does === 'goes') {
          renew(client);
          continue;
        }
        if (does === 'subscribe') for (const n of names) model.names[type].add(n);
        if (does === 'unsubscribe') for (const n of names) model.names[type].delete(n);
        if (does === 'acknowledges') model.versions[type] = 0;
        if (does === 'comes back' && !kept.asksFor(type))
          model.versions[type] = weight(new Set(names)) + new Set(names).size;
        if (costOf(model) > bounds['stream-name-bytes'].most) {
          assert.throws(
            () => kept.does(one),
            (error: unknown) => error instanceof BoundError && error.bound === 'stream-name-bytes',
          );
          ended++;
          renew(client);
          continue;
        }
        kept.does(one);
        assert.equal(kept.bytes.used, costOf(model));
        assert.equal(all.used, costOfAll(models));
      }
      for (const { bytes } of clients) bytes.close();
      assert.equal(all.used, 0);
    }),
    { numRuns: 40 },
  );
  assert.ok(ended > 0, 'some came to their bound');
});

test('a Node counts as far as it is longer than most, and goes with its stream', () => {
  const all = new KeptBytes();
  const [usual, long] = [new StreamKept(all, 32 * 1024), new StreamKept(all, 40 * 1024)];
  assert.deepEqual([usual.used, long.used, all.used], [0, 16 * 1024, 16 * 1024]);
  long.close();
  assert.equal(all.used, 0);
});
