import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Replicas } from '../../src/authority/replicas.ts';
import { Rotating } from '../../src/authority/rotating.ts';
import type { AuthorityState } from '../../src/authority/secret-authority.ts';
import { systemClock } from '../../src/clock.ts';
import { untilAborted, type Writer } from '../../src/kubernetes/writer.ts';
import { silentLog } from '../../src/log/log.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { settled, stepId, usualPace } from '../../src/security/rotation.ts';
import { HANGING_MS } from '../support/until.ts';

test('reports of replicas that have ended are removed once the API server answers, also where it did not at first', async () => {
  const now = Date.now();
  const rotation = settled(rootAuthority(await makeRoot('cluster.local', now)), now);
  const state = {
    inForce: { rotation, source: 'cacerts', isMade: false },
    wanted: undefined,
    found: { cacerts: { metadata: { name: 'cacerts' } } },
    storedStep: stepId(rotation),
    isRotationBroken: false,
    isRotationAsked: false,
  } as unknown as AuthorityState;
  const end = new AbortController();
  const forgotten: string[] = [];
  let asked = 0;
  const replicas = {
    async all() {
      if (++asked === 1) throw new Error('no answer');
      return new Map([['ended', { report: {}, ended: true, renewed: '' }]]);
    },
    async forget(name: string) {
      forgotten.push(name);
      setTimeout(() => end.abort(), 50);
    },
  } as unknown as Replicas;
  const cluster = {
    follow: async () => {},
    writer: () => ({}) as Writer,
    namespace: 'istio-system',
    clock: systemClock,
    log: silentLog,
  };
  const context = {
    cluster,
    replicas,
    pace: usualPace,
    trustDomain: () => 'cluster.local',
    state: () => state,
    owed: () => undefined,
    holding: () => {},
  };
  const limit = setTimeout(() => end.abort(), HANGING_MS);
  await new Rotating(context, 1).run(untilAborted(end.signal));
  clearTimeout(limit);
  assert.deepEqual([asked, forgotten], [2, ['ended']]);
});
