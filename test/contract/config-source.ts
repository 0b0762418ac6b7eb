import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RawObject } from '../../src/config/raw.ts';
import type { ConfigSource } from '../../src/sources/source.ts';
import { until } from '../kubernetes/until.ts';
import { World } from './world.ts';

/** A backend that a test can change behind the source's back. */
export interface Backend {
  /** A new source over it. */
  source(): ConfigSource;
  put(object: RawObject): Promise<void>;
  remove(object: RawObject): Promise<void>;
  /** Cuts the source off from its backend until the returned function is called. */
  cut(): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

const namespace = 'contract';

const entry = (name: string, host = `${name}.test`): RawObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name, namespace },
  spec: { hosts: [host], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'DNS' },
});

const hostOf = (object: RawObject | undefined): unknown =>
  (object?.['spec'] as { hosts?: string[] } | undefined)?.hosts?.[0];

/** What every source of objects promises; `open` makes a backend whose namespace `contract` is empty. */
export function configSourceContract(name: string, open: () => Promise<Backend>): void {
  describe(`${name} as a source of objects`, () => {
    async function running(body: (backend: Backend, world: World) => Promise<void>, first: readonly RawObject[] = []) {
      const backend = await open();
      const stop = new AbortController();
      try {
        for (const object of first) await backend.put(object);
        const world = new World();
        await backend.source().run(world.emit, stop.signal).synced;
        await body(backend, world);
      } finally {
        stop.abort();
        await backend.close();
      }
    }

    test('what is there has been told when it says synced', async () => {
      await running(
        async (_, world) => {
          assert.deepEqual(world.names('ServiceEntry', namespace), ['a', 'b']);
          assert.equal(hostOf(world.get('ServiceEntry', namespace, 'a')), 'a.test');
        },
        [entry('a'), entry('b')],
      );
    });

    test('an empty backend is synced, too', () =>
      running(async (_, world) => assert.deepEqual(world.names('ServiceEntry', namespace), [])));

    test('what is added, changed and removed is told', async () => {
      await running(async (backend, world) => {
        await backend.put(entry('a'));
        await until(() => hostOf(world.get('ServiceEntry', namespace, 'a')) === 'a.test');
        await backend.put(entry('a', 'other.test'));
        await until(() => hostOf(world.get('ServiceEntry', namespace, 'a')) === 'other.test');
        await backend.remove(entry('a'));
        await until(() => world.get('ServiceEntry', namespace, 'a') === undefined);
      });
    });

    test('an object removed and made again under its name is told', async () => {
      await running(
        async (backend, world) => {
          await backend.remove(entry('a'));
          await backend.put(entry('a', 'again.test'));
          await until(() => hostOf(world.get('ServiceEntry', namespace, 'a')) === 'again.test');
        },
        [entry('a')],
      );
    });

    test('a change of one object says nothing of the others', async () => {
      await running(
        async (backend, world) => {
          const told = world.changes.length;
          await backend.put(entry('b', 'other.test'));
          await until(() => hostOf(world.get('ServiceEntry', namespace, 'b')) === 'other.test');
          const later = world.changes
            .slice(told)
            .filter(change => change.op === 'upsert' && change.object.kind === 'ServiceEntry');
          assert.ok(later.every(change => change.op === 'upsert' && change.object.metadata.name === 'b'));
        },
        [entry('a'), entry('b')],
      );
    });

    test('a backend that is out of reach for a while changes nothing, and is caught up with', async () => {
      await running(
        async (backend, world) => {
          const reconnect = await backend.cut();
          await backend.put(entry('a', 'changed.test'));
          await backend.remove(entry('b'));
          await backend.put(entry('d'));
          assert.deepEqual(world.names('ServiceEntry', namespace), ['a', 'b', 'c']);
          const told = world.changes.length;
          await reconnect();
          await until(() => world.names('ServiceEntry', namespace).join() === 'a,c,d');
          await until(() => hostOf(world.get('ServiceEntry', namespace, 'a')) === 'changed.test');
          const repeated = world.changes
            .slice(told)
            .filter(change => change.op === 'upsert' && change.object.metadata.name === 'c');
          assert.deepEqual(repeated, []);
        },
        [entry('a'), entry('b'), entry('c')],
      );
    });

    test('nothing is told after it was stopped', async () => {
      await running(async (backend, witness) => {
        const stop = new AbortController();
        const world = new World();
        await backend.source().run(world.emit, stop.signal).synced;
        stop.abort();
        const told = world.changes.length;
        await backend.put(entry('late'));
        await until(() => witness.get('ServiceEntry', namespace, 'late') !== undefined);
        assert.equal(world.changes.length, told);
      });
    });
  });
}
