import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import type { ConfigStore } from '../../src/config/store.ts';
import { unpackAs } from '../../src/proto/any.ts';
import { jwtFilters } from '../../src/translate/filters/jwt.ts';
import { calls, errorsOf, object, policy, refusedBy, storeOf } from './small-mesh.ts';

/** Whose tokens are looked for where (`issuer at header x`), and `refused` where none of them is valid. */
function tokensOf(store: ConfigStore): readonly string[] {
  const [filter] = jwtFilters([...store.contents().RequestAuthentication.values()], false);
  if (!filter?.typed_config) return [];
  const { providers = {} } = unpackAs(JWT, filter.typed_config);
  return Object.values(providers).map(({ issuer, audiences = [], from_headers = [], from_params = [], local_jwks }) => {
    const places = [...from_headers.map(h => `header ${h.name}`), ...from_params.map(p => `parameter ${p}`)];
    const valid = local_jwks?.inline_string === KEYS;
    return [
      issuer || 'anybody',
      ...audiences.map(a => `for ${a}`),
      ...places.map(p => `at ${p}`),
      ...(valid ? [] : ['refused']),
    ].join(' ');
  });
}

const JWT = 'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication';
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const KEYS = JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] });
const jwt = (...rules: readonly string[]) =>
  `RequestAuthentication it: {jwtRules: [${rules.map(rule => rule.replace('KEYS', `'${KEYS}'`)).join()}]}`;
const good = '{issuer: good, jwks: KEYS}';

/** What is written, its errors, and its tokens where no valid version is known, and after an edit of one with the rules of `good` and `bad`. */
const authentications: readonly (readonly [
  says: string,
  written: string,
  errors: readonly string[],
  first: readonly string[],
  edited: readonly string[],
])[] = [
  [
    'keys that are none',
    jwt(good, '{issuer: bad, jwks: "{"}'),
    ['spec.jwtRules[1].jwks', ''],
    ['bad refused', 'good'],
    ['bad', 'good'],
  ],
  [
    'keys of which none is of use',
    jwt(good, `{issuer: bad, jwks: '{"keys": [{"kty": "RSA"}]}'}`),
    ['spec.jwtRules[1].jwks', ''],
    ['bad refused', 'good'],
    ['bad', 'good'],
  ],
  [
    'an issuer that is none',
    jwt(good, '{issuer: 12, jwks: KEYS}'),
    ['spec.jwtRules[1].issuer', ''],
    ['anybody refused', 'good'],
    ['bad', 'good'],
  ],
  [
    'an unknown field',
    jwt(good, '{issuer: bad, audience: [a], jwks: KEYS}'),
    ['spec.jwtRules[1].audience', ''],
    ['bad refused', 'good'],
    ['bad', 'good'],
  ],
  ['a rule that is none', jwt(good, '12'), ['spec.jwtRules[1]', ''], ['anybody refused', 'good'], ['bad', 'good']],
  ['no rules', 'RequestAuthentication it: {jwtRule: []}', ['spec.jwtRule', ''], ['anybody refused'], ['bad', 'good']],
  [
    'a selector',
    `RequestAuthentication it: {selector: {matchLabels: {app: "*"}}, ${jwt(good).slice(27)}`,
    ['spec.selector.matchLabels.app', ''],
    ['good refused'],
    ['bad', 'good'],
  ],
  [
    'one audience of several',
    jwt('{issuer: good, audiences: ["", a], jwks: KEYS}'),
    ['spec.jwtRules[0].audiences[0]'],
    ['good for a'],
    ['good for a'],
  ],
  [
    'the only audience',
    jwt('{issuer: good, audiences: [""], jwks: KEYS}'),
    ['spec.jwtRules[0].audiences[0]', ''],
    ['good refused'],
    ['bad', 'good'],
  ],
  [
    'one place of several',
    jwt('{issuer: good, fromHeaders: [{name: "a b"}, {name: x}], jwks: KEYS}'),
    ['spec.jwtRules[0].fromHeaders[0].name'],
    ['good at header x'],
    ['good at header x'],
  ],
  [
    'the only place of a kind',
    jwt('{issuer: good, fromHeaders: [{name: "a b"}], fromParams: [p], jwks: KEYS}'),
    ['spec.jwtRules[0].fromHeaders[0].name', ''],
    ['good at parameter p refused'],
    ['bad', 'good'],
  ],
  ['a time limit', jwt('{issuer: good, timeout: 0s, jwks: KEYS}'), ['spec.jwtRules[0].timeout'], ['good'], ['good']],
];

describe('a RequestAuthentication never takes a token for valid because something cannot be read', () => {
  for (const [says, written, errors, tokens, tokensAfterEdit] of authentications)
    test(says, () => {
      const it = object(written);
      const first = storeOf([written]);
      assert.deepEqual(errorsOf(first, it), errors);
      assert.deepEqual(tokensOf(first), tokens, 'at first');
      const edited = storeOf([jwt(good, '{issuer: bad, jwks: KEYS}')]);
      assert.deepEqual(tokensOf(edited), ['bad', 'good']);
      edited.apply({ op: 'upsert', object: it });
      assert.deepEqual(tokensOf(edited), tokensAfterEdit, 'after an edit');
    });
});

test('who has no valid token stays without one: a DENY of them holds', () => {
  const deny = policy(
    '{action: DENY, rules: [{from: [{source: {notRequestPrincipals: ["*"]}}], to: [{operation: {ports: ["8080"]}}]}]}',
  );
  assert.deepEqual(refusedBy(storeOf([jwt('{issuer: bad, jwks: "{"}'), deny]), calls), calls.slice(0, -1));
});
