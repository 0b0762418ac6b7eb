import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { imageEnvironment } from '../bench/image.ts';
import { attacksOn } from '../hostile/attacks.ts';
import { Cluster } from '../hostile/cluster.ts';
import { Canary, Target } from '../hostile/target.ts';
import { most, tryAttack } from '../hostile/try.ts';
import { noApiServer } from '../kubernetes/api-server.ts';

const some: ReadonlySet<string> = new Set(['objects-with-mistakes', 'half-messages', 'not-reading', 'http-readers']);

describe('attacks on a control plane whose objects are in a real API server', { skip: noApiServer }, () => {
  let cluster: Cluster;
  let target: Target;
  let canary: Canary;
  before(async () => {
    cluster = await Cluster.start();
    target = await Target.start(50, { env: imageEnvironment() }, objects => cluster.holding(objects));
    canary = await Canary.start(target);
  });
  after(async () => {
    canary?.close();
    if (target?.alive) await target.stop();
    await cluster?.[Symbol.asyncDispose]();
  });

  for (const [name, { what }] of attacksOn('kubernetes').filter(([name]) => some.has(name)))
    test(`${name}: ${what}`, async () => {
      const { times, peak } = await tryAttack(target, canary, name, { share: 0.2, seconds: 3 });
      assert.ok(target.alive, target.serve.log());
      assert.ok(times.length > 0, 'changes arrive meanwhile');
      assert.ok(peak < most, `${peak} MB`);
    });
});
