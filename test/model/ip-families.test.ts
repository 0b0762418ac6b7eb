import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canonicalAddress,
  inboundSources,
  isGlobalUnicast,
  isOfFamilies,
  isUnspecified,
  loopbacks,
  wildcards,
} from '../../src/istio/ip-families.ts';

const v4 = { ipv4: true, ipv6: false };
const v6 = { ipv4: false, ipv6: true };
const dual = { ipv4: true, ipv6: true };

test('each family has its wildcard, loopback and source; of both the one of IPv4 comes first', () => {
  assert.deepEqual([wildcards(v4), loopbacks(v4), inboundSources(v4)], [['0.0.0.0'], ['127.0.0.1'], ['127.0.0.6']]);
  assert.deepEqual([wildcards(v6), loopbacks(v6), inboundSources(v6)], [['::'], ['::1'], ['::6']]);
  assert.deepEqual(wildcards(dual), ['0.0.0.0', '::']);
  // Traits are compared by identity, and so are lists that are made from them.
  assert.equal(wildcards({ ...dual }), wildcards(dual));
});

test('an address is of one family, and has one form', () => {
  for (const [address, of4] of [
    ['10.0.0.1', true],
    ['10.0.0.0/8', true],
    ['fd00::1', false],
    ['::/0', false],
  ] as const)
    assert.deepEqual(
      [isOfFamilies(address, v4), isOfFamilies(address, v6), isOfFamilies(address, dual)],
      [of4, !of4, true],
    );
  for (const [written, form] of [
    ['FD00:0:0::01', 'fd00::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['10.0.0.1', '10.0.0.1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['host.example', 'host.example'],
  ] as const)
    assert.equal(canonicalAddress(written), form);
});

test('others reach a pod neither by loopback nor by what its link alone knows', () => {
  const reached = ['10.1.0.5', 'fd00::5', '2001:db8::5', '192.0.2.1'];
  const not = [
    '127.0.0.1',
    '::1',
    '169.254.1.1',
    'fe80::1',
    'fe80::1%eth0',
    '224.0.0.1',
    'ff02::1',
    '0.0.0.0',
    '::',
    'x',
  ];
  assert.deepEqual([...reached, ...not].filter(isGlobalUnicast), reached);
  assert.deepEqual([...reached, ...not].filter(isUnspecified), ['0.0.0.0', '::']);
});
