import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Ended, inThisProcess, main, pilotlight, repository } from './program.ts';

const folder = mkdtempSync(join(tmpdir(), 'pilotlight-cli-'));
after(() => rmSync(folder, { recursive: true }));

const path = (name: string): string => join(folder, name);
const put = (name: string, text: string): string => {
  writeFileSync(path(name), text);
  return path(name);
};

mkdirSync(path('objects'));
put(
  'objects/mesh.yaml',
  `apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop}
status: {podIP: 10.1.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: unborn, namespace: shop}
`,
);
mkdirSync(path("it's empty"));
mkdirSync(path('a'));
symlinkSync(path('circle'), path('circle'));
const objects = path('objects');
const node = put('node.json', JSON.stringify({ id: 'sidecar~10.1.0.1~web-1.shop~shop.svc.cluster.local' }));

process.env['HOME'] = folder;
delete process.env['KUBECONFIG'];

const taken = createServer();
let port = 0;
before(async () => {
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
  const bound = taken.address();
  port = typeof bound === 'object' && bound ? bound.port : 0;
});
after(() => taken.close());

const serve = ['serve', '--config', objects, '--log-level', 'error'];
const translate = ['translate', '--config', objects, '--node', node];
const bootstrap = ['bootstrap', '--config', objects];

const kubeconfig = (server: string): string => `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "${server}"}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`;

const reachable = (): string => put('reachable', kubeconfig('https://127.0.0.1:1'));
const anywhere = ['--http-address', '127.0.0.1:0', '--xds-address', '127.0.0.1:0'];

/** What is typed, and the sentence that answers it. */
const mistakes: readonly (readonly [() => readonly string[], RegExp])[] = [
  [() => ['srve'], /^pilotlight: there is no command 'srve'; .*; did you mean serve\?$/],
  [
    () => ['--config', objects],
    /^pilotlight: options come after a command: serve, bootstrap, token, translate, inject, uninject, install, check, iptables$/,
  ],
  [() => ['help', 'nothing'], /^pilotlight: there is no command 'nothing'/],
  // Options.
  [() => ['translate', '--nodes', node], /^pilotlight translate: unknown option --nodes; did you mean --node\?$/],
  [() => ['serve', '--http', ':0'], /unknown option --http; did you mean --http-address\?$/],
  [() => ['serve', '--frobnicate'], /unknown option --frobnicate$/],
  [() => ['serve', '-c', objects], /unknown option -c; did you mean --ca\?$/],
  [() => ['serve', '--config'], /--config needs a value: --config DIR$/],
  [() => ['serve', '--config='], /--config needs a value: --config DIR$/],
  [() => ['serve', '--config', ''], /--config needs a value: --config DIR$/],
  [() => ['translate', '--config', '--node', node], /--config needs a value, and '--node' looks like an option/],
  [() => ['serve', '--plaintext-secrets=yes'], /--plaintext-secrets takes no value but true or false$/],
  [() => [...translate, 'more'], /unexpected 'more'; the usage is: pilotlight translate /],
  [() => [...serve, 'more'], /unexpected 'more'; the usage is: pilotlight serve /],
  [() => [...bootstrap, 'web-1.shop', 'more'], /unexpected 'more'; the usage is: pilotlight bootstrap /],
  [
    () => ['serve', '--config', objects, '--kubeconfig', 'x'],
    /--config reads a folder and --kubeconfig a cluster: choose one$/,
  ],
  [() => [...serve, '--log-level', 'loud'], /--log-level: 'loud'; expected trace, debug,.* or /],
  ...['x', '0', '1.5', '-1'].map((text): (typeof mistakes)[number] => [
    () => [...serve, `--push-share=${text}`],
    /--push-share: '.*' is no share; expected a number above 0 and at most 1, such as 0\.25$/,
  ]),
  // The mesh.
  [
    () => [...translate, '--domain', 'a b|c'],
    /--domain: 'a b\|c' is no domain of DNS in small letters, such as cluster\.local$/,
  ],
  [() => [...translate, '--domain', 'Cluster.Local'], /--domain: 'Cluster\.Local' is no domain/],
  [() => [...serve, '--domain', 'local.'], /--domain: 'local\.' is no domain/],
  [() => [...bootstrap, 'web-1.shop', '--domain', '-'], /--domain: '-' is no domain/],
  [() => [...serve, '--root-namespace', 'a.b'], /--root-namespace: 'a\.b' cannot be the name of a namespace$/],
  [() => [...serve, '--cluster-id', 'a|b'], /--cluster-id: 'a\|b'; letters, digits/],
  // Addresses.
  ...['x', '8080', ':x', ':', ':99999', ':-1', ': 80', 'http://localhost:80', '[::1]', '[x]:80', '::1]:80'].map(
    (text): readonly [() => readonly string[], RegExp] => [
      () => [...serve, '--xds-address', text],
      /--xds-address: '.*' is no address; expected HOST:PORT or :PORT, such as :15010$/,
    ],
  ),
  [
    () => [...serve, '--http-address', '::1:8080'],
    /'::1:8080': an IPv6 address stands in brackets, such as \[::1\]:15010$/,
  ],
  [() => [...serve, '--http-address', '::1'], /an IPv6 address stands in brackets/],
  [() => [...serve, '--http-address', `127.0.0.1:${port}`], /^pilotlight serve: --http-address: port \d+ is in use$/],
  [
    () => [...serve, '--http-address', ':0', '--xds-address', `127.0.0.1:${port}`],
    /^pilotlight serve: --xds-address: port \d+ is in use$/,
  ],
  [
    () => [...serve, '--http-address', '192.0.2.1:0'],
    /--http-address: 192\.0\.2\.1: this machine has no such address$/,
  ],
  [
    () => [...serve, '--http-address', ':0', '--xds-address', 'no.such.invalid:0'],
    /--xds-address: no\.such\.invalid: (there is no such host|the host cannot be looked up now)$/,
  ],
  [
    () => ['serve', '--kubeconfig', reachable(), ...anywhere, '--tls-address', `127.0.0.1:${port}`],
    /^pilotlight serve: --tls-address: port \d+ is in use$/,
  ],
  [
    () => ['serve', '--kubeconfig', reachable(), ...anywhere, '--tls-address', '192.0.2.1:0'],
    /--tls-address: 192\.0\.2\.1: this machine has no such address$/,
  ],
  [() => ['serve', '--kubeconfig', reachable(), '--tls-address', 'x'], /--tls-address: 'x' is no address; expected/],
  [
    () => [...serve, '--tls-address', ':0'],
    /--tls-address needs who vouches for proxies: a cluster, or with --config an authority: --ca DIR$/,
  ],
  [
    () => [...serve, '--xds-address', ''],
    /--xds-address is empty, and over TLS a folder is served with --ca DIR alone: .*nowhere$/,
  ],
  [
    () => ['serve', '--kubeconfig', reachable(), '--xds-address', '', '--tls-address='],
    /--xds-address and --tls-address are both empty: proxies could connect nowhere$/,
  ],
  [
    () => ['serve', '--kubeconfig', reachable(), '--http-address', ''],
    /--http-address needs a value: --http-address HOST:PORT$/,
  ],
  [
    () => ['serve', '--kubeconfig', reachable(), '--xds-address'],
    /--xds-address needs a value: --xds-address HOST:PORT$/,
  ],
  ...['a_b', 'A', '-a', 'a.b'].map((revision): (typeof mistakes)[number] => [
    () => [...serve, `--revision=${revision}`],
    /--revision: '.*' cannot be a revision; expected one such as canary or 1-31$/,
  ]),
  ...['istiod.example.com, a b', '*.example.com', 'https://a', '1.2.3'].map((hosts): (typeof mistakes)[number] => [
    () => [...serve, '--tls-hosts', hosts],
    /--tls-hosts: '.*' is no host name; expected one such as istiod\.example\.com$/,
  ]),
  [
    () => [...serve, '--jwt-rule', 'x'],
    /^pilotlight serve: --jwt-rule: it is no JSON; expected a JWTRule such as \{"issuer"/,
  ],
  [() => [...bootstrap, 'web-1.shop', '--xds-address', ':0'], /--xds-address: ':0': nothing listens on port 0$/],
  [() => [...bootstrap, 'web-1.shop', '--admin-address', 'x'], /--admin-address: 'x' is no address/],
  // Files and folders.
  [() => ['translate', '--node', node], /--config DIR and --node FILE are needed$/],
  [() => ['bootstrap', '--config', objects], /--config DIR and the name of a pod are needed/],
  ...(['serve', 'translate', 'bootstrap'] as const).flatMap((command): (typeof mistakes)[number][] => {
    const more = { serve: [], translate: ['--node', node], bootstrap: ['web-1'] }[command];
    return [
      [() => [command, '--config', path('none'), ...more], /--config: .*none: there is no such file or folder$/],
      [() => [command, '--config', node, ...more], /--config: .*node\.json: it is not a folder/],
      [() => [command, '--config', path('circle'), ...more], /--config: .*circle: its links lead in a circle$/],
    ];
  }),
  [() => [...serve, '--mesh-config', path('none')], /--mesh-config: .*none: there is no such file or folder$/],
  [() => [...serve, '--mesh-config', path('a')], /--mesh-config: .*a: it is a folder$/],
  [() => [...serve, '--jwks-ca', path('none')], /--jwks-ca: .*none: there is no such file or folder$/],
  [() => [...serve, '--jwks-ca', node], /--jwks-ca: .*node\.json: it has no certificate in PEM$/],
  ...['allow', 'block'].map((list): (typeof mistakes)[number] => [
    () => [...serve, `--jwks-${list}`, '10.0.0.0/8, 10.0.0.0/33'],
    new RegExp(`--jwks-${list}: '10\\.0\\.0\\.0/33' is no range of addresses; expected one such as 10\\.0\\.0\\.0/8`),
  ]),
  [() => ['serve', '--kubeconfig', path('none')], /--kubeconfig: .*none: there is no such file or folder$/],
  [() => ['serve', '--kubeconfig', path('a')], /--kubeconfig: .*a: it is a folder$/],
  [() => ['serve', '--kubeconfig', put('broken', '{')], /--kubeconfig: .*broken: /],
  [() => ['serve', '--kubeconfig', put('nothing', '')], /--kubeconfig: .*nothing: /],
  [() => ['serve', '--kubeconfig', put('words', 'hello')], /--kubeconfig: .*words: /],
  [
    () => ['serve', '--kubeconfig', put('elsewhere', kubeconfig('nonsense'))],
    /--kubeconfig: .*elsewhere: the server of cluster c, 'nonsense', is no URL such as https:/,
  ],
  [
    () => ['serve', '--kubeconfig', put('kube', kubeconfig('https://127.0.0.1:1')), '--context', 'y'],
    /kube: the kubeconfig has no context y; it has x$/,
  ],
  [
    () => [
      'serve',
      '--kubeconfig',
      put(
        'certs',
        kubeconfig('https://127.0.0.1:1').replace(
          'user: {}',
          'user: {client-certificate: /none/c, client-key: /none/k}',
        ),
      ),
    ],
    /--kubeconfig: \/none\/[ck]: there is no such file or folder$/,
  ],
  [() => ['serve'], /there is no cluster to watch: .*--config DIR, or a cluster with --kubeconfig FILE$/],
  [() => [...translate.slice(0, 3), '--node', path('none')], /--node: .*none: there is no such file or folder$/],
  [() => [...translate.slice(0, 3), '--node', path('a')], /--node: .*a: it is a folder$/],
  [() => [...translate.slice(0, 3), '--node', put('empty.json', '')], /--node: .*empty\.json is empty$/],
  [() => [...translate.slice(0, 3), '--node', put('bad.json', '{"id": ')], /--node: .*bad\.json is no JSON: /],
  [
    () => [...translate.slice(0, 3), '--node', put('list.json', '[]')],
    /--node: .*list\.json: expected an object, found a list$/,
  ],
  [
    () => [...translate.slice(0, 3), '--node', put('other.json', '{"no": 1}')],
    /--node: .*other\.json: no: unknown field$/,
  ],
  [() => [...translate.slice(0, 3), '--node', put('x.json', '{"id": "x"}')], /--node: .*x\.json: /],
  [() => [...translate, '--out', path('none/x')], /--out: .*none\/x: there is no such file or folder$/],
  [() => [...translate, '--out', path('a')], /--out: .*a: it is a folder$/],
  [() => [...translate, '--out', '/dev/full'], /--out: \/dev\/full: no space is left$/],
  [
    () => [...bootstrap, 'web-2.shop'],
    /there is no pod web-2 in namespace shop; the pods are: unborn\.shop, web-1\.shop$/,
  ],
  [() => [...bootstrap, 'unborn.shop'], /pod unborn: its status has no podIP/],
  [() => [...bootstrap, 'web-1.shop', '--type', 'waypoint'], /--type: 'waypoint'; expected sidecar or router$/],
  [
    () => [...bootstrap, 'web-1.shop', '--interception', 'x'],
    /--interception: 'x'; expected REDIRECT, TPROXY or NONE$/,
  ],
];

function assertSentence({ code, out, err }: Ended, sentence: RegExp): void {
  const [first = '', second = '', ...more] = err.trimEnd().split('\n');
  assert.match(first, sentence);
  assert.match(second, /^Try 'pilotlight.* --help'\.$/);
  assert.deepEqual([more, out, code], [[], '', 2]);
}

describe('a mistake is one sentence and exit code 2, never a stack', () => {
  for (const [args, sentence] of mistakes)
    test(`${args().join(' ').replaceAll(folder, '')}: ${sentence}`, async () => {
      assertSentence(await inThisProcess(args()), sentence);
    });
});

describe('so it is for whoever runs the program, which ends whatever it has open', { concurrency: 4 }, () => {
  const some = mistakes.filter(([, { source }], i) => i === 0 || /in use|no such address|no space/.test(source));
  assert.ok(some.length > 5);
  for (const [args, sentence] of some)
    test(args().join(' ').replaceAll(folder, ''), async () => {
      assertSentence(await pilotlight(args()), sentence);
    });
});

test('a kubeconfig that $KUBECONFIG names', async () => {
  const { code, err } = await pilotlight(['serve'], { env: { KUBECONFIG: path('none') } });
  assert.match(err, /^pilotlight serve: kubeconfig: .*none: there is no such file or folder\n/);
  assert.equal(code, 2);
});

describe('what is no mistake', { concurrency: 4 }, () => {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { version: string };
  for (const args of [['--version'], ['version'], ['-v'], ['serve', '--version']])
    test(args.join(' '), async () =>
      assert.deepEqual(await inThisProcess(args), { code: 0, out: `${version}\n`, err: '' }),
    );

  for (const args of [[], ['help'], ['--help'], ['-h']])
    test(`pilotlight ${args.join(' ')}: the commands`, async () => {
      const { code, out, err } = await inThisProcess(args);
      assert.match(out, /Usage:[\s\S]*serve[\s\S]*bootstrap[\s\S]*translate/);
      assert.deepEqual([code, err], [0, '']);
    });

  for (const command of ['serve', 'bootstrap', 'translate'])
    test(`help ${command} and ${command} --help: the options`, async () => {
      const help = await inThisProcess(['help', command]);
      const asked = await inThisProcess([command, '--config', '--help']);
      assert.match(help.out, new RegExp(`Usage:\\n {2}pilotlight ${command} [\\s\\S]*--config DIR`));
      assert.deepEqual(asked, help);
      assert.equal(help.code, 0);
    });

  test('a Node message with a byte order mark, an option twice: the last counts', async () => {
    const marked = put('marked.json', `\uFEFF${readFileSync(node, 'utf8')}`);
    const { code, out, err } = await pilotlight([
      'translate',
      '--config',
      path('none'),
      '--config',
      objects,
      '--node',
      marked,
    ]);
    assert.deepEqual(
      [code, err, Object.keys(JSON.parse(out) as object).slice(0, 4)],
      [0, '', ['cds', 'eds', 'lds', 'rds']],
    );
  });

  test('whoever reads closes the pipe: a quiet end', async () => {
    // bash has pipes that are closed; the status is that of the first command.
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const script = `"$0" "$@" | head -c 1; exit "\${PIPESTATUS[0]}"`;
    const child = spawn(
      'bash',
      [
        '-c',
        script,
        process.execPath,
        main,
        'translate',
        '--config',
        'deploy/samples/bookinfo',
        '--node',
        put('n.json', JSON.stringify({ id: 'sidecar~10.1.0.1~x.default~default.svc.cluster.local' })),
      ],
      {
        cwd: repository,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.once('close', code => resolve({ code, out, err }));
    assert.deepEqual(await promise, { code: 0, out: '{', err: '' });
  });

  test('an address of IPv6 is shown as it stands in a URL; SIGTERM ends it with 0', async () => {
    const { code, out, err } = await pilotlight([...serve, '--xds-address', '[::1]:0', '--http-address', '[::]:0'], {
      said: (text, stop) => text.includes('envoy -c') && stop(),
    });
    assert.match(out, /connect to +\[::1\]:\d+ [\s\S]*http:\/\/localhost:\d+\/debug/);
    assert.deepEqual([code, err], [0, '']);
  });

  test('the greeting names a pod that there is, or none', async () => {
    const ports = ['--xds-address', '127.0.0.1:0', '--http-address', '127.0.0.1:0'];
    const greeted = (config: string) =>
      pilotlight(['serve', '--config', config, '--log-level', 'error', ...ports], {
        said: (text, stop) => text.includes('/debug') && stop(),
      });
    const [some, none] = await Promise.all([greeted(objects), greeted(path("it's empty"))]);
    assert.match(some.out, /serves 1 Service, 0 problems\./);
    assert.match(some.out, /for the pod web-1\.shop:\n.* bootstrap --config \S+objects web-1\.shop > envoy\.yaml/);
    assert.doesNotMatch(none.out, /Attach/);
  });
});
