import assert from 'node:assert/strict';
import { test } from 'node:test';
import { project } from '../../src/sources/kubernetes/projection.ts';

const metadata = {
  name: 'a',
  namespace: 'n',
  uid: 'u',
  resourceVersion: '7',
  generation: 2,
  creationTimestamp: '2026-01-01T00:00:00Z',
  labels: { app: 'a' },
  annotations: { keep: 'yes', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
  managedFields: [{ manager: 'm' }],
  finalizers: ['x'],
  ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'o', controller: true }],
};
const { managedFields, finalizers, ownerReferences, ...read } = metadata;
const kept = { ...read, annotations: { keep: 'yes' } };

const cases: readonly [kind: string, object: object, expected: object][] = [
  [
    'VirtualService',
    { spec: { hosts: ['a'] }, status: { conditions: [] } },
    { metadata: kept, spec: { hosts: ['a'] } },
  ],
  [
    'ServiceEntry',
    { spec: {}, status: { addresses: [{ value: '1' }], conditions: [] } },
    { metadata: kept, spec: {}, status: { addresses: [{ value: '1' }] } },
  ],
  [
    'Pod',
    {
      spec: {
        nodeName: 'node',
        serviceAccountName: 's',
        volumes: [{}],
        containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 1 }], env: [] }],
      },
      status: {
        phase: 'Running',
        podIP: '1',
        hostIP: '2',
        conditions: [{ type: 'Ready', status: 'True', reason: 'r' }, { type: 'Initialized' }],
        containerStatuses: [],
      },
    },
    {
      metadata: { ...kept, ownerReferences: [{ kind: 'ReplicaSet', name: 'rs', controller: true }] },
      spec: {
        nodeName: 'node',
        serviceAccountName: 's',
        containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 1 }] }],
      },
      status: { phase: 'Running', podIP: '1', conditions: [{ type: 'Ready', status: 'True' }] },
    },
  ],
  [
    'EndpointSlice',
    {
      addressType: 'IPv4',
      ports: [{ port: 1 }],
      endpoints: [
        {
          addresses: ['1'],
          conditions: { ready: true },
          targetRef: { kind: 'Pod', name: 'p', namespace: 'n', uid: 'u' },
          hints: {},
        },
      ],
    },
    {
      metadata: kept,
      addressType: 'IPv4',
      ports: [{ port: 1 }],
      endpoints: [
        { addresses: ['1'], conditions: { ready: true }, targetRef: { kind: 'Pod', name: 'p', namespace: 'n' } },
      ],
    },
  ],
];

for (const [kind, object, expected] of cases) {
  test(`what is kept of a ${kind}`, () => {
    assert.deepEqual(project({ metadata, ...object }, kind, 'v1'), { apiVersion: 'v1', kind, ...expected });
  });
}

test("a Node's annotations, which its agents rewrite all the time, are not kept", () => {
  assert.equal(project({ metadata }, 'Node', 'v1').metadata.annotations, undefined);
});

test('what is no object at all gives an object without a name', () => {
  assert.deepEqual(project(null, 'Service', 'v1').metadata.name, '');
});
