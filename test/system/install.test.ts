import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import { installation } from '../../src/cli/install.ts';
import { inThisProcess, repository } from '../cli/program.ts';
import { until } from '../support/until.ts';
import { Lab } from './lab.ts';

const run = promisify(execFile);
const cache = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');

interface Named {
  readonly kind?: unknown;
  readonly metadata?: { readonly name?: unknown };
}

const byName = (objects: readonly unknown[]): ReadonlyMap<string, unknown> =>
  new Map(objects.map(object => [`${(object as Named).kind} ${(object as Named).metadata?.name}`, object]));

test('pilotlight install prints what kubectl makes of deploy/', async () => {
  const kubectl = join(cache, 'bin', 'kubectl');
  const { stdout } = await run(kubectl, ['kustomize', join(repository, 'deploy')], { maxBuffer: 1 << 26 });
  const expected = byName(parseAllDocuments(stdout).map(document => document.toJS()));
  const printed = byName(await installation(undefined));
  assert.ok(expected.size > 20);
  assert.deepEqual([...printed.keys()].sort(), [...expected.keys()].sort());
  for (const [name, object] of printed) assert.deepEqual(object, expected.get(name), name);
});

const deployment = (name: string, namespace: string): string =>
  stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'app', image: 'app' }] } },
    },
  });

describe('pilotlight check, from a cluster without a mesh to one in order', () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.up();
  });
  after(() => lab?.down());

  const apply = async (...yaml: readonly string[]): Promise<void> => {
    const file = join(lab.folder, 'objects.yaml');
    await writeFile(file, yaml.join('---\n'));
    await lab.kubectl('apply', '-f', file);
  };
  const check = (...args: readonly string[]) => inThisProcess(['check', '--kubeconfig', lab.kubeconfig, ...args]);

  test('each finding has its command, and is gone when that was done', async () => {
    const nothing = await check();
    assert.equal(nothing.code, 1, nothing.err);
    assert.match(
      nothing.out,
      /there is no replica of the control plane\n {4}pilotlight install \| kubectl apply -f -\n/,
    );
    assert.match(nothing.out, /there are no webhooks of the revision default: no pod is injected\n/);
    assert.match(nothing.out, /ConfigMap istio-system\/istio-ca-root-cert: it is not there/);

    const namespace = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'shop', labels: { 'istio-injection': 'enabled' } },
    };
    await apply(stringify(namespace), deployment('web', 'shop'));
    const pods = (selector: string, of: string) =>
      lab.kubectl('get', 'pods', '-n', of, '-l', selector, '-o', 'jsonpath={.items[*].status.phase}');
    await until('the pods of web', async () => (await pods('app=web', 'shop')) === 'Running Running');
    await lab.kubectl('apply', '-k', join(repository, 'deploy'));
    const objects = await installation(undefined);
    const file = join(lab.folder, 'installation.yaml');
    await writeFile(file, objects.map(object => stringify(object, { aliasDuplicateObjects: false })).join('---\n'));
    // What kubectl replaces as a whole it calls changed each time.
    const again = (await lab.kubectl('apply', '-f', file)).trim().split('\n');
    const changed = again.filter(line => !line.endsWith(' unchanged'));
    assert.deepEqual([changed, again.length], [['poddisruptionbudget.policy/istiod configured'], objects.length]);
    await until('replicas', async () => (await pods('app=istiod', 'istio-system')) === 'Running Running');

    const installed = await check();
    assert.equal(installed.code, 1);
    assert.match(
      installed.out,
      /MutatingWebhookConfiguration istio-sidecar-injector: caBundle of rev\.namespace, .* is empty/,
    );
    assert.match(
      installed.out,
      /^Deployment shop\/web: pods web-\S+, web-\S+: no sidecar: .*\n {4}kubectl rollout restart deployment\/web -n shop$/m,
    );
    assert.doesNotMatch(installed.out, /there (is|are) no (replica|webhooks)/);

    const names = (await lab.kubectl('get', 'namespaces', '-o', 'jsonpath={.items[*].metadata.name}')).split(' ');
    const roots = names.map(name =>
      stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'istio-ca-root-cert', namespace: name },
        data: { 'root-cert.pem': name === 'default' ? 'another' : 'root' },
      }),
    );
    await apply(...roots);
    const rooted = await check();
    assert.match(rooted.out, /ConfigMap default\/istio-ca-root-cert: it holds other roots than that of istio-system\n/);
    assert.doesNotMatch(rooted.out, /it is not there/);

    const values = JSON.stringify({ data: { values: '{"global": {"proxy": {"privileged": "yes"}}}' } });
    await lab.kubectl(
      'patch',
      'configmap',
      'istio-sidecar-injector',
      '-n',
      'istio-system',
      '--type=merge',
      '-p',
      values,
    );
    const wrong = await check();
    assert.match(
      wrong.out,
      /ConfigMap istio-system\/istio-sidecar-injector: .*privileged.*\n {4}kubectl edit configmap istio-sidecar-injector -n istio-system\n/,
    );

    const elsewhere = await check('--revision', 'canary');
    assert.match(elsewhere.out, /pilotlight install --set revision=canary \| kubectl apply -f -/);
    assert.doesNotMatch(elsewhere.out, /shop\/web/);
  });
});

test('a cluster that is not there is one sentence', async () => {
  const missing = await inThisProcess(['check', '--kubeconfig', '/nowhere']);
  assert.deepEqual([missing.code, missing.out], [2, '']);
  assert.match(missing.err, /--kubeconfig/);
});
