import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { kinds } from '../../src/config/kinds.ts';
import { VERSION } from '../../src/version.ts';

const deploy = join(import.meta.dirname, '../../deploy');
const read = (path: string): string => readFileSync(join(deploy, path), 'utf8');

interface Role {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules: readonly { apiGroups: readonly string[]; resources: readonly string[]; verbs: readonly string[] }[];
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
  const more = ['configmaps.', 'tokenreviews.authentication.k8s.io', 'subjectaccessreviews.authorization.k8s.io'];
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
    'create leases',
    'create secrets',
    'create subjectaccessreviews',
    'create tokenreviews',
    'patch configmaps',
    'update leases',
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
