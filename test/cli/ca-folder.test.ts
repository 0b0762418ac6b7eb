import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { decodeJwt } from 'jose';
import { parse } from 'yaml';
import { openFolderAuthority, readFolderAuthority } from '../../src/cli/ca-folder.ts';
import { bootstrap, serve, token } from '../../src/cli/commands.ts';
import { type Command, readArguments, UsageError } from '../../src/command.ts';
import { rootBundle } from '../../src/security/authority.ts';
import { verifyToken } from '../../src/security/oidc.ts';
import { podTokens } from '../../src/security/pod-token.ts';
import { PrivateKey } from '../../src/security/private-key.ts';
import { serveSettings } from '../../src/settings/settings.ts';
import { newKey } from '../security/openssl.ts';

const folder = await mkdtemp(join(tmpdir(), 'pilotlight-ca-'));
after(() => rm(folder, { recursive: true, force: true }));
const sample = join(import.meta.dirname, '../../deploy/samples/bookinfo');
const now = Date.now();
let folders = 0;
const fresh = (): string => join(folder, `${++folders}`);
const made = async (): Promise<string> => {
  const ca = fresh();
  await openFolderAuthority(ca, 'cluster.local', now);
  return ca;
};

test('a root is made once, for its owner alone, whoever comes first', async () => {
  const ca = join(fresh(), 'below', 'it');
  const all = await Promise.all([1, 2, 3].map(() => openFolderAuthority(ca, 'cluster.local', now)));
  const later = await readFolderAuthority(ca, now);
  for (const { authority, tokenKey } of all) {
    assert.equal(rootBundle(authority), rootBundle(later.authority));
    assert.ok(tokenKey.publicKey.equals(later.tokenKey.publicKey));
  }
  const files = await readdir(ca);
  assert.deepEqual(files.sort(), ['ca-cert.pem', 'ca-key.pem', 'token-key.pem']);
  const modes = await Promise.all(['.', ...files].map(async name => (await stat(join(ca, name))).mode & 0o777));
  assert.deepEqual(modes, [0o700, 0o600, 0o600, 0o600]);
  assert.deepEqual(await readdir(join(ca, '..')), ['it'], 'nothing is left beside it');
});

test('an empty folder is filled where it is, behind a link too', async () => {
  const [ca, link] = [fresh(), fresh()];
  await mkdir(ca, { mode: 0o700 });
  await symlink(ca, link);
  const { authority } = await openFolderAuthority(link, 'cluster.local', now);
  assert.equal(rootBundle((await readFolderAuthority(ca, now)).authority), rootBundle(authority));
});

type Damage = readonly [what: string, does: (ca: string) => Promise<unknown>, says: RegExp];

const put = (name: string, text: string) => (ca: string) => writeFile(join(ca, name), text);
const damages: readonly Damage[] = [
  ['others may read the folder', ca => chmod(ca, 0o750), /others may read or change it \(mode 750\): chmod 700 it$/],
  ['others may write a key', ca => chmod(join(ca, 'ca-key.pem'), 0o620), /ca-key\.pem: .*chmod 600 it$/],
  ['others may read the key of tokens', ca => chmod(join(ca, 'token-key.pem'), 0o604), /token-key\.pem: .*mode 604/],
  ['no certificate', ca => unlink(join(ca, 'ca-cert.pem')), /ca-cert\.pem: it is missing: restore the folder/],
  ['no key', ca => unlink(join(ca, 'ca-key.pem')), /ca-key\.pem: it is missing/],
  ['no key of tokens', ca => unlink(join(ca, 'token-key.pem')), /token-key\.pem: it is missing/],
  ['an empty certificate', put('ca-cert.pem', ''), /ca-cert\.pem: .*is missing or empty/],
  ['no certificate in it', put('ca-cert.pem', 'x'), /ca-cert\.pem: .*expected certificates in PEM/],
  [
    'another key',
    put('ca-key.pem', PrivateKey.generate().revealPem()),
    /ca-key\.pem: .*is not the key of the certificate/,
  ],
  ['a damaged key of tokens', put('token-key.pem', 'x'), /token-key\.pem: expected a private key in PEM/],
  ['an RSA key for tokens', put('token-key.pem', newKey('rsa:2048')), /token-key\.pem: expected an EC key on P-256/],
  ['too much', put('ca-cert.pem', ' '.repeat(70_000)), /ca-cert\.pem: it has 70000 bytes, at most 65536 are read$/],
  [
    'a link',
    async ca => {
      await unlink(join(ca, 'ca-key.pem'));
      await symlink(join(ca, 'token-key.pem'), join(ca, 'ca-key.pem'));
    },
    /ca-key\.pem: it is no file/,
  ],
];

const contentOf = async (ca: string) =>
  Promise.all((await readdir(ca)).map(async name => [name, await readFile(join(ca, name), 'utf8')]));

for (const [what, does, says] of damages)
  test(`refused in one sentence, and left as it is: ${what}`, async () => {
    const ca = await made();
    await does(ca);
    const before = await contentOf(ca);
    await assert.rejects(openFolderAuthority(ca, 'cluster.local', now), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, says);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
    assert.deepEqual(await contentOf(ca), before);
  });

/** What a command says on standard output; rejects with what it is refused for. */
async function run(command: Command, ...argv: readonly string[]): Promise<string> {
  let out = '';
  await command.run(readArguments(command, argv), {
    out: text => {
      out += text;
    },
    err: () => {},
    signal: new AbortController().signal,
  });
  return out;
}

const of = ['--config', sample];

test('a token is for a pod of the folder, its service account and its time', async () => {
  const ca = await made();
  const text = (await run(token, ...of, '--ca', ca, '--ttl', '30m', 'reviews-v1')).trim();
  const { tokenKey } = await readFolderAuthority(ca, now);
  const { iat = 0, exp = 0 } = decodeJwt(text);
  assert.equal(exp - iat, 1_800);
  const known = await verifyToken(text, podTokens(tokenKey), 'cluster.local', iat * 1_000);
  assert.ok(known.ok);
  assert.equal(known.caller.identity.uri, 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews');
  assert.equal(known.caller.pod?.name, 'reviews-v1');
  assert.equal(known.caller.expiresAt, exp * 1_000);
  const later = await verifyToken(text, podTokens(tokenKey), 'cluster.local', (exp + 100) * 1_000);
  const elsewhere = await verifyToken(text, podTokens(PrivateKey.generate()), 'cluster.local', iat * 1_000);
  assert.deepEqual([later.ok, elsewhere.ok], [false, false]);
});

test('--out replaces a file, for its owner alone', async () => {
  const [ca, file] = [await made(), fresh()];
  await writeFile(file, 'what was there', { mode: 0o644 });
  assert.equal(await run(token, ...of, '--ca', ca, '--out', file, 'reviews-v1.default'), '');
  assert.match(await readFile(file, 'utf8'), /^[\w-]+\.[\w-]+\.[\w-]+$/);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test('a secure bootstrap has the root of the folder, or names the files of a pod', async () => {
  const ca = await made();
  const grpcOf = async (...argv: string[]) => {
    const { dynamic_resources: dynamic, static_resources: fixed } = parse(await run(bootstrap, ...of, ...argv));
    assert.equal(fixed, undefined);
    return dynamic.ads_config.grpc_services[0].google_grpc;
  };
  const own = await grpcOf('--secure', '--ca', ca, '--token', 'its-token', 'reviews-v1');
  const { authority } = await readFolderAuthority(ca, now);
  assert.deepEqual(own.channel_credentials.ssl_credentials.root_certs, { inline_string: rootBundle(authority) });
  assert.equal(own.call_credentials[0].from_plugin.typed_config.secret_data.filename, 'its-token');
  assert.equal(own.target_uri, '127.0.0.1:15012');
  const pod = await grpcOf('--secure', '--root-namespace', 'mesh', '--xds-address', 'istiod.mesh:15012', 'reviews-v1');
  assert.deepEqual(pod.channel_credentials.ssl_credentials.root_certs, {
    filename: '/var/run/secrets/istio/root-cert.pem',
  });
  assert.equal(pod.target_uri, 'istiod.mesh:15012');
  assert.equal(pod.channel_args.args['grpc.ssl_target_name_override'].string_value, 'istiod.mesh.svc');
});

const nowhere = join(folder, 'nowhere');
const mistakes: readonly (readonly [command: Command, argv: readonly string[], says: RegExp])[] = [
  [token, [...of, 'reviews-v1'], /^--ca DIR is needed/],
  [
    token,
    [...of, '--ca', nowhere, 'reviews-v1'],
    /nowhere: there is no authority yet; it is made by: pilotlight serve/,
  ],
  [token, [...of, '--ca', join(sample, 'services.yaml'), 'reviews-v1'], /services\.yaml: /],
  [token, [...of, '--ca', nowhere, '--ttl', 'soon', 'reviews-v1'], /^--ttl: 'soon' is no duration; .*24h/],
  [token, [...of, '--ca', nowhere, '--ttl', '0h', 'reviews-v1'], /^--ttl: '0h' is no duration/],
  [token, [...of, '--ca', nowhere, '--ttl', '400d', 'reviews-v1'], /^--ttl: '400d' is too long, at most 365d$/],
  [token, [...of, '--ca', nowhere, 'nobody'], /^there is no pod nobody in namespace default; the pods are: /],
  [token, ['--ca', nowhere, 'reviews-v1'], /^--config DIR and the name of a pod are needed/],
  [bootstrap, [...of, '--ca', nowhere, 'reviews-v1'], /^--ca is for --secure$/],
  [bootstrap, [...of, '--secure', '--ca', nowhere, 'reviews-v1'], /there is no authority yet/],
];
for (const [command, argv, says] of mistakes)
  test(`what is typed wrong: ${argv.join(' ').replaceAll(folder, '').replaceAll(sample, '')}`, async () => {
    await assert.rejects(
      run(command, ...argv),
      (error: Error) => error instanceof UsageError && says.test(error.message),
    );
  });

test('a folder is served over TLS where somebody vouches for proxies', () => {
  const settings = (...argv: string[]) => serveSettings(readArguments(serve, argv));
  assert.equal(settings(...of).tls, undefined);
  assert.equal(settings(...of, '--ca', 'x').tls?.port, 15012);
  assert.equal(settings(...of, '--ca', 'x', '--tls-address', ':1').tls?.port, 1);
  assert.equal(settings(...of, '--ca', 'x', '--tls-address', '').tls, undefined);
  assert.equal(settings(...of, '--ca', 'x', '--xds-address', '').xds, undefined);
  assert.throws(
    () => settings(...of, '--tls-address', ':1'),
    /--tls-address needs who vouches for proxies: .*--ca DIR$/,
  );
  assert.throws(() => settings('--ca', 'x'), /--ca is for --config: /);
  assert.throws(() => settings(...of, '--xds-address', ''), /with --ca DIR alone/);
  assert.equal(settings(...of, '--workload-cert-ttl', '90m').workloadCertTtl, 5_400);
  assert.throws(
    () => settings(...of, '--workload-cert-ttl', '91d'),
    /--workload-cert-ttl: '91d' is too long, at most 90d$/,
  );
});
