import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import pino from 'pino';
import { serve } from '../../src/cli/commands.ts';
import { readArguments } from '../../src/command.ts';
import { startControlPlane } from '../../src/control-plane.ts';
import { status } from '../../src/grpc/status.ts';
import { serveSettings } from '../../src/settings/settings.ts';
import { AdsClient } from '../support/ads-client.ts';
import { until } from '../support/until.ts';

const DEBUG = 'istio.io/debug';
const questions: readonly (readonly [type: string, names: readonly string[]])[] = [
  [`${DEBUG}/syncz`, []],
  [`${DEBUG}/config_dump`, ['web-1.shop']],
  [DEBUG, ['syncz']],
  [DEBUG, ['nothing']],
];

/** A control plane whose source has not listed everything. */
async function listing() {
  const args = ['--config', '.', '--http-address', '127.0.0.1:0', '--xds-address', '127.0.0.1:0'];
  const { promise: synced, resolve: list } = Promise.withResolvers<void>();
  const source = { name: 'made up', run: () => ({ synced }) };
  const plane = await startControlPlane(serveSettings(readArguments(serve, args)), {
    sources: [source],
    log: pino({ level: 'fatal' }),
  });
  const client = (id = 'sidecar~10.9.9.9~test-1.default~x'): AdsClient => new AdsClient(plane.xds, 'sotw', { id });
  return { plane, list, client };
}

describe('a control plane that does not know everything yet, or is about to end', () => {
  test('who asks over xDS is told to come again, and nobody is told half of it; then it is answered', async t => {
    const { plane, list, client } = await listing();
    t.after(() => plane.stop());
    for (const [type, names] of [...questions, ['cluster', []] as const]) {
      const asking = client();
      asking.subscribe(type, names);
      const { code, details } = await asking.ended;
      assert.equal(code, status.UNAVAILABLE, type);
      // istiod's sentence, with the reason.
      assert.match(details, /^server is not ready to serve discovery information: not every kind .* listed yet$/);
      asking.close();
    }
    const ask = (path: string): Promise<Response> => fetch(`http://${plane.http}${path}`);
    const names = (await (await ask('/debug/list')).json()) as readonly string[];
    let waiting = 0;
    for (const name of names) {
      const answer = await ask(`/debug/${name}`);
      const text = await answer.text();
      assert.ok([200, 400, 404, 503].includes(answer.status), `${name}: ${answer.status} ${text}`);
      if (answer.status === 503) {
        assert.equal(text, 'not every kind of object has been listed yet\n', name);
        waiting++;
      }
    }
    assert.ok(waiting >= 8, 'pages that are made of the mesh wait for it');
    assert.deepEqual(await (await ask('/debug/syncz')).json(), []);
    assert.equal((await ask('/ready')).status, 503);
    list();
    await plane.ready;
    const asking = client();
    t.after(() => asking.close());
    asking.subscribe(`${DEBUG}/syncz`);
    assert.deepEqual((await asking.next(`${DEBUG}/syncz`)).resources, []);
    assert.equal((await ask('/debug/mesh')).status, 200);
  });

  test('who asks while it ends is answered, or told that it ends', async () => {
    const { plane, list, client } = await listing();
    list();
    await plane.ready;
    const [asking, proxy] = [client(), client('sidecar~10.0.0.1~web-1.shop~x')];
    proxy.autoAck = true;
    proxy.subscribe('cluster');
    await proxy.next('cluster');
    asking.subscribe(`${DEBUG}/syncz`);
    assert.equal((await asking.next(`${DEBUG}/syncz`)).resources.length, 1);
    const stopped = plane.stop();
    asking.subscribe(DEBUG, ['syncz']);
    const { code } = await asking.ended;
    assert.equal(code, status.UNAVAILABLE);
    assert.equal((await proxy.ended).code, status.UNAVAILABLE);
    await stopped;
    for (const stream of [asking, proxy]) stream.close();
  });
});

test("a proxy's own stream that asks about the control plane is told nothing, and is served on", async t => {
  const { plane, list, client } = await listing();
  t.after(() => plane.stop());
  list();
  await plane.ready;
  const proxy = client('sidecar~10.0.0.1~web-1.shop~x');
  t.after(() => proxy.close());
  proxy.subscribe('cluster');
  proxy.ack(await proxy.next('cluster'));
  for (const [type, names] of questions.slice(0, 3)) {
    proxy.subscribe(type, names);
    const answer = await proxy.next(type);
    assert.deepEqual(answer.resources, [], type);
    proxy.ack(answer);
  }
  proxy.subscribe('listener');
  assert.ok((await proxy.next('listener')).resources.length > 0);
  await until('one proxy in the list', async () => {
    const rows = (await (await fetch(`http://${plane.http}/debug/syncz`)).json()) as unknown[];
    return rows.length === 1;
  });
});
