import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, type DiscoveryType, differences, type Json, readDump, report } from '../support/xds-diff.ts';

const endpoint = (address: string): Json => ({ endpoint: { address: { socket_address: { address } } } });

const same: readonly [string, DiscoveryType, Json, Json][] = [
  ['keys in another order', 'cds', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
  [
    'domains in another order',
    'rds',
    { virtual_hosts: [{ domains: ['a', 'b'] }] },
    { virtual_hosts: [{ domains: ['b', 'a'] }] },
  ],
  [
    'endpoints and localities in another order',
    'eds',
    {
      endpoints: [
        { locality: { zone: 'b' }, lb_endpoints: [endpoint('1'), endpoint('2')] },
        { locality: { zone: 'a' } },
      ],
    },
    {
      endpoints: [
        { locality: { zone: 'a' } },
        { locality: { zone: 'b' }, lb_endpoints: [endpoint('2'), endpoint('1')] },
      ],
    },
  ],
  [
    'a filter of Istio’s own Envoy',
    'lds',
    { filters: [{ name: 'istio.stats' }, { name: 'x' }] },
    { filters: [{ name: 'x' }] },
  ],
];

for (const [what, type, a, b] of same)
  test(`equal: ${what}`, () => {
    assert.deepEqual(differences(type, a, b), []);
  });

test('order counts where Envoy reads it', () => {
  const [a, b]: readonly Json[] = [
    { routes: [{ name: 'a' }, { name: 'b' }] },
    { routes: [{ name: 'b' }, { name: 'a' }] },
  ];
  assert.equal(differences('rds', a ?? null, b ?? null).length, 2);
});

test('a comparison counts names of both sides and says where resources disagree', () => {
  const reference = readDump(
    '{"cds": {"resources": {"a": {"x": [1, 2]}, "b": {}, "c": {}}}, "eds": {"resources": {}}}',
  );
  const ours = readDump('{"cds": {"resources": {"a": {"x": [1]}, "b": {}, "d": {}}}}');
  const result = compare(reference, ours);
  assert.equal(result.equal, 1);
  assert.equal(result.total, 4);
  assert.deepEqual(result.types[0]?.missing, ['c']);
  assert.deepEqual(result.types[0]?.extra, ['d']);
  assert.deepEqual(result.types[0]?.differing.get('a'), [{ path: '.x[1]', reference: 2, ours: undefined }]);
  assert.match(report(result, 1), /1 × \.x\[\]\n {2}~ a\n {6}\.x\[1\] \| 2 \| <absent>\nscore 1\/4 = 25\.0%/);
});
