import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Echo } from '../support/echo.ts';
import { CAPTURE, captureTraffic, Network, NODE_ADDRESS, type PodNetwork } from '../support/netns.ts';
import type { Seen } from '../support/pod.ts';
import { PodMesh } from './pod-mesh.ts';

const execute = promisify(execFile);

const PEER = '10.244.0.200';
const OTHER = '10.244.0.201';
/** Validated for as long as only what is wrong takes. */
const VALIDATED = ['--run-validation', '--probe-timeout', '60s'];
const words = (flags: string): readonly string[] => flags.split(' ').filter(Boolean);

let network: Network;
const echoes: Echo[] = [];
let peer: Echo;
let last = 9;

async function echo(...args: Parameters<typeof Echo.start>): Promise<Echo> {
  const started = await Echo.start(...args);
  echoes.push(started);
  return started;
}

/** A pod whose proxy and application say which of them was reached. */
interface Pod {
  readonly address: string;
  readonly own: PodNetwork;
  readonly app: Echo;
  readonly proxy: Echo;
}

/** Makes a pod's network and captures its traffic by these flags of `pilotlight iptables`. */
async function pod(flags: readonly string[], prepare?: (own: PodNetwork) => Promise<unknown>): Promise<Pod> {
  const address = `10.244.0.${++last}`;
  const own = await network.pod(`captured-${last}`, address);
  await prepare?.(own);
  await captureTraffic(own.within, flags);
  const [app, proxy] = await Promise.all([
    echo('app', own.within, ['tcp:8080', 'tcp:9090']),
    echo('proxy', own.asProxy, ['tcp:15001', 'tcp:15006', 'tcp:15021', 'tcp:15053', 'udp:15053@127.0.0.1']),
  ]);
  return { address, own, app, proxy };
}

/** What `pilotlight iptables` comes to in a pod. */
async function iptables(
  within: readonly string[],
  flags: readonly string[],
): Promise<{ readonly code: number; readonly said: string; readonly printed: string }> {
  const main = join(import.meta.dirname, '../../src/main.ts');
  const [command = '', ...args] = [...within, process.execPath, main, 'iptables', ...flags];
  return execute(command, args).then(
    ({ stdout, stderr }) => ({ code: 0, said: stderr, printed: stdout }),
    (error: { readonly code: number; readonly stderr: string; readonly stdout: string }) => ({
      code: error.code,
      said: error.stderr,
      printed: error.stdout,
    }),
  );
}

const saved = async ({ within }: PodNetwork, program = 'iptables'): Promise<string> => {
  const [command = '', ...args] = [...within, `${program}-save`];
  const { stdout } = await execute(command, args);
  return stdout.replaceAll(/^[#:].*\n/gm, '');
};

describe("pilotlight iptables in pods' own networks", () => {
  before(async () => {
    network = await Network.create();
    const theirs = ['tcp:80', 'tcp:81', 'tcp:53', 'udp:53'];
    peer = await echo('peer', (await network.pod('peer', PEER)).within, theirs);
    await echo('other', (await network.pod('other', OTHER)).within, theirs);
  });
  after(async () => {
    for (const started of echoes) await started.stop();
    await network?.stop();
  });

  test("the webhook's flags: what comes in and goes out is the proxy's, but what is its own, local, excluded or UDP", async () => {
    const { address, app, proxy } = await pod(CAPTURE);
    assert.equal(await app.ask('tcp', PEER, 80), 'proxy 15001');
    assert.equal(await app.ask('udp', PEER, 53), 'peer 53');
    assert.equal(await app.ask('tcp', '127.0.0.1', 8080), 'app 8080');
    assert.equal(await app.ask('tcp', address, 8080), 'app 8080');
    assert.equal(await proxy.ask('tcp', PEER, 80), 'peer 80');
    assert.equal(await proxy.ask('tcp', address, 8080), 'proxy 15006');
    assert.equal(await proxy.ask('tcp', '127.0.0.1', 8080), 'app 8080');
    assert.equal(await peer.ask('tcp', address, 8080), 'proxy 15006');
    assert.equal(await peer.ask('tcp', address, 15021), 'proxy 15021');
  });

  test('excluded: a port in and out, a block of addresses', async () => {
    const { address, app } = await pod(words(`-b * -d 9090 -i * -o 81 -x ${OTHER}/32`));
    assert.equal(await app.ask('tcp', PEER, 80), 'proxy 15001');
    assert.equal(await app.ask('tcp', PEER, 81), 'peer 81');
    assert.equal(await app.ask('tcp', OTHER, 80), 'other 80');
    assert.equal(await peer.ask('tcp', address, 8080), 'proxy 15006');
    assert.equal(await peer.ask('tcp', address, 9090), 'app 9090');
  });

  test('included: ports in and out, a block of addresses', async () => {
    const { address, app } = await pod(words(`-b 9090 -i ${OTHER}/32 -q 81`));
    assert.equal(await app.ask('tcp', PEER, 80), 'peer 80');
    assert.equal(await app.ask('tcp', PEER, 81), 'proxy 15001');
    assert.equal(await app.ask('tcp', OTHER, 80), 'proxy 15001');
    assert.equal(await peer.ask('tcp', address, 8080), 'app 8080');
    assert.equal(await peer.ask('tcp', address, 9090), 'proxy 15006');
  });

  test('excluded: an interface', async () => {
    const { address, app } = await pod(words('-b * -i * -c eth0'));
    assert.equal(await app.ask('tcp', PEER, 80), 'peer 80');
    assert.equal(await peer.ask('tcp', address, 8080), 'app 8080');
  });

  test("DNS of applications goes to the proxy's resolver, whose own goes out", async () => {
    const { app, proxy } = await pod(words('-b * -i * --redirect-dns --capture-all-dns'));
    assert.equal(await app.ask('udp', PEER, 53), 'proxy 15053');
    assert.equal(await app.ask('tcp', PEER, 53), 'proxy 15053');
    assert.equal(await proxy.ask('udp', PEER, 53), 'peer 53');
    assert.equal(await proxy.ask('tcp', PEER, 53), 'peer 53');
  });

  test("without --capture-all-dns only what goes to resolv.conf's servers", async () => {
    let folder = '';
    const { app, proxy } = await pod(words('-b * -i * --redirect-dns'), async ({ within }) => {
      folder = `/etc/netns/${within.at(-1)}`;
      mkdirSync(folder, { recursive: true });
      writeFileSync(`${folder}/resolv.conf`, `nameserver ${PEER}\nnameserver fe80::1%eth0\n`);
    });
    rmSync(folder, { recursive: true });
    assert.equal(await app.ask('udp', PEER, 53), 'proxy 15053');
    assert.equal(await app.ask('udp', OTHER, 53), 'other 53');
    assert.equal(await proxy.ask('udp', PEER, 53), 'peer 53');
  });

  test('IPv6 beside IPv4', async () => {
    const [node, own6] = ['fd00:244::1', 'fd00:244::a'];
    const { app, proxy, own } = await pod([...CAPTURE, '--dual-stack'], async ({ within }) => {
      const namespace = within.at(-1) ?? '';
      const nodeNamespace = network.within.at(-1) ?? '';
      const link = `pod${last - 7}`;
      for (const args of [
        ['-n', nodeNamespace, 'addr', 'add', `${node}/64`, 'dev', link, 'nodad'],
        ['-n', namespace, 'addr', 'add', `${own6}/64`, 'dev', 'eth0', 'nodad'],
      ])
        await execute('ip', args);
    });
    const onNode = await echo('node', network.within, ['tcp:80']);
    assert.equal(await app.ask('tcp', node, 80), 'proxy 15001');
    assert.equal(await app.ask('tcp', NODE_ADDRESS, 80), 'proxy 15001');
    assert.equal(await app.ask('tcp', '::1', 8080), 'app 8080');
    assert.equal(await proxy.ask('tcp', node, 80), 'node 80');
    assert.equal(await proxy.ask('tcp', own6, 8080), 'proxy 15006');
    assert.equal(await onNode.ask('tcp', own6, 8080), 'proxy 15006');
    await Promise.all([proxy.stop(), app.stop()]);
    const proof = await iptables(own.within, ['--skip-rule-apply', ...VALIDATED, '--dual-stack']);
    assert.equal(proof.code, 0, proof.said);
  });

  test('a second time nothing is changed; other rules are refused without --reconcile, and replaced with it', async () => {
    const { own, app } = await pod(CAPTURE);
    const before = await saved(own);
    const again = await iptables(own.within, CAPTURE);
    assert.deepEqual([again.code, again.printed], [0, '']);
    assert.match(again.said, /rules are in force already, nothing was changed/);
    assert.equal(await saved(own), before);

    const others = [...CAPTURE, '-o', '81'];
    const refused = await iptables(own.within, others);
    assert.equal(refused.code, 1);
    assert.match(refused.said, /nat: ISTIO_OUTPUT has '.*' where '-p tcp --dport 81 -j RETURN' should be.*--reconcile/);
    assert.equal(await saved(own), before);
    assert.equal((await iptables(own.within, [...others, '--reconcile'])).code, 0);
    assert.equal(await app.ask('tcp', PEER, 81), 'peer 81');
    assert.match((await iptables(own.within, others)).said, /nothing was changed/);
  });

  test('rules out of order, doubled, or missing are not those that are wanted', async () => {
    const { own } = await pod(CAPTURE);
    const [command = '', ...within] = own.within;
    const edit = (line: string) => execute(command, [...within, 'iptables', '-t', 'nat', ...line.split(' ')]);
    const excluded = (operation: '-I' | '-D') => [
      `${operation} PREROUTING -i eth9 -j RETURN`,
      `${operation} OUTPUT -o eth9 -j RETURN`,
    ];
    for (const [lines, undo] of [
      [['-D ISTIO_OUTPUT 4'], ['-I ISTIO_OUTPUT 4 -m owner --uid-owner 1337 -j RETURN']],
      [['-A ISTIO_OUTPUT -j ISTIO_REDIRECT'], ['-D ISTIO_OUTPUT -j ISTIO_REDIRECT']],
      [excluded('-I'), excluded('-D')],
      [['-D OUTPUT -j ISTIO_OUTPUT'], ['-A OUTPUT -j ISTIO_OUTPUT']],
      [['-N ISTIO_MORE'], ['-X ISTIO_MORE']],
    ] as const) {
      for (const line of lines) await edit(line);
      assert.match((await iptables(own.within, CAPTURE)).said, /not those that are wanted \(nat: /, lines[0]);
      for (const line of undo) await edit(line);
    }
    // What somebody else has there is theirs: an interface is excluded in both directions by us, or not at all.
    await edit('-I OUTPUT -p tcp --dport 1 -j ACCEPT');
    await edit('-I OUTPUT -o eth9 -j RETURN');
    assert.match((await iptables(own.within, CAPTURE)).said, /nothing was changed/);
    await edit('-D OUTPUT -o eth9 -j RETURN');
    assert.equal((await iptables(own.within, ['--cleanup-only'])).code, 0);
    assert.equal(await saved(own), '*nat\n-A OUTPUT -p tcp -m tcp --dport 1 -j ACCEPT\nCOMMIT\n');
  });

  test('a validation passes as root and as the proxy, and is 126 where rules are missing or lead elsewhere', async () => {
    const { address, within, asProxy } = await network.pod('validated', '10.244.0.199', CAPTURE);
    assert.ok(address);
    assert.equal((await iptables(within, ['--skip-rule-apply', ...VALIDATED])).code, 0);
    assert.equal((await iptables(asProxy, ['--skip-rule-apply', ...VALIDATED])).code, 0);
    const proof = ['--run-validation', '--skip-rule-apply', '--probe-timeout', '400ms'];
    assert.equal((await iptables(within, [...CAPTURE, ...VALIDATED])).code, 0);
    for (const user of ['daemon', '3000-4000']) {
      const other = ['-b', '*', '-i', '*', '-u', user, '--reconcile', '--run-validation'];
      assert.equal((await iptables(within, other)).code, 0, user);
    }
    assert.equal((await iptables(within, [...CAPTURE, '--reconcile'])).code, 0);
    const elsewhere = await iptables(within, [...proof, '-z', '15016']);
    assert.equal(elsewhere.code, 126);
    assert.equal((await iptables(within, ['--cleanup-only'])).code, 0);
    const missing = await iptables(asProxy, proof);
    assert.equal(missing.code, 126);
    assert.match(missing.said, /did not reach the proxy's port 15006 within 400 ms \(connect ECONNREFUSED/);
  });

  test('what it lacks is said in one sentence: rights, an address, a program', async () => {
    const { within, asProxy } = await network.pod('lacking', '10.244.0.197');
    const unprivileged = await iptables(asProxy, CAPTURE);
    assert.equal(unprivileged.code, 1);
    assert.match(
      unprivileged.said,
      /^pilotlight iptables: no usable iptables: .*it takes user 0 with the capabilities NET_ADMIN/,
    );
    const none = await iptables([...within, 'env', 'PATH=/nowhere'], CAPTURE);
    assert.deepEqual([none.code, none.said.split('\n').length], [1, 2]);
    assert.match(
      none.said,
      /no usable iptables: iptables-nft-save: there is no program iptables-nft-save; iptables-save: /,
    );
    const [command = '', ...args] = [...within, 'ip', 'addr', 'flush', 'dev', 'eth0'];
    await execute(command, args);
    const addressless = await iptables(within, CAPTURE);
    assert.equal(addressless.code, 1);
    assert.match(addressless.said, /has no address that others reach it by/);
    assert.equal((await iptables(within, ['--cleanup-only'])).code, 0);
  });

  test('in another network namespace; legacy iptables where it has rules already, or is asked for', async () => {
    const { within } = await network.pod('elsewhere', '10.244.0.198');
    const file = `/run/netns/${within.at(-1)}`;
    const legacy = await iptables(
      [],
      [...CAPTURE, '--network-namespace', file, '--force-iptables-binary=legacy', '--cni-mode'],
    );
    assert.equal(legacy.code, 0, legacy.said);
    assert.match(legacy.said, /rules are in force \(iptables-legacy /);
    const [command = '', ...args] = [...within, 'ip', 'addr', 'add', 'fd00:244::198/64', 'dev', 'eth0', 'nodad'];
    await execute(command, args);
    const printed = await iptables([], [...CAPTURE, '--network-namespace', file, '--dual-stack', '--dry-run']);
    assert.equal(printed.printed.split('* nat\n').length, 3, "the other namespace's families");
    assert.match((await iptables(within, CAPTURE)).said, /nothing was changed \(iptables-legacy /);
    assert.match((await iptables(within, ['--cleanup-only'])).said, /taken away \(iptables-legacy /);
  });
});

describe('TPROXY', () => {
  let mesh: PodMesh;
  before(async () => {
    mesh = await PodMesh.start({
      pods: [
        { name: 'web', labels: { app: 'web' }, ports: [8080], interception: 'TPROXY' },
        { name: 'client', labels: { app: 'client' }, interception: 'TPROXY' },
        { name: 'stranger', labels: { app: 'stranger' }, proxy: 'none' },
      ],
      services: [{ name: 'web', clusterIP: '10.96.9.9', port: 80, targetPort: 8080, selector: { app: 'web' } }],
    });
  });
  after(() => mesh?.stop());

  test("calls go through both Envoys, and the application sees who called by the caller's own address", async () => {
    for (const [name, address, port] of [
      ['client', '10.96.9.9', 80],
      ['stranger', mesh.pod('web').address, 8080],
    ] as const) {
      const [answer] = await mesh.pod(name).app.calls({ address, port, host: 'web', path: '/' });
      assert.equal(answer?.status, 200, answer?.body);
      const seen = JSON.parse(answer.body) as Seen;
      assert.deepEqual([seen.pod, seen.from.replace('::ffff:', '')], ['web', mesh.pod(name).address]);
      assert.ok(seen.headers['x-request-id'], 'an Envoy was in between');
    }
    await mesh.assertNothingRejected();
  });
});
