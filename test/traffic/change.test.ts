import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { envoyMissing } from '../support/envoy.ts';
import { until } from '../support/until.ts';
import type { Received } from './backend.ts';
import { type LocalMesh, startMesh } from './local-mesh.ts';

const missing = await envoyMissing();

/** Without retries: a call that fails is seen to fail. */
const virtualService = (host: string, subset?: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${host}, namespace: default}
spec:
  hosts: [${host}]
  http: [{route: [{destination: {host: ${host}${subset ? `, subset: ${subset}` : ''}}}], retries: {attempts: 0}}]
---
`;

const destinationRule = (host: string, subset: string, version: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${host}-${subset}, namespace: default}
spec:
  host: ${host}
  subsets: [{name: ${subset}, labels: {version: ${version}}}]
`;

const users = (version: string): string => virtualService('routed', version) + virtualService('leaving');

describe('changes under load, through a real Envoy', { skip: missing, timeout: 3_600_000 }, () => {
  let mesh: LocalMesh;
  before(async () => {
    mesh = await startMesh({ services: ['leaving', 'moving', 'routed'], yaml: users('v1') });
  });
  after(() => mesh?.stop());

  /** Asks a Service all the time until `stop`, which gives what was answered, in order: `200 v1`. No call is tried twice. */
  function load(service: string): { readonly answers: readonly string[]; stop(): Promise<readonly string[]> } {
    const answers: string[] = [];
    let going = true;
    const workers = Array.from({ length: 4 }, async () => {
      while (going) {
        const answer = await mesh.ask(service).catch((error: Error) => error);
        if (answer instanceof Error) answers.push(answer.message);
        else
          answers.push(
            answer.status === 200
              ? `200 ${(JSON.parse(answer.body) as Received).pod}`
              : `${answer.status} ${answer.body}`,
          );
      }
    });
    return {
      answers,
      async stop() {
        going = false;
        await Promise.all(workers);
        return answers;
      },
    };
  }

  const failed = (answers: readonly string[]): readonly string[] => answers.filter(text => !text.startsWith('200 '));

  test('an endpoint that leaves loses no call', async () => {
    const requests = load('leaving');
    await until('an answer of v3', () => requests.answers.includes('200 v3'));
    await mesh.endpoints('leaving', ['v1', 'v2'], ['v3']);
    await until('v3 to be left alone', async () => {
      const from = requests.answers.length;
      await until('two hundred answers', () => requests.answers.length >= from + 200);
      return !requests.answers.slice(from).includes('200 v3');
    });
    mesh.backends['v3']?.close();
    await mesh.endpoints('leaving', ['v1', 'v2']);
    const from = requests.answers.length;
    await until('two hundred more answers', () => requests.answers.length >= from + 200);
    assert.deepEqual(failed(await requests.stop()), []);
  });

  test('routes that move to new subsets again and again lose no call', async () => {
    const write = (round: number, version: string): Promise<void> => {
      const subset = `round-${round}`;
      return mesh.write('moving.yaml', virtualService('moving', subset) + destinationRule('moving', subset, version));
    };
    await write(0, 'v1');
    await until('v1 alone', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => mesh.ask('moving')));
      return answers.every(a => a.status === 200 && (JSON.parse(a.body) as Received).pod === 'v1');
    });
    const requests = load('moving');
    for (let round = 1; round <= 12; round++) {
      const version = round % 2 ? 'v2' : 'v1';
      const from = requests.answers.length;
      await write(round, version);
      await until(`round ${round}`, () => requests.answers.slice(from).includes(`200 ${version}`));
    }
    assert.deepEqual(failed(await requests.stop()), []);
  });

  test('a route edited from one version to the other loses no call', async () => {
    const requests = load('routed');
    for (let round = 1; round <= 12; round++) {
      const version = round % 2 ? 'v2' : 'v1';
      const from = requests.answers.length;
      await mesh.write('users.yaml', users(version));
      await until(`round ${round}`, () => requests.answers.slice(from).includes(`200 ${version}`));
    }
    assert.deepEqual(failed(await requests.stop()), []);
  });

  test('nothing was rejected', () => mesh.assertNothingRejected());
});
