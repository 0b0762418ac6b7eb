import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { until } from '../support/until.ts';
import type { World } from './made-up.ts';
import { Rig } from './rig.ts';

const world: World = { cluster: { a: 1 }, endpoint: { a: 1 }, listener: {}, route: {} };

test('of several changes that a stream is sent together, each is told with the acknowledgement', async () => {
  let rounds = 0;
  const rig = await new Rig(world, { onPushed: () => rounds++ }).start();
  const client = rig.client('delta');
  client.autoAck = true;
  client.subscribe('cluster');
  await client.next('cluster');
  await until('it is acknowledged', () => rig.connection().settled);
  rig.acks.length = 0;
  rig.world({ ...world, cluster: { a: 2 } }, 'DestinationRule');
  rig.world({ ...world, cluster: { a: 3 } }, 'Service');
  assert.equal(rig.server.pushing, true);
  await until('it is acknowledged again', () => rig.acks.length > 0);
  assert.deepEqual(
    rig.acks.map(({ type, causes }) => [type, causes.map(({ kind }) => kind)]),
    [['cluster', ['DestinationRule', 'Service']]],
  );
  await until('every stream had its turn', () => !rig.server.pushing);
  assert.equal(rounds, 1);
});

test('names of a type that is not served and that are not there are told to be gone', async () => {
  const rig = await new Rig(world).start();
  rig.answerOther = () => [{ typeUrl: 'type.googleapis.com/x.Y', name: 'there', value: Buffer.from('v') }];
  const client = rig.client('delta');
  client.subscribe('debug', ['there', 'gone', '*']);
  const response = await client.next('debug');
  assert.deepEqual([response.resources.map(({ name }) => name), response.removed], [['there'], ['gone']]);
});

test('where what a client is to have cannot be made, a stream that had nothing yet ends, and another lives on with what it has', async () => {
  const rig = await new Rig(world).start();
  const fed = rig.client('delta', 'fed');
  fed.autoAck = true;
  fed.subscribe('cluster');
  await fed.next('cluster');
  await until('it is acknowledged', () => rig.connection('fed').settled);
  const snapshot = rig.snapshot.bind(rig);
  rig.snapshot = () => {
    throw new Error('a fault of the program');
  };
  const hungry = rig.client('delta', 'hungry');
  hungry.subscribe('cluster');
  assert.equal((await hungry.ended).code, status.INTERNAL);
  rig.server.push();
  await until('both are known to have failed', () => rig.errors.length === 2);
  rig.snapshot = snapshot;
  rig.world({ ...world, cluster: { a: 2 } });
  assert.deepEqual(
    (await fed.next('cluster')).resources.map(({ name }) => name),
    ['a'],
  );
});
