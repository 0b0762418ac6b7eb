import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { LEADER_LEASE } from '../../src/authority/leader.ts';
import { ApiClient } from '../../src/kubernetes/api-client.ts';
import type { KubeObject, Resource } from '../../src/kubernetes/object.ts';
import { untilAborted, Writer } from '../../src/kubernetes/writer.ts';
import { ApiServer, noApiServer } from '../kubernetes/api-server.ts';
import { until } from '../support/until.ts';
import { Replica } from './replica.ts';

const core = (plural: string): Resource => ({ apiVersion: 'v1', plural });
const NAMESPACES = core('namespaces');
const CONFIG_MAPS = core('configmaps');
const SECRETS = core('secrets');
const LEASES: Resource = { apiVersion: 'coordination.k8s.io/v1', plural: 'leases' };
const name = 'istio-ca-root-cert';

let api: ApiServer;
let admin: Writer;
const stop = new AbortController();

const makeNamespace = (of: string) =>
  admin.apply(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: of } });
const roots = (namespace: string) => admin.get(CONFIG_MAPS, { namespace, name });
const bundleOf = (object: KubeObject | undefined) =>
  (object?.['data'] as Record<string, string> | undefined)?.['root-cert.pem'];
const leader = async () =>
  (
    (await admin.get(LEASES, { namespace: 'istio-system', name: LEADER_LEASE }))?.['spec'] as
      | Record<string, unknown>
      | undefined
  )?.['holderIdentity'];
const hasRoots = (replica: Replica, namespace: string) =>
  until(`the roots in ${namespace}`, async () => {
    const found = await roots(namespace);
    return bundleOf(found) === replica.bundle && found?.metadata.labels?.['istio.io/config'] === 'true'
      ? found
      : undefined;
  });

/** A leader that has written everywhere. */
async function leading(): Promise<Replica> {
  const replica = new Replica(await api.client());
  await until('the leader', () => replica.said(/is the leader$/) > 0);
  for (const namespace of ['default', 'kube-public']) await hasRoots(replica, namespace);
  return replica;
}

async function ended(replica: Replica): Promise<void> {
  replica.stop();
  await until('its end', () => replica.said(/is the leader no more/) > 0);
}

describe('with a real API server', { skip: noApiServer, timeout: 3_600_000 }, () => {
  before(async () => {
    api = await ApiServer.start();
    admin = new Writer({ client: await api.client(), fieldManager: 'test', permit: untilAborted(stop.signal) });
    await makeNamespace('istio-system');
  });
  after(() => {
    stop.abort();
    return api?.close();
  });

  test('the roots are in every namespace, once written each, and again when somebody changes them', async () => {
    await makeNamespace('early');
    const replica = await leading();
    for (const namespace of ['kube-system', 'kube-node-lease', 'istio-system', 'early'])
      await hasRoots(replica, namespace);
    await makeNamespace('late');
    await hasRoots(replica, 'late');
    const namespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease', 'istio-system', 'early', 'late'];
    assert.deepEqual(
      namespaces.map(of => replica.writes(of)),
      namespaces.map(() => 1),
    );

    await admin.patch(CONFIG_MAPS, { namespace: 'early', name }, { data: { 'root-cert.pem': 'x', theirs: 'y' } });
    const mended = await hasRoots(replica, 'early');
    assert.equal((mended['data'] as Record<string, string>)['theirs'], 'y', 'fields of others stay');
    await admin.patch(CONFIG_MAPS, { namespace: 'late', name }, { metadata: { labels: { 'istio.io/config': null } } });
    await hasRoots(replica, 'late');
    await admin.delete(CONFIG_MAPS, { namespace: 'kube-public', name });
    await hasRoots(replica, 'kube-public');
    assert.deepEqual(
      ['early', 'late', 'kube-public'].map(of => replica.writes(of)),
      [2, 2, 2],
    );
    await ended(replica);
  });

  test('who writes the same one again and again is not answered each time', async () => {
    const replica = await leading();
    const before = replica.writes('default');
    for (let round = 0; round < 60; round++)
      await admin.patch(CONFIG_MAPS, { namespace: 'default', name }, { data: { 'root-cert.pem': `${round}` } });
    await until('a word', () => replica.said(/again and again/) === 1);
    await makeNamespace('meanwhile');
    await hasRoots(replica, 'meanwhile');
    await hasRoots(replica, 'default');
    assert.ok(replica.writes('default') - before < 12, `${replica.writes('default') - before} writes`);
    await ended(replica);
  });

  test('a namespace that is on its way out takes nothing, and holds up no other', async () => {
    const replica = await leading();
    await admin.apply(NAMESPACES, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'leaving', finalizers: ['a.b/c'] },
    });
    await hasRoots(replica, 'leaving');
    await admin.delete(NAMESPACES, { name: 'leaving' });
    await admin.delete(CONFIG_MAPS, { namespace: 'leaving', name });
    await until('a try', () => replica.writes('leaving') > 1);
    await makeNamespace('coming');
    await hasRoots(replica, 'coming');
    assert.equal(await roots('leaving'), undefined);
    assert.equal(replica.said(/cannot be written/), 0);
    await admin.patch(NAMESPACES, { name: 'leaving' }, { metadata: { finalizers: null } });
    await ended(replica);
  });

  test('one of two writes; when it ends the other does, and writes nothing that is right already', async () => {
    const one = await leading();
    const two = new Replica(await api.client());
    await until('the roots', () => two.bundle !== '');
    assert.equal(two.bundle, one.bundle);
    await admin.delete(CONFIG_MAPS, { namespace: 'default', name });
    await hasRoots(one, 'default');
    assert.equal(two.writes('default'), 0);
    await ended(one);
    await until('the other', () => two.said(/is the leader$/) > 0);
    await admin.delete(CONFIG_MAPS, { namespace: 'early', name });
    await hasRoots(two, 'early');
    assert.deepEqual([two.writes('early'), two.writes('default'), two.writes('kube-system')], [1, 0, 0]);
    await ended(two);
  });

  test('who loses the Lease writes no more', async () => {
    const replica = await leading();
    await admin.patch(
      LEASES,
      { namespace: 'istio-system', name: LEADER_LEASE },
      { spec: { holderIdentity: 'somebody', leaseDurationSeconds: 3_600 } },
    );
    await until('its end', () => replica.said(/is the leader no more/) > 0);
    await admin.delete(CONFIG_MAPS, { namespace: 'default', name });
    assert.equal(await leader(), 'somebody');
    assert.equal(replica.writes('default'), 0);
    assert.equal(await roots('default'), undefined);
    await admin.delete(LEASES, { namespace: 'istio-system', name: LEADER_LEASE });
    await hasRoots(replica, 'default');
    await ended(replica);
  });

  test('the rights that deploy/ gives are enough', async () => {
    const manifests = await readFile(join(import.meta.dirname, '../../deploy/istiod/rbac.yaml'), 'utf8');
    let granted = 0;
    for (const document of parseAllDocuments(manifests)) {
      const object = document.toJS() as KubeObject;
      const isBinding = object.kind.endsWith('Binding');
      const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'mesh' }];
      const namespace = object.kind.startsWith('Cluster') ? undefined : 'istio-system';
      const plural = `${object.kind.toLowerCase()}s`;
      const metadata = { ...object.metadata, namespace };
      await admin.apply(
        { apiVersion: object.apiVersion, plural },
        { ...object, metadata, ...(isBinding && { subjects }) },
      );
      granted++;
    }
    assert.ok(granted > 3);
    for (const space of ['default', 'early']) await admin.delete(CONFIG_MAPS, { namespace: space, name });
    await admin.delete(SECRETS, { namespace: 'istio-system', name: 'istio-ca-secret' });
    await admin.delete(LEASES, { namespace: 'istio-system', name: LEADER_LEASE });
    const replica = new Replica(await ApiClient.create({ kubeconfig: await api.kubeconfig({ token: 'meshtoken' }) }));
    await until('the roots', () => replica.bundle !== '');
    for (const space of ['default', 'early', 'kube-system', 'meanwhile']) await hasRoots(replica, space);
    assert.equal(replica.said(/cannot be|failed/), 0);
    await ended(replica);
  });
});
