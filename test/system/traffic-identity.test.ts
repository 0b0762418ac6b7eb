import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { renewToken } from '../support/bootstrap.ts';
import { type Envoy, envoyMissing } from '../support/envoy.ts';
import { slowness } from '../support/patiently.ts';
import { until } from '../support/until.ts';
import { clientOf, idOf, LoopbackMesh } from '../traffic/loopback-mesh.ts';

/** Each request has a connection of its own, so that a certificate is shown for each. */
const aConnectionEach = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: server, namespace: default}
spec: {host: server, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}}
`;

describe('mutual TLS while all that it stands on changes', { skip: await envoyMissing(), timeout: 3_600_000 }, () => {
  let mesh: LoopbackMesh;
  let client: Envoy;
  let server: Envoy;
  let slow = 1;

  before(async () => {
    const began = performance.now();
    mesh = await LoopbackMesh.start(['client', 'server']);
    [client, server] = await Promise.all([mesh.envoy('client'), mesh.envoy('server')]);
    slow = slowness(performance.now() - began, 4_000);
  });
  after(() => mesh?.stop());

  /** Since when each Envoy has been connected; undefined while not both are. */
  const bothConnected = async (): Promise<readonly string[] | undefined> => {
    const rows = JSON.parse(await mesh.page('/debug/syncz')) as readonly { proxy: string; connected: string }[];
    const since = ['client', 'server'].map(pod => rows.filter(({ proxy }) => proxy === `${pod}.default`).at(-1));
    return since.every(row => row !== undefined) ? since.map(({ connected }) => connected) : undefined;
  };

  test('the control plane is replaced, tokens end, certificates change every few seconds: no request is lost', async () => {
    await mesh.write('rule.yaml', aConnectionEach);
    const updates = (envoy: Envoy): Promise<number> => envoy.stat('sds.default.update_success');
    const went = { on: true };
    let asked = 0;
    const failures: string[] = [];
    const ask = async (): Promise<void> => {
      while (went.on) {
        const answer = await mesh.ask('client', 'server').catch((error: Error) => error);
        asked++;
        if (answer instanceof Error) failures.push(`${answer}`);
        else if (answer.status !== 200 || clientOf(answer) !== idOf('client')) failures.push(answer.body);
        await pause(5);
      }
    };
    const asking = Promise.all([1, 2, 3].map(ask));
    try {
      await mesh.stopServing();
      const shortTokens = async (): Promise<void> => {
        for (const pod of ['client', 'server']) await renewToken(mesh.place, pod, `${12 * slow}s`);
      };
      await shortTokens();
      await mesh.serve('--workload-cert-ttl', `${8 * slow}s`);
      const first = await until('the Envoys to come back', async () => {
        const connected = await bothConnected();
        // However long the control plane takes to begin: who comes back has a token that is still good, for a little while.
        if (!connected) await shortTokens();
        return connected;
      });
      for (const pod of ['client', 'server']) await renewToken(mesh.place, pod);
      // A stream ends with the proof that it began with, and the next one begins with what is in the file then.
      await until('new streams', async () => {
        const next = await bothConnected();
        return next?.every((at, i) => at > (first[i] ?? ''));
      });
      const again = [await updates(client), await updates(server)] as const;
      await until('two rotations of each', async () => {
        return (await updates(client)) >= again[0] + 2 && (await updates(server)) >= again[1] + 2;
      });
      await until('a hundred requests', () => asked > 100);
    } finally {
      went.on = false;
      await asking;
    }
    assert.deepEqual(failures.slice(0, 3), [], `${failures.length} of ${asked}`);
    for (const envoy of [client, server]) {
      const counters = await envoy.admin('/stats?filter=(update_rejected|key_rotation_failed)$');
      assert.doesNotMatch(counters, /: [1-9]/);
      assert.match(counters, /sds\.default\.update_rejected: 0/);
    }
    assert.doesNotMatch(mesh.log(), /PRIVATE|rejected/);
  });
});
