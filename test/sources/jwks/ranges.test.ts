import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowedBy, isRange } from '../../../src/sources/jwks/ranges.ts';

const nobodys = [
  ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '169.254.169.254', '169.254.170.2', '168.63.129.16', '100.100.100.200'],
  ...['224.0.0.1', '255.255.255.255'],
  ...['::1', '::', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe'],
  ...['fe80::1', 'fe80::1%eth0', 'febf::1', 'fd00:ec2::254', 'fd20:ce::254', 'ff02::1'],
  ...['64:ff9b::169.254.169.254', '64:ff9b::7f00:1', '2002:7f00:1::', '2002:a9fe:a9fe::1'],
];

const somebodys = [
  ...['10.0.0.1', '192.168.1.1', '172.16.0.1', '8.8.8.8', '169.253.255.255', '126.255.255.255', '128.0.0.1'],
  ...['2001:db8::1', 'fd00::1', '::ffff:10.0.0.1', '64:ff9b::8.8.8.8'],
];

const none = { allowed: [], blocked: [] };

test('this machine, the link and the metadata of clouds are not asked, however their addresses are written', () => {
  const allows = allowedBy(none);
  assert.deepEqual([...nobodys, ...somebodys].filter(allows), somebodys);
  for (const text of ['', 'localhost', '127.1', '10.0.0.1:80']) assert.equal(allows(text), false, text);
});

test('what is allowed may be asked, in each way to write it; what is blocked may not, although it is allowed', () => {
  const loopback = allowedBy({ allowed: ['127.0.0.0/8', '::1'], blocked: [] });
  const asked = [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
  ];
  assert.deepEqual(nobodys.filter(loopback).sort(), asked.sort());
  const blocking = allowedBy({ allowed: ['127.0.0.0/8'], blocked: ['127.0.0.2', '10.0.0.0/8', 'fd00::/8'] });
  const tried = [
    '127.0.0.1',
    '127.0.0.2',
    '::ffff:127.0.0.2',
    '10.1.2.3',
    '::ffff:10.1.2.3',
    '64:ff9b::10.1.2.3',
    'fd00::1',
  ];
  assert.deepEqual(tried.filter(blocking), ['127.0.0.1']);
});

test('a range is an address with a length that fits its family, or without', () => {
  for (const text of ['10.0.0.0/8', '0.0.0.0/0', '::/0', 'fd00::/8', '::1', '1.2.3.4']) assert.ok(isRange(text), text);
  for (const text of ['', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', 'a', '10.0.0/8', '1.2.3.4/-1'])
    assert.ok(!isRange(text), text);
});
