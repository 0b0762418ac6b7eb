import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { strategicMerge } from '../../src/injection/strategic-merge.ts';
import type { JsonObject } from '../../src/unknown.ts';

// `kubectl patch --local --type strategic` says what is right. Its answers are kept; UPDATE_GOLDEN=1 asks it anew, where test/lab/build.sh has built it.

const cache = process.env['LAB_CACHE'] ?? process.env['PILOTLIGHT_LAB_CACHE'] ?? join(homedir(), '.cache/mesh-lab');
const kubectl = join(cache, 'bin/kubectl');
const answers = join(import.meta.dirname, 'kubectl-patch.json');
const update = process.env['UPDATE_GOLDEN'] === '1' && existsSync(kubectl);

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', labels: { a: '1', b: '2' }, annotations: { x: 'y' }, finalizers: ['f1', 'f2'] },
  spec: {
    containers: [
      {
        name: 'app',
        image: 'app',
        args: ['a', 'b'],
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '2' },
          { name: 'C', value: '3' },
        ],
        ports: [{ containerPort: 80, name: 'http' }, { containerPort: 90 }],
        volumeMounts: [
          { name: 'v', mountPath: '/v' },
          { name: 'w', mountPath: '/w' },
        ],
        resources: { limits: { cpu: '1', memory: '1Gi' } },
      },
      { name: 'other', image: 'other' },
    ],
    initContainers: [{ name: 'first', image: 'first' }],
    volumes: [
      { name: 'v', emptyDir: { medium: 'Memory' } },
      { name: 'w', configMap: { name: 'w' } },
    ],
    tolerations: [{ key: 'a', operator: 'Exists' }],
    imagePullSecrets: [{ name: 's' }],
    hostAliases: [{ ip: '10.0.0.1', hostnames: ['a'] }],
    securityContext: { runAsUser: 1, sysctls: [{ name: 's', value: '1' }] },
    nodeSelector: { a: 'b' },
    dnsConfig: { nameservers: ['1.1.1.1'] },
    topologySpreadConstraints: [{ topologyKey: 'zone', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' }],
  },
};

const app = (fields: JsonObject): JsonObject => ({ spec: { containers: [{ name: 'app', ...fields }] } });

const patches: { readonly [name: string]: JsonObject } = {
  'fields of maps': { metadata: { labels: { b: '3', c: '4' }, annotations: { x: null } } },
  'a container by its name': app({
    image: 'new',
    env: [
      { name: 'B', value: 'two' },
      { name: 'D', value: '4' },
    ],
  }),
  'a new container': {
    spec: { containers: [{ name: 'istio-proxy', image: 'proxy', env: [{ name: 'A', value: null }] }] },
  },
  'new containers among old ones': {
    spec: { containers: [{ name: 'x' }, { name: 'other', image: 'n' }, { name: 'y' }] },
  },
  'in another order': { spec: { containers: [{ name: 'other' }, { name: 'app' }] } },
  'plain lists are replaced': app({ args: ['c'] }),
  'an empty list of containers': { spec: { initContainers: [] } },
  'an empty plain list': app({ args: [] }),
  'ports by number': app({ ports: [{ containerPort: 90, name: 'admin' }, { containerPort: 70 }] }),
  'mounts by path': app({ volumeMounts: [{ mountPath: '/w', name: 'v', readOnly: true }] }),
  'a volume of another kind': { spec: { volumes: [{ name: 'w', emptyDir: {} }] } },
  'with its keys told': { spec: { volumes: [{ name: 'w', emptyDir: {}, $retainKeys: ['name', 'emptyDir'] }] } },
  'tolerations are replaced': { spec: { tolerations: [{ key: 'b', operator: 'Exists' }] } },
  'aliases of hosts by address': {
    spec: {
      hostAliases: [
        { ip: '10.0.0.1', hostnames: ['b'] },
        { ip: '10.0.0.2', hostnames: ['c'] },
      ],
    },
  },
  'secrets by name': { spec: { imagePullSecrets: [{ name: 't' }, { name: 's' }] } },
  'sysctls are replaced': { spec: { securityContext: { sysctls: [{ name: 't', value: '2' }] } } },
  'constraints by key': { spec: { topologySpreadConstraints: [{ topologyKey: 'zone', maxSkew: 2 }] } },
  'finalizers are a set': { metadata: { finalizers: ['f3', 'f1'] } },
  'finalizers deleted': { metadata: { '$deleteFromPrimitiveList/finalizers': ['f1'] } },
  'null deletes': { spec: { nodeSelector: null, tolerations: null } },
  'null deletes a field of a container': app({ resources: null, args: null }),
  'null where nothing is': { spec: { hostname: null, securityContext: { runAsGroup: null } } },
  'a container deleted': { spec: { containers: [{ name: 'other', $patch: 'delete' }] } },
  'one that is not there deleted': { spec: { containers: [{ name: 'nobody', $patch: 'delete' }] } },
  'a variable deleted': app({
    env: [
      { name: 'A', $patch: 'delete' },
      { name: 'Z', value: '26' },
    ],
  }),
  'a container replaced': { spec: { containers: [{ $patch: 'replace' }, { name: 'only', image: 'only' }] } },
  'a map replaced': { metadata: { labels: { $patch: 'replace', only: 'this' } } },
  'a map emptied': { spec: { securityContext: { $patch: 'delete' } } },
  'limits replaced': app({ resources: { limits: { $patch: 'replace', cpu: '2' } } }),
  'an order told': { spec: { '$setElementOrder/containers': [{ name: 'other' }, { name: 'app' }] } },
  'an order told with a new one': {
    spec: {
      '$setElementOrder/containers': [{ name: 'new' }, { name: 'other' }, { name: 'app' }],
      containers: [{ name: 'new', image: 'new' }],
    },
  },
  'an order of variables': app({ '$setElementOrder/env': [{ name: 'C' }, { name: 'A' }, { name: 'B' }] }),
  'a list replaced where there was none': {
    spec: { schedulingGates: [{ $patch: 'replace' }], resourceClaims: [{ name: 'g' }, { $patch: 'replace' }] },
  },
  'a map where there was none': { spec: { affinity: { nodeAffinity: { a: null } } } },
};

/** What kubectl makes of the pod, or undefined where it refuses. */
function ask(patch: JsonObject): unknown {
  const folder = mkdtempSync(join(tmpdir(), 'patch-'));
  try {
    writeFileSync(join(folder, 'pod.json'), JSON.stringify(pod));
    const args = [
      'patch',
      '--local',
      '--type',
      'strategic',
      '-f',
      join(folder, 'pod.json'),
      '-p',
      JSON.stringify(patch),
      '-o',
      'json',
    ];
    return JSON.parse(execFileSync(kubectl, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Go's types leave out what is empty, and say some things themselves. */
const withoutEmpty = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([key, inner]) => [key, withoutEmpty(inner)] as const);
  const isEmpty = (inner: unknown) => typeof inner === 'object' && inner !== null && !Object.keys(inner).length;
  return Object.fromEntries(fields.filter(([key, inner]) => key === 'emptyDir' || (inner !== null && !isEmpty(inner))));
};

if (update)
  writeFileSync(
    answers,
    `${JSON.stringify(Object.fromEntries(Object.entries(patches).map(([name, patch]) => [name, ask(patch)])), null, 1)}\n`,
  );

const kept = JSON.parse(readFileSync(answers, 'utf8')) as { readonly [name: string]: unknown };

for (const [name, patch] of Object.entries(patches))
  test(name, () => {
    assert.deepEqual(withoutEmpty(strategicMerge(pod as unknown as JsonObject, patch)), withoutEmpty(kept[name]));
  });

test('directives do not stay in what is new; kubectl leaves them in new items of lists', () => {
  const env = [
    { name: 'A', $patch: 'delete' },
    { name: 'B', value: 'b' },
  ];
  assert.deepEqual(strategicMerge({ spec: { containers: [] } }, { spec: { containers: [{ name: 'new', env }] } }), {
    spec: { containers: [{ name: 'new', env: [{ name: 'B', value: 'b' }] }] },
  });
});
