import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Kept, Upkeep } from '../../src/authority/upkeep.ts';
import { systemClock } from '../../src/clock.ts';
import { untilAborted, type Writer } from '../../src/kubernetes/writer.ts';
import { silentLog } from '../../src/log/log.ts';

test('what could not be written and is wanted no more keeps no later failure from being said', async () => {
  const said: unknown[] = [];
  const log = Object.assign(Object.create(silentLog), { error: ({ key }: { key: unknown }) => said.push(key) });
  const follow = async (): Promise<void> => {};
  const cluster = { follow, writer: () => ({}) as Writer, namespace: 'istio-system', clock: systemClock, log };
  const end = new AbortController();
  const kept: Kept = {
    async follow(upkeep) {
      upkeep.want('gone');
      upkeep.want('broken');
    },
    async write(key, upkeep) {
      if (key === 'gone') upkeep.forget(key);
      else end.abort();
      throw new Error('no');
    },
    logged: key => ({ key }),
    failing: 'it cannot be written',
    contested: '',
  };
  await new Upkeep(cluster, kept, '').run(untilAborted(end.signal));
  assert.deepEqual(said, ['gone', 'broken']);
});
