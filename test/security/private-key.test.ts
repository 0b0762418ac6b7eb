import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import pino from 'pino';
import { PrivateKey } from '../../src/security/private-key.ts';
import { makeRoot, rootAuthority } from '../../src/security/root.ts';
import { settled } from '../../src/security/rotation.ts';

/** Everything that prints a value. */
async function printed(value: object): Promise<readonly string[]> {
  const logged: string[] = [];
  pino({}, { write: line => void logged.push(line) }).info({ value, err: Object.assign(new Error('it'), { value }) });
  return [
    inspect(value, { depth: 20, showHidden: true, getters: true }),
    inspect(value, { depth: 20, customInspect: false, showHidden: true, getters: false }),
    JSON.stringify(value),
    String(value),
    `${value}`,
    format('%s %o %j', value, value, value),
    logged.join(''),
  ];
}

test('a private key prints nowhere, also within what holds it', async () => {
  const root = await makeRoot('cluster.local', Date.now());
  const pem = root.key.revealPem();
  const secret = pem.split('\n').slice(1, -2);
  assert.ok(secret.length >= 2 && secret.every(line => line.length > 10));
  // The last 44 bytes of a P-256 key are its public half, which anybody may see.
  const bytes = Buffer.from(secret.join(''), 'base64').subarray(36, 68);
  const shapes = [bytes.toString('base64').slice(0, 20), bytes.toString('hex').slice(0, 20), secret[1] ?? ''];
  let compared = 0;
  for (const value of [root.key, root, settled(rootAuthority(root), 0), { nested: [root.key] }])
    for (const text of await printed(value)) {
      for (const shape of shapes) assert.ok(!text.includes(shape), text.slice(0, 200));
      compared++;
    }
  assert.equal(compared, 28);
  assert.equal(`${root.key}`, '[private key]');
  assert.equal(JSON.stringify({ key: root.key }), '{"key":"[private key]"}');
  assert.match(inspect({ key: root.key }), /\{ key: \[private key\] \}/);
});

test('a key for WebCrypto cannot be exported', async () => {
  const key = PrivateKey.generate();
  assert.equal(key.signingKey.extractable, false);
  await assert.rejects(crypto.subtle.exportKey('pkcs8', key.signingKey));
});

test('two keys in one text are none', () => {
  const pem = PrivateKey.generate().revealPem();
  assert.equal(PrivateKey.read(`${pem}${pem}`), 'expected one private key, found 2');
  assert.ok(PrivateKey.read(pem) instanceof PrivateKey);
});
