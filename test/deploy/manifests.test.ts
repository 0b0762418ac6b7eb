import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNode, isSeq, parse, parseAllDocuments } from 'yaml';
import { kinds } from '../../src/config/kinds.ts';
import { VERSION } from '../../src/version.ts';

const deploy = join(import.meta.dirname, '../../deploy');
const read = (path: string): string => readFileSync(join(deploy, path), 'utf8');

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

interface Role {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules: readonly Rule[];
}

test('the control plane may read every kind that it watches, and nothing more', () => {
  const roles = parseAllDocuments(read('istiod/rbac.yaml')).map(document => document.toJS() as Role);
  const role = roles.find(({ metadata }) => metadata.name === 'istiod-clusterrole-istio-system');
  const granted = role?.rules.flatMap(({ apiGroups, resources }) =>
    apiGroups.flatMap(group => resources.map(resource => `${resource}.${group}`)),
  );
  const watched = Object.values(kinds)
    .filter(({ kind }) => !['Secret', 'ConfigMap', 'MeshConfig'].includes(kind))
    .map(({ plural, group }) => `${plural}.${group}`);
  // Beside what is watched as a whole: the roots of the mesh by their name, and what the API server is asked.
  const more = [
    'mutatingwebhookconfigurations.admissionregistration.k8s.io',
    'configmaps.',
    'tokenreviews.authentication.k8s.io',
    'subjectaccessreviews.authorization.k8s.io',
  ];
  assert.deepEqual(granted?.sort(), [...watched, ...more].sort());
  const written = roles.flatMap(({ rules = [] }) =>
    rules.flatMap(({ resources, verbs }) =>
      resources.flatMap(resource =>
        verbs.filter(verb => !['get', 'list', 'watch'].includes(verb)).map(verb => `${verb} ${resource}`),
      ),
    ),
  );
  assert.deepEqual(written.sort(), [
    'create configmaps',
    'create events',
    'create leases',
    'create secrets',
    'create subjectaccessreviews',
    'create tokenreviews',
    'delete leases',
    'patch configmaps',
    'patch leases',
    'patch secrets',
    'update leases',
    'update mutatingwebhookconfigurations',
    'update secrets',
  ]);
});

test('there is a CRD for every kind of Istio that is read', () => {
  const expected = Object.values(kinds).flatMap(({ group, plural }) =>
    group.endsWith('.istio.io') ? [`${plural}.${group}.yaml`] : [],
  );
  assert.deepEqual(readdirSync(join(deploy, 'crds')).sort(), [...expected, 'kustomization.yaml'].sort());
});

test('the image is that of this version', () => {
  const { images } = parse(read('istiod/kustomization.yaml')) as { images: readonly { newTag: string }[] };
  assert.equal(images[0]?.newTag, VERSION);
  assert.ok(read('kind/kind.sh').includes(`image=pilotlight:${VERSION} `));
});

/** What is asked for by its name in the source, beside the kinds that are watched: `secrets`, `tokenreviews.authentication.k8s.io`. */
function askedFor(): ReadonlySet<string> {
  const src = join(import.meta.dirname, '../../src');
  const asked = new Set<string>();
  for (const path of globSync('{kubernetes,authority}/**/*.ts', { cwd: src })) {
    const text = readFileSync(join(src, path), 'utf8');
    for (const [, group = '', plural = ''] of text.matchAll(/apiVersion: '(?:([\w.]+)\/)?\w+',\s+plural: '(\w+)'/g))
      asked.add(`${plural}.${group}`);
    for (const [, group = '', plural = ''] of text.matchAll(/'\/apis\/([\w.]+)\/\w+\/(\w+)'/g))
      asked.add(`${plural}.${group}`);
  }
  return asked;
}

test('what the code asks the API server for beside what it watches, it may ask for', () => {
  const roles = parseAllDocuments(read('istiod/rbac.yaml')).map(document => document.toJS() as Role);
  const granted = new Set(
    roles.flatMap(({ rules = [] }) =>
      rules.flatMap(({ apiGroups, resources }) =>
        apiGroups.flatMap(group => resources.map(resource => `${resource}.${group}`)),
      ),
    ),
  );
  const asked = askedFor();
  for (const known of [
    'leases.coordination.k8s.io',
    'secrets.',
    'configmaps.',
    'tokenreviews.authentication.k8s.io',
    'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  ])
    assert.ok(asked.has(known), known);
  assert.deepEqual(
    [...asked].filter(resource => !granted.has(resource)),
    [],
  );
});

test('every right beside those to read objects of the mesh has its reason above it', () => {
  let reasons = 0;
  for (const document of parseAllDocuments(read('istiod/rbac.yaml'))) {
    const rules = document.get('rules');
    if (!isSeq(rules)) continue;
    rules.items.forEach((item, i) => {
      const rule = (isNode(item) ? item.toJS(document) : {}) as Rule;
      const isMesh = rule.verbs.every(verb => ['get', 'list', 'watch'].includes(verb));
      if (isMesh && !rule.resources.some(resource => ['secrets', 'configmaps'].includes(resource))) return;
      const own = isNode(item) ? item.commentBefore : undefined;
      const above = isNode(document.contents) ? document.contents.commentBefore : undefined;
      assert.ok(own ?? (i === 0 && (rules.commentBefore ?? above)), JSON.stringify(rule));
      reasons++;
    });
  }
  assert.ok(reasons >= 7);
});

test('without plaintext: the same arguments, but nothing listens on 15010', () => {
  interface Patch {
    readonly op: string;
    readonly path: string;
    readonly value?: string;
  }
  interface Overlay {
    readonly patches: readonly { readonly target: { readonly kind: string }; readonly patch: string }[];
  }
  const { patches } = parse(read('no-plaintext/kustomization.yaml')) as Overlay;
  assert.deepEqual(
    patches.map(({ target }) => target.kind),
    ['Deployment', 'Service'],
  );
  /** Applies JSON patches of the operations that are used. */
  const patched = (document: unknown, patch: readonly Patch[]): unknown => {
    for (const { op, path, value } of patch) {
      const keys = path.split('/').slice(1);
      const last = keys.pop() ?? '';
      const parent = keys.reduce((at, key) => at[key] as Record<string, unknown>, document as Record<string, unknown>);
      if (op === 'test') assert.equal(parent[last], value, path);
      else if (op === 'remove' && Array.isArray(parent)) parent.splice(Number(last), 1);
      else if (op === 'replace') parent[last] = value;
      else assert.fail(`${op} ${path}`);
    }
    return document;
  };
  const [deployment, service] = patches.map(({ target, patch }) =>
    JSON.stringify(patched(parse(read(`istiod/${target.kind.toLowerCase()}.yaml`)), parse(patch) as readonly Patch[])),
  );
  for (const manifest of [deployment, service]) {
    assert.doesNotMatch(manifest ?? '', /15010/);
    assert.match(manifest ?? '', /15012/);
  }
  assert.match(deployment ?? '', /"serve","--xds-address","","--tls-address",":15012"/);
});
