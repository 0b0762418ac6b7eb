import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serve } from '../../src/cli/commands.ts';
import { readArguments } from '../../src/command.ts';
import { serveSettings } from '../../src/settings/settings.ts';

const settings = (...argv: readonly string[]) => serveSettings(readArguments(serve, argv));

test('where proxies connect, by the source and what is typed', () => {
  const [folder, cluster] = [
    ['--config', 'x'],
    ['--kubeconfig', 'x'],
  ];
  const table: readonly (readonly [readonly string[], xds: number | undefined, tls: number | undefined])[] = [
    [folder, 15010, undefined],
    [[...folder, '--tls-address', ''], 15010, undefined],
    [cluster, 15010, 15012],
    [[], 15010, 15012],
    [[...cluster, '--tls-address='], 15010, undefined],
    [[...cluster, '--xds-address', ''], undefined, 15012],
    [[...cluster, '--xds-address', '', '--tls-address', ':443'], undefined, 443],
    [[...cluster, '--xds-address', '', '--xds-address', ':1'], 1, 15012],
  ];
  for (const [argv, xds, tls] of table) {
    const { xds: plaintext, tls: secured } = settings(...argv);
    assert.deepEqual([plaintext?.port, secured?.port], [xds, tls], argv.join(' '));
  }
});

test('where pods are injected: in a cluster, beside the TLS port', () => {
  const port = (...argv: readonly string[]) => settings(...argv).webhook?.port;
  assert.equal(port(), 15017);
  assert.equal(port('--webhook-address', ':1'), 1);
  for (const argv of [
    ['--webhook-address', ''],
    ['--tls-address', ''],
    ['--config', 'x'],
    ['--config', 'x', '--ca', 'y'],
  ])
    assert.equal(port(...argv), undefined, argv.join(' '));
  for (const [argv, said] of [
    [['--tls-address', ''], /--webhook-address needs --tls-address/],
    [['--config', 'x'], /--webhook-address needs a cluster: no API server asks about the pods of a folder/],
    [['--config', 'x', '--ca', 'y'], /--webhook-address needs a cluster: .*; pilotlight inject -f FILE/],
  ] as const)
    assert.throws(() => port(...argv, '--webhook-address', ':1'), said);
});

test("names of the TLS port's certificate", () => {
  const { tlsHosts, revision } = settings('--tls-hosts', 'Istiod.Example.com., 10.0.0.1,fd00::1,');
  assert.deepEqual(tlsHosts, ['istiod.example.com', '10.0.0.1', 'fd00::1']);
  assert.equal(revision, 'default');
  assert.equal(settings('--revision', '1-31').revision, '1-31');
});
