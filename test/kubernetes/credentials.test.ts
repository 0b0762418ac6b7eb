import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCredentials } from '../../src/kubernetes/credentials.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

async function load(user: object, cluster: object = {}, context?: string) {
  const directory = await mkdtemp(join(tmpdir(), 'credentials-'));
  const kubeconfig = join(directory, 'config');
  await writeFile(join(directory, 'ca.pem'), 'from a file');
  await writeFile(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: 'https://api:6443', ...cluster } }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  return { directory, credentials: await loadCredentials({ kubeconfig, context }) };
}

const exec = (script: string) => ({
  exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', script] },
});

const cases: readonly [what: string, user: object, cluster: object, expected: object][] = [
  ['a token', { token: 't' }, {}, { headers: { authorization: 'Bearer t' }, tls: {} }],
  [
    'a password',
    { username: 'u', password: 'p' },
    {},
    { headers: { authorization: `Basic ${base64('u:p')}` }, tls: {} },
  ],
  [
    'a client certificate',
    { 'client-certificate-data': base64('cert'), 'client-key-data': base64('key') },
    { 'certificate-authority-data': base64('ca'), 'tls-server-name': 'name' },
    { headers: {}, tls: { ca: 'ca', cert: 'cert', key: 'key', servername: 'name' } },
  ],
  [
    'files beside the kubeconfig',
    {},
    { 'certificate-authority': 'ca.pem' },
    { headers: {}, tls: { ca: 'from a file' } },
  ],
  [
    'an exec plugin',
    exec(`echo '{"status":{"token":"from exec"}}'`),
    { 'insecure-skip-tls-verify': true },
    { headers: { authorization: 'Bearer from exec' }, tls: { rejectUnauthorized: false } },
  ],
  ['a proxy', {}, { 'proxy-url': 'http://proxy:3128' }, { headers: {}, tls: {}, proxyUrl: 'http://proxy:3128' }],
];

for (const [what, user, cluster, expected] of cases) {
  test(`${what} of a kubeconfig is read`, async () => {
    assert.deepEqual((await load(user, cluster)).credentials, { server: 'https://api:6443', ...expected });
  });
}

test('a token file is named, to be read again and again', async () => {
  const { directory, credentials } = await load({ tokenFile: 'ca.pem' });
  assert.equal(credentials.tokenFile, join(directory, 'ca.pem'));
});

test('of several files of $KUBECONFIG the first counts, as with kubectl, and some may be missing', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'credentials-'));
  const write = async (name: string, server: string, user: string): Promise<string> => {
    const users = [{ name: user, user: { tokenFile: name } }];
    const contexts = [{ name, context: { cluster: 'c', user } }];
    const clusters = [{ name: 'c', cluster: { server } }];
    await writeFile(join(folder, name), JSON.stringify({ clusters, users, contexts, 'current-context': name }));
    return join(folder, name);
  };
  const files = [await write('a', 'https://first:6443', 'u'), await write('b', 'https://second:6443', 'v')];
  const { KUBECONFIG } = process.env;
  t.after(() => Object.assign(process.env, { KUBECONFIG: KUBECONFIG ?? '' }));
  process.env['KUBECONFIG'] = ['/no/such/file', ...files].join(':');
  for (const [context, tokenFile] of [
    [undefined, 'a'],
    ['b', 'b'],
  ] as const)
    assert.deepEqual(await loadCredentials({ context }), {
      server: 'https://first:6443',
      headers: {},
      tls: {},
      tokenFile: join(folder, tokenFile),
    });
});

test('what is wrong is said', async () => {
  await assert.rejects(loadCredentials({ kubeconfig: '/no/such/file' }), /no such file/);
  await assert.rejects(load({}, {}, 'other'), /no context other/);
  await assert.rejects(load({ tokenFile: 'none' }), /no such file/);
  await assert.rejects(load({ 'auth-provider': { name: 'gcp' } }), /user u: its auth-provider gcp cannot be used/);
  await assert.rejects(load(exec('echo no luck >&2; exit 1')), /no luck/);
});
