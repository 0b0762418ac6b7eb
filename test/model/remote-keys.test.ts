import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigStore } from '../../src/config/store.ts';
import type { RemoteKeys } from '../../src/istio/remote-keys.ts';
import { buildMesh, type MeshModel } from '../../src/model/mesh.ts';
import type { PolicyIndex } from '../../src/model/policies/policies.ts';
import { objectOf } from '../property/objects.ts';

const options = { domain: 'cluster.local', rootNamespace: 'istio-system', clusterId: 'Kubernetes' };
const jwks = { text: '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}' };
const other = { text: '{"keys":[{"kty":"RSA","n":"BQAB","e":"AQAB"}]}' };

type Rule = Readonly<Record<string, unknown>>;

function meshes(policies: Readonly<Record<string, readonly Rule[]>>) {
  const store = new ConfigStore();
  for (const [name, jwtRules] of Object.entries(policies))
    store.apply({ op: 'upsert', object: objectOf('RequestAuthentication', name, 'shop', { spec: { jwtRules } }) });
  let mesh = buildMesh(store.contents(), options);
  return {
    first: mesh,
    known(url: string, keys: RemoteKeys | undefined): MeshModel {
      store.apply({ op: 'keys', url, keys });
      mesh = buildMesh(store.contents(), options, mesh);
      return mesh;
    },
  };
}

const policiesOf = (mesh: MeshModel) =>
  new Map(
    (mesh.stages.value('policies') as PolicyIndex)
      .policiesFor('shop', {})
      .requestAuthentications.map(policy => [policy.meta.name, policy]),
  );

const told = ({ problems }: MeshModel): readonly string[] =>
  problems.map(({ object, path, severity, message }) => `${severity} ${object} ${path}: ${message}`);

const uri = 'https://keys.example/jwks';

test('a rule is about the keys that are known at its URL, and new ones make anew only the policies that name it', () => {
  const { first, known } = meshes({
    remote: [{ issuer: 'a', jwksUri: uri }],
    beside: [{ issuer: 'b', jwksUri: 'https://other.example/jwks' }],
    inline: [{ issuer: 'c', jwks: jwks.text }],
  });
  assert.deepEqual([...first.keyLocations.keys()], ['https://other.example/jwks', uri]);
  const before = policiesOf(first);
  assert.equal(before.get('remote')?.spec.jwtRules?.[0]?.jwks, undefined);
  const after = policiesOf(known(uri, { jwks }));
  assert.equal(after.get('remote')?.spec.jwtRules?.[0]?.jwks, jwks.text);
  for (const name of ['beside', 'inline']) assert.equal(after.get(name), before.get(name), name);
  const same = policiesOf(known(uri, { jwks, failure: 'gone' }));
  assert.equal(same.get('remote'), after.get('remote'), 'a failure leaves the policy what it is');
  const rotated = policiesOf(known(uri, { jwks: other }));
  assert.equal(rotated.get('remote')?.spec.jwtRules?.[0]?.jwks, other.text);
  assert.equal(rotated.get('inline'), before.get('inline'));
  assert.equal(policiesOf(known(uri, undefined)).get('remote')?.spec.jwtRules?.[0]?.jwks, undefined);
});

test('a Problem of the policy names the URL and why there are no keys, or no new ones', () => {
  const { first, known } = meshes({
    remote: [
      { issuer: 'x', jwks: jwks.text },
      { issuer: 'a', jwksUri: uri },
    ],
  });
  const where = 'RequestAuthentication/shop/remote spec.jwtRules[1].jwksUri';
  const refused = 'tokens of this rule are refused until there are keys';
  assert.deepEqual(told(first), [`error ${where}: no keys have been fetched from ${uri} yet; ${refused}`]);
  assert.deepEqual(told(known(uri, { failure: 'status 503' })), [
    `error ${where}: no keys from ${uri}: status 503; ${refused}`,
  ]);
  assert.deepEqual(told(known(uri, { jwks })), []);
  assert.deepEqual(told(known(uri, { jwks, failure: 'status 503' })), [
    `warning ${where}: no new keys from ${uri}: status 503; the last ones stay in force`,
  ]);
});

test('an issuer without keys is asked where they are, if it is a URL', () => {
  const { first, known } = meshes({ a: [{ issuer: 'https://issuer.example/' }], b: [{ issuer: 'me@example.com' }] });
  const configuration = 'https://issuer.example/.well-known/openid-configuration';
  assert.deepEqual([...first.keyLocations.keys()], [configuration]);
  assert.match(
    told(first).join('\n'),
    /shop\/b spec\.jwtRules\[0\]\.issuer: neither jwks nor jwksUri .*"me@example.com"/,
  );
  const after = known(configuration, { jwks });
  assert.equal(policiesOf(after).get('a')?.spec.jwtRules?.[0]?.jwks, jwks.text);
  assert.equal(told(after).length, 1);
});

test('a URL that several name is fetched once, with the longest of their times', () => {
  const { first, known } = meshes({
    a: [{ issuer: 'a', jwksUri: uri, timeout: '2s' }],
    b: [{ issuer: 'b', jwksUri: uri, timeout: '7s' }],
  });
  assert.deepEqual([...first.keyLocations.values()], [{ url: uri, timeoutMs: 7_000 }]);
  assert.equal(known(uri, { jwks }).keyLocations, first.keyLocations);
});
