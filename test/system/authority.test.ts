import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { LEADER_LEASE } from '../../src/authority/leader.ts';
import { ApiClient } from '../../src/kubernetes/api-client.ts';
import type { KubeObject, Resource } from '../../src/kubernetes/object.ts';
import { untilAborted, Writer } from '../../src/kubernetes/writer.ts';
import { makeRoot, rootLife } from '../../src/security/root.ts';
import type { Pace } from '../../src/security/rotation.ts';
import { ApiServer, noApiServer } from '../kubernetes/api-server.ts';
import { newCertificate, type Signer } from '../security/openssl.ts';
import { until } from '../support/until.ts';
import { Replica } from './replica.ts';

const core = (plural: string): Resource => ({ apiVersion: 'v1', plural });
const NAMESPACES = core('namespaces');
const CONFIG_MAPS = core('configmaps');
const SECRETS = core('secrets');
const LEASES: Resource = { apiVersion: 'coordination.k8s.io/v1', plural: 'leases' };
const name = 'istio-ca-root-cert';

const caSecret = { namespace: 'istio-system', name: 'istio-ca-secret' };
/** Steps of a rotation that nobody holds up. */
const pace: Pace = { beforeSigning: 300, beforeDropping: 300 };

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

const certificates = (pem: string): number => pem.match(/BEGIN CERTIFICATE/g)?.length ?? 0;
const stored = async (field: string) =>
  Buffer.from(
    ((await admin.get(SECRETS, caSecret))?.['data'] as Record<string, string> | undefined)?.[field] ?? '',
    'base64',
  ).toString();

/** A leader that has written everywhere. */
async function leading(of?: Pace): Promise<Replica> {
  const replica = new Replica(await api.client(), of);
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
    const spaced = { 'root-cert.pem': `\n${replica.bundle}\n` };
    await admin.patch(CONFIG_MAPS, { namespace: 'early', name }, { data: spaced });
    await makeNamespace('after');
    await hasRoots(replica, 'after');
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

  test('another root that is asked for is distributed, signs and takes over, as all proxies of all replicas have acknowledged', async () => {
    const [one, two] = [await leading(pace), new Replica(await api.client(), pace)];
    await until('the roots', () => two.bundle !== '');
    const first = one.bundle;
    two.acknowledgements.connected('pod 1', 'app-1.default');
    two.acknowledgements.connected('pod 2', 'app-2.default');
    await admin.patch(SECRETS, caSecret, { metadata: { annotations: { 'pilotlight.io/rotate-root': 'now' } } });
    await until('both roots', () => [one, two].every(each => certificates(each.bundle) === 2));
    assert.ok(one.bundle.startsWith(first) && one.bundle === two.bundle);
    await until('the annotation to go', async () => !(await admin.get(SECRETS, caSecret))?.metadata.annotations);
    const fresh = one.bundle.slice(first.length);
    assert.equal(await stored('ca-cert.pem'), first, 'an istiod that takes over signs with what everybody trusts');
    one.acknowledgements.acknowledge('pod 1', one.authority?.step);
    await until('a word', () =>
      one.problems.some(line => /new root does not sign yet.*: app-2\.default\. A/.test(line)),
    );
    assert.ok(!one.problems.some(line => line.includes('app-1')), 'who asked another replica has acknowledged, too');
    for (const each of [one, two]) assert.equal(`${each.authority?.certificate}`, first);

    two.acknowledgements.acknowledge('pod 2', two.authority?.step);
    await until('the new root to sign', () => [one, two].every(each => `${each.authority?.certificate}` === fresh));
    assert.equal(one.bundle, first + fresh);
    assert.equal(await stored('ca-cert.pem'), fresh);
    await until('a word', () => one.problems.some(line => /old root is not taken away yet.*app-[12]/.test(line)));
    for (const pod of ['pod 1', 'pod 2']) one.acknowledgements.acknowledge(pod, one.authority?.step);
    await until('the old root to go', () => [one, two].every(each => each.bundle === fresh));
    for (const space of ['default', 'late']) await hasRoots(one, space);
    assert.deepEqual(one.problems, []);
    two.stop();
    await ended(one);
  });

  test('a leader that goes in the middle is followed by another, and what proxies told a replica that ended is known', async () => {
    const one = await leading(pace);
    const first = one.bundle;
    one.acknowledgements.connected('pod 1', 'app-1.default');
    await admin.patch(SECRETS, caSecret, { metadata: { annotations: { 'pilotlight.io/rotate-root': 'now' } } });
    await until('both roots', () => certificates(one.bundle) === 2);
    const both = one.bundle;
    one.acknowledgements.acknowledge('pod 1', one.authority?.step);
    await ended(one);
    const two = new Replica(await api.client(), { ...pace, beforeDropping: 3_600_000 });
    two.acknowledgements.connected('pod 1', 'app-1.default');
    await until('the new root to sign', () => two.bundle === both && `${two.authority?.certificate}` !== first);
    await ended(two);
    const three = new Replica(await api.client(), pace);
    await until('the old root to go', () => three.bundle === both.slice(first.length));
    await ended(three);
  });

  test('cacerts that was replaced while nobody looked is gone over to in steps; broken it changes nothing', async () => {
    const [a, b] = [newCertificate({ subject: '/O=a' }), newCertificate({ subject: '/O=b' })];
    const [a1, b1] = [newCertificate({ subject: '/O=a1', signer: a }), newCertificate({ subject: '/O=b1', signer: b })];
    const plug = (signer: Signer, root: Signer, fields: Record<string, string> = {}) =>
      admin.apply(SECRETS, {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { namespace: 'istio-system', name: 'cacerts' },
        stringData: {
          'ca-cert.pem': signer.certificate,
          'ca-key.pem': signer.key,
          'cert-chain.pem': signer.certificate,
          'root-cert.pem': root.certificate,
          ...fields,
        },
      });
    const one = await leading(pace);
    const before = one.bundle;
    await plug(a1, a);
    await until('both roots', () => one.bundle === before + a.certificate);
    await until('its end', () => one.bundle === a.certificate);
    assert.equal(`${one.authority?.certificate}`, a1.certificate);
    await plug(b1, b, { 'ca-key.pem': a1.key });
    await until('a word', () => one.problems.some(line => /cacerts ca-key.pem: is not the key/.test(line)));
    await until('its line', () => one.said(/^a problem$/) === 1);
    await ended(one);
    await plug(b1, b);
    const slow = new Replica(await api.client(), { ...pace, beforeSigning: 3_600_000 });
    await until('both roots', () => slow.bundle === a.certificate + b.certificate);
    assert.equal(`${slow.authority?.certificate}`, a1.certificate, 'it signs with what everybody trusts');
    await plug(a1, a);
    await until('the way back', () => slow.bundle === a.certificate);
    await ended(slow);
    await admin.delete(SECRETS, { namespace: 'istio-system', name: 'cacerts' });
    const own = new Replica(await api.client(), pace);
    await until('our own root again', () => own.bundle === before);
    await ended(own);
  });

  test('what cannot be read of what is in force is left alone, and nothing is served by a guess', async () => {
    const name = { namespace: 'istio-system', name: 'pilotlight-ca-rotation' };
    const one = await leading(pace);
    const { bundle } = one;
    const data = (await admin.get(SECRETS, name))?.['data'] as Record<string, string>;
    await admin.patch(SECRETS, name, { data: { 'rotation.json': Buffer.from('{').toString('base64') } });
    await until('a word', () => one.problems.some(line => line.includes('rotation.json: expected')));
    assert.equal(one.bundle, bundle);
    const two = new Replica(await api.client(), pace);
    await until('a word', () => two.problems.some(line => line.includes('rotation.json: expected')));
    assert.equal(two.authority, undefined);
    await admin.patch(SECRETS, name, { data: { 'rotation.json': data['rotation.json'] } });
    await until('it to serve', () => two.bundle === bundle);
    await admin.delete(SECRETS, name);
    await until('it to be written again', async () => (await admin.get(SECRETS, name)) !== undefined);
    two.stop();
    await ended(one);
  });

  test('the end of a certificate is told by Events, each part of its life once, whoever leads', async () => {
    const made = await makeRoot('old', Date.now() - 0.55 * rootLife);
    const old = { certificate: `${made.certificate}`, key: made.key.revealPem() };
    const events = async () => {
      const { items } = (await (await api.client()).json('/apis/events.k8s.io/v1/namespaces/istio-system/events')) as {
        readonly items: readonly KubeObject[];
      };
      return items.filter(({ reason }) => reason === 'CertificateExpiry');
    };
    const data = { 'ca-cert.pem': old.certificate, 'ca-key.pem': old.key, 'root-cert.pem': old.certificate };
    await admin.apply(SECRETS, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace: 'istio-system', name: 'cacerts' },
      stringData: { ...data, 'cert-chain.pem': '' },
    });
    const one = await leading(pace);
    await until('an Event', async () => (await events()).length > 0);
    await ended(one);
    const [event, ...more] = await events();
    assert.deepEqual(more, [], 'the other certificates are young');
    assert.match(JSON.stringify(event?.['regarding']), /"name":"cacerts"/);
    assert.match(
      `${event?.['type']} ${event?.['note']}`,
      /^Normal 50 % of the life of the root certificate [0-9a-f]+ are over: it ends at 2/,
    );
    await admin.delete({ apiVersion: 'events.k8s.io/v1', plural: 'events' }, event?.metadata ?? assert.fail());
    const two = await leading(pace);
    await until('the end of the rotation', () => two.bundle === old.certificate);
    assert.deepEqual(await events(), [], 'it was told');
    await admin.delete(SECRETS, { namespace: 'istio-system', name: 'cacerts' });
    await ended(two);
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
