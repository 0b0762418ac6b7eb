import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { folderAccess } from '../../src/access/folder-access.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { contentsOf } from '../support/folder.ts';

const pod = (name: string, account: string, labels: string, namespace = 'edge'): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${namespace}, labels: ${labels}}
spec: {serviceAccountName: ${account}}
status: {podIP: 10.0.0.1}
---
`;

const yaml = `${pod('ingress', 'gateway', '{istio: ingress}')}${pod('app', 'app', '{app: app}')}${pod('caller', 'caller', '{app: caller}')}
${pod('other', 'other', '{app: caller}', 'elsewhere')}
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: edge}
spec: {selector: {istio: ingress}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: of-all, namespace: edge}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: out, namespace: edge}
spec: {host: example.com, workloadSelector: {matchLabels: {app: caller}}}
`;

const objects = parseAllDocuments(yaml).flatMap(document => (document.toJSON() as RawObject | null) ?? []);
const access = folderAccess(() => contentsOf({ objects, problems: [] }));

for (const [namespace, account, allowed] of [
  ['edge', 'gateway', true],
  ['edge', 'caller', true],
  ['edge', 'app', false],
  ['edge', 'nobody', false],
  ['elsewhere', 'gateway', false],
  ['elsewhere', 'other', false],
] as const)
  test(`in a folder ${allowed ? 'may' : 'may not'} have the keys of ${namespace}: ${account}`, async () => {
    const found = await access({
      user: `system:serviceaccount:${namespace}:${account}`,
      resourceAttributes: { verb: 'list', resource: 'secrets', namespace },
    });
    assert.equal(found.allowed, allowed, found.reason);
  });

test('before anything is read nobody may', async () => {
  const nothing = folderAccess(() => undefined);
  const { allowed } = await nothing({
    user: 'system:serviceaccount:edge:gateway',
    resourceAttributes: { verb: 'list', resource: 'secrets', namespace: 'edge' },
  });
  assert.equal(allowed, false);
});
