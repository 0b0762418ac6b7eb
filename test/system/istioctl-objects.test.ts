import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseAllDocuments, stringify } from 'yaml';
import type { KubeObject } from '../../src/kubernetes/object.ts';
import { inThisProcess, repository } from '../cli/program.ts';
import { runIstioctl, type Said } from './istioctl-command.ts';
import { Cluster } from './secured.ts';

const objectsIn = (text: string): readonly KubeObject[] =>
  parseAllDocuments(text).map(document => document.toJS() as KubeObject);

const WEBHOOK = 'MutatingWebhookConfiguration';

/** A workload of the namespace shop; `templates`: its sidecars, where they are not the default. */
const workload = (name: string, templates?: string): string =>
  stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'shop' },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: {
          labels: { app: name, version: 'v1' },
          ...(templates && { annotations: { 'inject.istio.io/templates': templates } }),
        },
        spec: {
          serviceAccountName: 'app',
          containers: [{ name: 'app', image: 'app', ports: [{ containerPort: 80 }] }],
        },
      },
    },
  });

describe('commands of the real istioctl that look at objects alone, on what deploy/ and the injector make', () => {
  const folder = mkdtempSync(join(tmpdir(), 'istioctl-objects-'));
  let cluster: Cluster;
  let admin: string;
  const istioctl = (...args: readonly string[]): Promise<Said> => runIstioctl(admin, args);

  before(async () => {
    cluster = await Cluster.start();
    admin = await cluster.api.kubeconfig({ token: 'admintoken' });
    const namespace = (name: string, labels: Readonly<Record<string, string>>): KubeObject => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels },
    });
    await cluster.apply(namespace('shop', { 'istio-injection': 'enabled' }));
    await cluster.apply(namespace('canary', { 'istio.io/rev': 'canary' }));
    await cluster.apply(namespace('plain', { 'istio-injection': 'disabled' }));
    await cluster.account('app', 'shop');
    const service = { selector: { app: 'stock' }, ports: [{ name: 'http', port: 80 }] };
    await cluster.apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'stock' }, spec: service }, 'shop');
    const { code, out, err } = await inThisProcess(['install']);
    assert.equal(code, 0, err);
    const own = objectsIn(out).filter(({ kind }) => kind !== 'CustomResourceDefinition');
    for (const object of own.filter(({ kind }) => kind !== WEBHOOK)) await cluster.apply(object);
    for (const [name, templates] of [
      ['stock', undefined],
      ['agent', 'istio-proxy'],
    ] as const) {
      const file = join(folder, `${name}.yaml`);
      writeFileSync(file, workload(name, templates));
      const { code, out, err } = await inThisProcess(['inject', '-f', file, '--kubeconfig', admin]);
      assert.equal(code, 0, err);
      for (const object of objectsIn(out)) {
        await cluster.apply(object);
        const { template } = object['spec'] as { template: { metadata: object; spec: object } };
        const metadata = { ...template.metadata, name: `${name}-1`, namespace: 'shop' };
        await cluster.apply({ apiVersion: 'v1', kind: 'Pod', metadata, spec: template.spec });
      }
    }
    const tokens = { jwtRules: [{ issuer: 'someone', jwksUri: 'https://keys.example.com/' }] };
    const [apiVersion, kind] = ['security.istio.io/v1', 'RequestAuthentication'];
    await cluster.apply({ apiVersion, kind, metadata: { name: 'tokens', namespace: 'shop' }, spec: tokens });
    // Last, since nobody answers here.
    for (const webhook of own.filter(({ kind }) => kind === WEBHOOK)) await cluster.apply(webhook);
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await cluster?.close();
  });

  test('analyze has nothing to say of pods with a sidecar of either kind, nor of the control plane', async () => {
    const shop = await istioctl('analyze', '-n', 'shop');
    assert.match(`${shop.out}${shop.err}`, /No validation issues found when analyzing namespace: shop/);
    const all = await istioctl('analyze', '--all-namespaces', '--failure-threshold', 'Warning');
    // Namespaces that are not injected are told so, which is none of these.
    assert.deepEqual(
      all.out.split('\n').filter(line => /^(Warning|Error)/.test(line)),
      [],
      all.out,
    );
  });

  test('validate takes the files of deploy/', async () => {
    // Not the gateway's: it minds Istio's own name for the port of its probes, `status-port`.
    const folders = ['istiod', 'crds', 'samples/bookinfo'];
    for (const folder of folders) {
      const at = join(repository, 'deploy', folder);
      const { code, out, err } = await istioctl('validate', ...readdirSync(at).flatMap(file => ['-f', join(at, file)]));
      assert.equal(code, 0, `${folder}: ${out}${err}`);
    }
  });

  test('precheck finds no obstacle to an upgrade', async () => {
    const { code, out, err } = await istioctl('x', 'precheck');
    assert.equal(code, 0);
    assert.match(`${out}${err}`, /No issues found when checking the cluster/);
  });

  test('injector list: who is injected by what', async () => {
    const { out } = await istioctl('x', 'injector', 'list');
    assert.match(out, /^shop +default +default: 2$/m);
    assert.match(out, /^shop +istio-sidecar-injector +default +docker\.io\/istio\/proxyv2:1\.31\.0$/m);
    assert.match(out, /^canary +MISSING\/canary +<no pods>$/m);
  });

  const rows: readonly (readonly [args: string, injected: boolean, why: RegExp])[] = [
    ['-n shop deployment/stock', true, /istio-injection=enabled matches/],
    ['-n shop pod/agent-1', true, /istio-injection=enabled matches/],
    ['-n shop -l sidecar.istio.io/inject=false', false, /sidecar\.istio\.io\/inject=false label, preventing/],
    ['-n shop -l istio.io/rev=canary', true, /istio-injection=enabled matches/],
    ['-n plain -l app=web', false, /istio-injection=disabled/],
    ['-n plain -l sidecar.istio.io/inject=true', false, /istio-injection=disabled/],
    ['-n canary -l app=web', false, /No matching namespace labels/],
    ['-n default -l sidecar.istio.io/inject=true', true, /inject=true matches/],
    ['-n default -l istio.io/rev=default', true, /istio\.io\/rev=default matches/],
    ['-n default -l app=web', false, /No matching namespace labels/],
  ];
  for (const [args, injected, why] of rows)
    test(`check-inject ${args}: ${injected ? 'injected' : 'left alone'}`, async () => {
      const { code, out } = await istioctl('x', 'check-inject', ...args.split(' '));
      assert.equal(code, 0);
      assert.match(out, injected ? /✔/ : /✘/);
      assert.doesNotMatch(out, injected ? /✘/ : /✔/);
      assert.match(out, why);
    });

  test('tag set, list, generate, remove; a revision that there is not', async () => {
    const set = await istioctl('tag', 'set', 'prod', '--revision', 'default');
    assert.equal(set.code, 0, set.err);
    assert.match((await istioctl('tag', 'list')).out, /^prod +default/m);
    const [webhook] = objectsIn((await istioctl('tag', 'generate', 'next', '--revision', 'default')).out);
    assert.equal(webhook?.metadata.name, 'istio-revision-tag-next');
    for (const { clientConfig } of (webhook?.['webhooks'] ?? []) as { clientConfig: { service: object } }[])
      assert.deepEqual(clientConfig.service, { name: 'istiod', namespace: 'istio-system', path: '/inject', port: 443 });
    const wrong = await istioctl('tag', 'set', 'test', '--revision', 'nope');
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /cannot find MutatingWebhookConfiguration or Service with revision "nope"/);
    assert.equal((await istioctl('tag', 'remove', 'prod', '-y')).code, 0);
    assert.doesNotMatch((await istioctl('tag', 'list')).out, /prod/);
  });
});
