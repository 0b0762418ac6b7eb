import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findAllFaults } from '../../src/proto/faults.ts';
import type { AnyMessage } from '../../src/proto/message.ts';

const name = (message: string): string => `envoy.extensions.transport_sockets.tls.v3.${message}`;
const refused = (message: string, value: AnyMessage): boolean => findAllFaults(name(message), value).length > 0;

/** Lists of which Envoy 1.36.4 and 1.40.0 were asked, each on the TLS of a cluster. */
const ciphers: { readonly taken: readonly string[]; readonly refused: readonly string[] } = {
  taken: [
    '',
    'ALL',
    'HIGH',
    'DEFAULT',
    'kRSA+AES128',
    'ECDHE+AESGCM',
    'AES128-SHA:AES256-SHA',
    'AES128-SHA:',
    ':AES128-SHA',
    'TLS_RSA_WITH_AES_128_CBC_SHA',
    '[AES128-SHA|AES256-SHA]',
    '[AES128-SHA||AES256-SHA]',
    '[ALL]',
    '[kRSA+AES128|AES256-SHA]',
    'ALL [AES128-SHA|AES256-SHA]',
    'AES128-SHA AES128-SHA',
    'AES128-SHA !AES256-SHA',
    'AES128-SHA @STRENGTH',
    'AES128-SHA +AES256-SHA',
    '-AES128-SHA AES128-SHA',
    'AES128-SHA !AES128-SHA AES256-SHA',
    'ALL !kRSA',
    'ALL AES128+AES256',
  ],
  refused: [
    'nope',
    'all',
    'aes128-sha',
    'MEDIUM',
    'kDHE',
    'kRSA+',
    'TLS_AES_128_GCM_SHA256',
    'ECDHE-RSA-AES256-SHA384',
    'AES128-SHA+AES256-SHA',
    'AES128+AES256',
    'AES128-SHA,AES256-SHA',
    'AES128-SHA;AES256-SHA',
    'AES128-SHA nope',
    'AES128-SHA !nope',
    'AES128-SHA -',
    'AES128-SHA @strength',
    '@STRENGTH',
    '-ALL',
    '!AES128-SHA',
    '+AES128-SHA',
    'AES128-SHA -ALL',
    'AES128-SHA !AES128-SHA',
    '!AES128-SHA AES128-SHA',
    '[AES128-SHA',
    'AES128-SHA]',
    '[]',
    '[AES128-SHA|nope]',
    '[-AES128-SHA]',
    '[AES128-SHA:AES256-SHA]',
    '[AES128-SHA|AES256-SHA]x',
    '[AES128-SHA|AES256-SHA] @STRENGTH',
    '[AES128-SHA|AES256-SHA] +AES256-SHA',
    'toString',
  ],
};

describe('what of TLS parameters Envoy takes', () => {
  for (const list of ciphers.taken)
    test(`ciphers ${list}`, () => assert.equal(refused('TlsParameters', { cipher_suites: list.split(' ') }), false));
  for (const list of ciphers.refused)
    test(`no ciphers ${list}`, () => assert.ok(refused('TlsParameters', { cipher_suites: list.split(' ') })));

  test('curves', () => {
    for (const list of [[], [''], ['P-256'], ['x25519', 'secp384r1'], ['P-256:P-521'], ['X25519MLKEM768', 'X25519']])
      assert.equal(refused('TlsParameters', { ecdh_curves: list }), false, list.join());
    for (const list of [
      ['nope'],
      ['p-256'],
      ['P-256', 'P-256'],
      ['P-256', 'prime256v1'],
      ['', 'P-256'],
      ['P-224'],
      ['X448'],
    ])
      assert.ok(refused('TlsParameters', { ecdh_curves: list }), list.join());
  });

  test('signature algorithms', () => {
    for (const list of [[], [''], ['ed25519'], ['rsa_pkcs1_sha1', 'ecdsa_secp256r1_sha256']])
      assert.equal(refused('TlsParameters', { signature_algorithms: list }), false, list.join());
    for (const list of [['nope'], ['ed25519', 'ed25519']])
      assert.ok(refused('TlsParameters', { signature_algorithms: list }), list.join());
  });

  test('protocols: Envoy aborts at an empty one beside others', () => {
    const long = 'x'.repeat(255);
    for (const list of [[''], ['h2'], ['h2,http/1.1'], [long]])
      assert.equal(refused('CommonTlsContext', { alpn_protocols: list }), false, list.join());
    for (const list of [['h2,'], [',h2'], ['h2', ''], ['', ''], [','], [`${long}x`], Array(257).fill(long) as string[]])
      assert.ok(refused('CommonTlsContext', { alpn_protocols: list }), list.join().slice(0, 40));
  });

  test('a server name has no NUL', () => assert.ok(refused('UpstreamTlsContext', { sni: 'a\0b' })));
});
