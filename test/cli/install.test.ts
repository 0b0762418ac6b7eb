import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { VERSION } from '../../src/version.ts';
import { isFields, type JsonFields, member, members } from '../support/json.ts';
import { inThisProcess, repository } from './program.ts';

const objectsIn = (text: string): readonly JsonFields[] =>
  parseAllDocuments(text)
    .map(document => document.toJS())
    .filter(isFields);
const keyOf = (object: JsonFields): string => `${object['kind']} ${member(object['metadata'], 'name')}`;

async function installed(...args: readonly string[]): Promise<readonly JsonFields[]> {
  const { code, out, err } = await inThisProcess(['install', ...args]);
  assert.equal(code, 0, err);
  return objectsIn(out);
}

const text = (objects: readonly JsonFields[], key: string): string => {
  const found = objects.find(object => keyOf(object) === key);
  assert.ok(found, `${key} among ${objects.map(keyOf)}`);
  return JSON.stringify(found);
};

describe('pilotlight install', () => {
  test('is the files of deploy/, in the namespace and with the labels and the image of their kustomization', async () => {
    const objects = await installed();
    const resources = (folder: string): readonly string[] =>
      objectsIn(readFileSync(join(repository, folder, 'kustomization.yaml'), 'utf8')).flatMap(
        ({ resources }) => resources as string[],
      );
    const files = ['deploy/crds', 'deploy/istiod'].flatMap(folder => resources(folder).map(name => join(folder, name)));
    const written = files.flatMap(file => objectsIn(readFileSync(join(repository, file), 'utf8')));
    assert.deepEqual(objects.map(keyOf).sort(), written.map(keyOf).sort());
    assert.ok(objects.length > 20);
    const wide = ['Namespace', 'ClusterRole', 'ClusterRoleBinding', 'MutatingWebhookConfiguration'];
    for (const object of objects) {
      const before = written.find(other => keyOf(other) === keyOf(object)) as { metadata: { labels?: object } };
      if (object['kind'] === 'CustomResourceDefinition') {
        assert.deepEqual(object, before);
        continue;
      }
      const { metadata, ...rest } = before;
      const labels = { ...metadata.labels, 'app.kubernetes.io/part-of': 'istio' };
      const namespace = wide.includes(String(object['kind'])) ? {} : { namespace: 'istio-system' };
      const expected = JSON.stringify({ metadata: { ...metadata, ...namespace, labels }, ...rest })
        .replace('"image":"pilotlight"', `"image":"pilotlight:${VERSION}"`)
        .replace('"template":{"metadata":{"labels":{', '$&"app.kubernetes.io/part-of":"istio",');
      assert.deepEqual(object, JSON.parse(expected), keyOf(object));
    }
    const [first, second] = objects;
    assert.deepEqual([first?.['kind'], second?.['kind']], ['Namespace', 'CustomResourceDefinition']);
  });

  test('image, defaultTemplate and mtlsMode change what they say, and nothing else', async () => {
    const plain = new Map((await installed()).map(object => [keyOf(object), object]));
    const image = 'registry.example:5000/mesh/pilotlight:2';
    const changed = await installed('--set', `image=${image},defaultTemplate=istio-proxy`, '--set', 'mtlsMode=STRICT');
    const others = changed.filter(object => JSON.stringify(object) !== JSON.stringify(plain.get(keyOf(object))));
    assert.deepEqual(others.map(keyOf).sort(), [
      'ConfigMap istio-sidecar-injector',
      'Deployment istiod',
      'PeerAuthentication default',
    ]);
    assert.match(text(changed, 'Deployment istiod'), new RegExp(`"image":"${image}"`));
    const config = String(
      member(changed.find(o => keyOf(o) === 'ConfigMap istio-sidecar-injector')?.['data'], 'config'),
    );
    assert.match(config, /aliases:\n {2}sidecar: \[istio-proxy\]\n {2}gateway: \[istio-proxy-gateway\]/);
    assert.match(config, /# What `sidecar` and `gateway` stand for/);
    assert.match(
      text(changed, 'PeerAuthentication default'),
      /"namespace":"istio-system"},"spec":{"mtls":{"mode":"STRICT"}}/,
    );
  });

  test('a revision shares the namespace and the CRDs, and has names of its own for all else', async () => {
    const shared = new Set((await installed()).map(keyOf));
    const objects = await installed('--set', 'revision=canary');
    const same = objects.filter(object => shared.has(keyOf(object)));
    assert.deepEqual([...new Set(same.map(({ kind }) => kind))], ['Namespace', 'CustomResourceDefinition']);
    const own = objects.filter(object => !shared.has(keyOf(object)));
    for (const object of own) {
      const json = JSON.stringify(object);
      assert.equal(member(member(object['metadata'], 'labels'), 'istio.io/rev'), 'canary', 'by which it is deleted');
      assert.doesNotMatch(json, /istio\.io\/rev":"default"|"values":\["default"\]/, keyOf(object));
      // As in Istio's chart: its ServiceMonitor goes by a Service's own label, the default revision's Service by its pods'.
      assert.doesNotMatch(JSON.stringify(object['spec'] ?? {}), /"istio":"pilot"/, keyOf(object));
      assert.doesNotMatch(json, /"name":"istiod"|istiod\.istio-system|"serviceAccountName":"istiod"/, keyOf(object));
    }
    assert.match(text(objects, 'Deployment istiod-canary'), /"--revision","canary"/);
    assert.match(text(objects, 'Service istiod-canary'), /"selector":{"app":"istiod","istio.io\/rev":"canary"}/);
    assert.match(text(objects, 'Service istiod-canary'), /"istio":"pilot"/);
    assert.match(text(objects, 'Deployment istiod-canary'), /"template":{"metadata":{"labels":{[^}]*"istio":"istiod"/);
    assert.match(text(objects, 'ConfigMap istio-canary'), /istiod-canary\.istio-system\.svc:15012/);
    assert.match(text(objects, 'Role istiod-canary'), /"istio-canary","istio-sidecar-injector-canary"/);
    assert.match(text(objects, 'Role istiod-canary'), /"cacerts","istio-ca-secret"/);
    const webhooks = members(objects.find(({ kind }) => kind === 'MutatingWebhookConfiguration')?.['webhooks']);
    assert.deepEqual(
      webhooks.map(({ name }) => name),
      ['rev.namespace.sidecar-injector.istio.io', 'rev.object.sidecar-injector.istio.io'],
    );
    assert.equal(member(member(webhooks[0]?.['clientConfig'], 'service'), 'name'), 'istiod-canary');
    assert.deepEqual(await installed('--set', 'revision=default'), await installed());
  });

  test('mistakes are one sentence that lists the settings', async () => {
    const settings = 'revision=NAME';
    for (const [set, said] of [
      ['revison=a', /'revison' is no setting; did you mean revision\?; there are image=IMAGE, defaultTemplate=/],
      ['x', /'x' is no setting; there are .*revision=NAME, mtlsMode=STRICT\|PERMISSIVE\|DISABLE$/m],
      ['revision', new RegExp(`revision needs a value; there are .*${settings}`)],
      ['image=', /image needs a value/],
      [`revision=${'a'.repeat(57)}`, /expected a name such as canary or 1-31, of at most 56 letters/],
      ['revision=A_B', /revision: 'A_B'; expected a name such as canary/],
      ...['a b', 'IMAGE', 'x:y:z', 'a//b', 'a@sha256:1', 'a:', '-a'].map(
        image => [`image=${image}`, new RegExp(`image: '${image}'; expected an image such as`)] as const,
      ),
      ['defaultTemplate=istioproxy', /expected envoy or istio-proxy; did you mean istio-proxy\?/],
      ['mtlsMode=strict', /expected STRICT, PERMISSIVE or DISABLE/],
      ['image=a,,', /'' is no setting/],
    ] as const) {
      const { code, out, err } = await inThisProcess(['install', '--set', set]);
      assert.deepEqual([code, out], [2, ''], set);
      assert.match(err, said);
      assert.equal(err.split('\n').length, 3, err);
    }
  });
});
