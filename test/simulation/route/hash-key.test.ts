import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster_LbPolicy } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import { hashes, hashKeys, tcpHashKeys } from './hash-key.ts';

test('what a route hashes', () =>
  assert.deepEqual(
    hashKeys([
      { header: { header_name: 'x-user' } },
      { cookie: { name: 'session', path: '/', ttl: { seconds: 60 } } },
      { cookie: { name: 'given', attributes: [{ name: 'SameSite', value: 'Strict' }] } },
      { query_parameter: { name: 'user' } },
      { connection_properties: { source_ip: true } },
    ]),
    [
      { header: 'x-user' },
      { cookie: 'session', path: '/', ttl: 60_000 },
      { cookie: 'given', attributes: { SameSite: 'Strict' } },
      { query: 'user' },
      { sourceIp: true },
    ],
  ));

test('what a TCP proxy hashes', () => {
  assert.deepEqual(tcpHashKeys([{ source_ip: {} }]), [{ sourceIp: true }]);
  assert.deepEqual(tcpHashKeys(), []);
});

test('only rings and Maglev tables hash', () => {
  const { ROUND_ROBIN, RING_HASH, RANDOM, MAGLEV } = Cluster_LbPolicy;
  assert.deepEqual(
    [ROUND_ROBIN, RING_HASH, RANDOM, MAGLEV].filter(policy => hashes({ lb_policy: policy })),
    [RING_HASH, MAGLEV],
  );
  assert.equal(hashes({}), false);
});
