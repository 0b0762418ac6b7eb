import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { type ConfigChange, ConfigStore } from '../src/config/store.ts';
import { nextRoundAt } from '../src/rounds/pace.ts';
import { Rounds } from '../src/rounds/rounds.ts';
import { objectOf } from './property/objects.ts';
import { HeldClock } from './support/clock.ts';

const endpoints = (name: string, address: string): ConfigChange => ({
  op: 'upsert',
  object: objectOf('EndpointSlice', name, 'load', {
    addressType: 'IPv4',
    endpoints: [{ addresses: [address] }],
    ports: [{ port: 80 }],
  }),
});

const rule = (name: string, host: string): ConfigChange => ({
  op: 'upsert',
  object: objectOf('DestinationRule', name, 'load', { spec: { host } }),
});

const withoutRule = (name: string): ConfigChange => ({
  op: 'delete',
  kind: 'DestinationRule',
  namespace: 'load',
  name,
});

/** Rounds that cost what a test says, over a clock that it holds. */
class Rig {
  readonly clock = new HeldClock();
  readonly rounds: Rounds;
  /** When each round was and what it took in. */
  readonly begun: { readonly at: number; readonly changes: readonly ConfigChange[] }[] = [];
  #cpu = 0;

  constructor(
    cost: (changes: readonly ConfigChange[]) => number,
    /** What the answers to a round cost, which arrive three milliseconds after it. */
    answers = 0,
    share = 0.25,
  ) {
    this.rounds = new Rounds({
      clock: this.clock,
      share,
      cpu: () => this.#cpu,
      pushing: () => false,
      run: arrivals => {
        const changes = arrivals.map(({ change }) => change);
        this.begun.push({ at: this.clock.now(), changes });
        this.#cpu += cost(changes);
        this.clock.after(3, () => {
          this.#cpu += answers;
        });
        return true;
      },
    });
  }

  /** Lets time pass, a millisecond at a time. */
  async pass(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      await turn();
      this.clock.pass(1);
    }
    await turn();
  }
}

test('the first change after quiet goes out at once, and what follows shares rounds', async () => {
  const rig = new Rig(() => 10);
  const times = (): readonly number[] => rig.begun.map(({ at }) => at - started);
  const started = rig.clock.now();
  for (let i = 0; i < 50; i++) {
    rig.rounds.add(endpoints(`s-${i}`, '10.0.0.1'), 'source');
    await rig.pass(2);
  }
  await rig.pass(100);
  assert.deepEqual(times(), [0, 40, 80, 120], 'a round of 10 ms is a quarter of 40 ms');
  assert.equal(rig.begun.flatMap(({ changes }) => changes).length, 50);
  await rig.pass(1_000);
  rig.rounds.add(endpoints('s-1', '10.0.0.2'), 'source');
  await rig.pass(0);
  assert.equal(rig.begun.length, 5);
});

test('what the answers to a round cost counts as its cost, as far as a change may be kept waiting', async () => {
  const gaps = async (cost: number, answers: number): Promise<readonly number[]> => {
    const rig = new Rig(() => cost, answers);
    for (let i = 0; i < 300; i++) {
      rig.rounds.add(endpoints(`s-${i}`, '10.0.0.1'), 'source');
      await rig.pass(2);
    }
    return rig.begun.slice(1).map(({ at }, i) => at - (rig.begun[i]?.at ?? 0));
  };
  assert.deepEqual(new Set(await gaps(5, 5)), new Set([40]));
  assert.deepEqual(new Set(await gaps(5, 500)), new Set([80]), 'a cheap round keeps none waiting for more than 75 ms');
  assert.deepEqual(
    new Set(await gaps(40, 500)),
    new Set([140]),
    'nor a dear one for more than two and a half times its cost',
  );
});

test('of several changes of one object that wait, only the newest is looked at', async () => {
  const rig = new Rig(() => 10);
  for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
    rig.rounds.add(endpoints('one', address), 'source');
    await rig.pass(1);
  }
  await rig.pass(100);
  assert.deepEqual(
    rig.begun.map(({ changes }) => changes),
    [[endpoints('one', '10.0.0.1')], [endpoints('one', '10.0.0.3')]],
  );
  assert.equal(rig.rounds.status().endpoints.replaced, 1);
});

test('endpoints do not wait for dear rounds of configuration, which take waiting endpoints along', async () => {
  const rig = new Rig(changes =>
    changes.some(change => change.op === 'upsert' && change.object.kind === 'DestinationRule') ? 200 : 5,
  );
  rig.rounds.add(rule('a', 'a.example.com'), 'source');
  await rig.pass(1);
  rig.rounds.add(rule('b', 'b.example.com'), 'source');
  rig.rounds.add(endpoints('s', '10.0.0.1'), 'source');
  await rig.pass(1);
  assert.deepEqual(
    rig.begun.map(({ changes }) => changes),
    [[rule('a', 'a.example.com')], [endpoints('s', '10.0.0.1')]],
  );
  rig.rounds.add(endpoints('s', '10.0.0.2'), 'source');
  rig.rounds.add(endpoints('s', '10.0.0.3'), 'source');
  await rig.pass(1_000);
  assert.deepEqual(
    rig.begun.slice(2).map(({ changes }) => changes),
    [[endpoints('s', '10.0.0.3')], [rule('b', 'b.example.com')]],
  );
  await rig.pass(1_000);
  rig.rounds.add(rule('a', 'c.example.com'), 'source');
  rig.rounds.add(endpoints('s', '10.0.0.4'), 'source');
  await rig.pass(0);
  assert.deepEqual(rig.begun.at(-1)?.changes, [rule('a', 'c.example.com'), endpoints('s', '10.0.0.4')]);
});

test('what a round cost is told though another one took its place before all streams had their turn', async () => {
  const clock = new HeldClock();
  let cpu = 0;
  let taken = Promise.withResolvers<boolean>();
  const rounds = new Rounds({
    clock,
    share: 0.25,
    cpu: () => cpu,
    pushing: () => true,
    run: arrivals => {
      cpu += 10;
      return arrivals.some(({ change }) => change.op === 'upsert' && change.object.kind === 'EndpointSlice')
        ? true
        : taken.promise;
    },
  });
  // Configuration is being taken in, in slices; a round of endpoints begins and ends meanwhile, then that of configuration.
  rounds.add(rule('a', 'a.example.com'), 'source');
  await turn();
  rounds.add(endpoints('s', '10.0.0.1'), 'source');
  await turn();
  await turn();
  assert.equal(rounds.status().endpoints.last, undefined);
  taken.resolve(true);
  await turn();
  assert.equal(rounds.status().endpoints.last?.cost, 10);
  assert.equal(rounds.status().configuration.last, undefined);
  rounds.pushed();
  assert.equal(rounds.status().configuration.last?.cost, 20);
  taken = Promise.withResolvers();
  rounds.stop();
});

test('rounds take no more than their share, and nothing waits for longer than a round may keep it', () => {
  let compared = 0;
  fc.assert(
    fc.property(
      fc.record({ begun: fc.nat(10_000), cost: fc.double({ min: 0, max: 2_000, noNaN: true }) }),
      fc.double({ min: 0, max: 2_000, noNaN: true }),
      fc.nat(20_000),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (last, answers, after, share) => {
        const since = last.begun + after;
        const spent = last.cost + answers;
        const at = nextRoundAt(last, spent, since, share);
        compared++;
        assert.ok(at >= since);
        const latest = last.begun + last.cost + Math.max(75, 2.5 * last.cost);
        assert.ok(at === since || at <= latest);
        if (at < latest && at > since) assert.ok(spent / (at - last.begun) <= share + 1e-9);
        if (since >= last.begun + spent / share) assert.equal(at, since);
      },
    ),
  );
  assert.ok(compared >= 100);
});

test('what is in force after a storm is what it would be had every change been taken in at once', async () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const change: fc.Arbitrary<ConfigChange> = fc.oneof(
    fc.tuple(name, fc.constantFrom('x.example.com', 'y.example.com')).map(([n, host]) => rule(n, host)),
    name.map(withoutRule),
    fc.tuple(name, fc.constantFrom('10.0.0.1', '10.0.0.2')).map(([n, address]) => endpoints(n, address)),
    fc.uniqueArray(name).map(names => ({
      op: 'replace' as const,
      kind: 'DestinationRule' as const,
      objects: names.flatMap(n => {
        const made = rule(n, 'z.example.com');
        return made.op === 'upsert' ? [made.object] : [];
      }),
    })),
    fc.tuple(name, fc.boolean()).map(([n, bad]) => ({
      op: 'problems' as const,
      object: `File/${n}` as never,
      problems: bad ? [{ object: `File/${n}` as never, path: '', message: 'bad', severity: 'error' as const }] : [],
    })),
  );
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(change, fc.nat(30)), { minLength: 1, maxLength: 30 }), async steps => {
      const [paced, direct] = [new ConfigStore(), new ConfigStore()];
      const rig = new Rig(changes => {
        for (const each of changes) paced.apply(each);
        return 10;
      });
      for (const [each, ms] of steps) {
        direct.apply(each);
        rig.rounds.add(each, 'source');
        await rig.pass(ms);
      }
      await rig.pass(300);
      const inForce = (store: ConfigStore) => {
        const { problems, DestinationRule, EndpointSlice } = store.contents();
        return [problems, DestinationRule, EndpointSlice].map(map => [...map].sort(([a], [b]) => (a < b ? -1 : 1)));
      };
      assert.deepEqual(inForce(paced), inForce(direct));
      compared += direct.contents().DestinationRule.size + direct.contents().EndpointSlice.size;
    }),
    { numRuns: 60 },
  );
  assert.ok(compared > 0);
});
