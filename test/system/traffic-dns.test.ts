import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../support/until.ts';
import { PodMesh, whoAnswered } from './pod-mesh.ts';

const entry = (host: string, backend: string): string => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${host}, namespace: default}
spec:
  hosts: [${host}]
  resolution: STATIC
  ports: [{number: 7000, name: tcp, protocol: TCP}]
  endpoints: [{address: ${backend}}]
`;

describe('DNS that a pod without an agent captures', () => {
  let mesh: PodMesh;
  before(async () => {
    const outside = { labels: {}, ports: [7000, 53], proxy: 'none', outside: true } as const;
    mesh = await PodMesh.start({
      pods: [
        { name: 'client', labels: { app: 'client' }, dns: true },
        { ...outside, name: 'one', address: '10.244.0.50' },
        { ...outside, name: 'two', address: '10.244.0.51' },
      ],
      services: [],
      yaml: entry('one.example', '10.244.0.50') + entry('two.example', '10.244.0.51'),
    });
  });
  after(() => mesh?.stop());

  const call = async (host: string, port: number): Promise<string> => {
    // A resolver gives up after some seconds, and on a busy machine an answer may take longer.
    const answer = await until(`an answer of ${host}`, async () => {
      const [answer] = await mesh.pod('client').app.calls({ address: host, port, host: 'any', path: '/' });
      return answer?.status === 200 ? answer : undefined;
    });
    return whoAnswered(answer);
  };

  test('hosts that share a port, and that nobody else knows, are told apart by addresses of their own', async () => {
    assert.equal(await call('one.example', 7000), 'one');
    assert.equal(await call('two.example', 7000), 'two');
  });

  test('over TCP a question reaches the server that was asked', async () => {
    assert.equal(await call('10.244.0.50', 53), 'one');
    assert.equal(await call('10.244.0.51', 53), 'two');
    assert.match(await mesh.pod('client').admin('/stats?filter=listener.127.0.0.1_15053.downstream_cx_total'), /: 2$/m);
    await mesh.assertNothingRejected();
  });
});
