import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiKind, kindFinder, kindOf, kinds } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { objectKey } from '../../src/object-key.ts';
import { PeerAuthentication_MutualTLS_Mode } from '../../src/proto/generated/istio/security/v1beta1.ts';

const service = (name: string, port: number, metadata: Record<string, unknown> = {}): RawObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default', ...metadata },
  spec: { ports: [{ port }] },
});
const route = (host: string): RawObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'vs', namespace: 'default' },
  spec: { hosts: [host], http: [{ route: [{ destination: { host: 'a' } }] }] },
});
const key = (kind: string, name: string) => objectKey(kind, 'default', name);

test('contents are the same value until something changes', () => {
  const store = new ConfigStore();
  assert.equal(store.apply({ op: 'upsert', object: service('a', 80) }), true);
  assert.equal(store.apply({ op: 'upsert', object: service('b', 80) }), true);
  const first = store.contents();
  assert.equal(store.contents(), first);
  assert.equal(store.apply({ op: 'upsert', object: structuredClone(service('a', 80)) }), false);
  assert.equal(store.contents(), first);

  assert.equal(store.apply({ op: 'upsert', object: service('a', 81) }), true);
  const second = store.contents();
  assert.notEqual(second.Service, first.Service);
  assert.equal(second.Pod, first.Pod);
  assert.equal(second.problems, first.problems);
  assert.equal(second.Service.get(key('Service', 'b')), first.Service.get(key('Service', 'b')));
  assert.equal(first.Service.get(key('Service', 'a'))?.ports[0]?.port, 80, 'the earlier contents have not changed');
});

test('an object of which only the version moved keeps its identity', () => {
  const store = new ConfigStore();
  store.apply({ op: 'upsert', object: service('a', 80, { resourceVersion: '1' }) });
  const first = store.contents();
  assert.equal(store.apply({ op: 'upsert', object: service('a', 80, { resourceVersion: '2' }) }), false);
  assert.equal(store.contents(), first);
  assert.equal(store.apply({ op: 'upsert', object: service('a', 81, { resourceVersion: '3' }) }), true);
});

test('everything is frozen', () => {
  const store = new ConfigStore();
  store.apply({ op: 'upsert', object: route('a') });
  const value = store.contents().VirtualService.get(key('VirtualService', 'vs'));
  assert.ok(value && Object.isFrozen(value) && Object.isFrozen(value.meta.labels) && Object.isFrozen(value.spec.hosts));
  assert.ok(Object.isFrozen(value.spec.http?.[0]?.route?.[0]?.destination));
});

test('replace removes what is missing, delete what is named', () => {
  const store = new ConfigStore();
  store.apply({ op: 'replace', kind: 'Service', objects: [service('a', 80), service('b', 80)] });
  assert.equal(store.apply({ op: 'replace', kind: 'Service', objects: [service('b', 80)] }), true);
  assert.deepEqual([...store.contents().Service.keys()], [key('Service', 'b')]);
  assert.equal(store.apply({ op: 'replace', kind: 'Service', objects: [service('b', 80)] }), false);
  assert.equal(store.apply({ op: 'delete', kind: 'Service', namespace: 'default', name: 'a' }), false);
  assert.equal(store.apply({ op: 'delete', kind: 'Service', namespace: 'default', name: 'b' }), true);
  assert.equal(store.contents().Service.size, 0);
});

test('the last valid version stays in force while a newer one is invalid', () => {
  const store = new ConfigStore();
  const at = key('VirtualService', 'vs');
  store.apply({ op: 'upsert', object: route('a b') });
  assert.equal(store.contents().VirtualService.size, 0);
  assert.ok(store.contents().problems.get(at));

  store.apply({ op: 'upsert', object: route('a') });
  const good = store.contents().VirtualService.get(at);
  assert.ok(good);
  assert.equal(store.contents().problems.size, 0);

  assert.equal(store.apply({ op: 'upsert', object: route('a b') }), true, 'there are problems now');
  assert.equal(store.contents().VirtualService.get(at), good);
  assert.match(store.contents().problems.get(at)?.[0]?.message ?? '', /last valid version/);

  assert.equal(store.apply({ op: 'upsert', object: route('a') }), true, 'the problems are gone');
  assert.equal(store.contents().VirtualService.get(at), good);
  store.apply({ op: 'upsert', object: route('a b') });
  store.apply({ op: 'delete', kind: 'VirtualService', namespace: 'default', name: 'vs' });
  assert.equal(store.contents().VirtualService.size, 0);
  assert.equal(store.contents().problems.size, 0);
});

test("a source's own problems are kept until it takes them back", () => {
  const store = new ConfigStore();
  const object = objectKey('File', '', 'a.yaml');
  const problems = [{ object, path: 'line 1', message: 'no YAML', severity: 'error' }] as const;
  assert.equal(store.apply({ op: 'problems', object, problems }), true);
  assert.equal(store.apply({ op: 'problems', object, problems: structuredClone(problems) }), false);
  assert.deepEqual([...store.contents().problems.keys()], [object]);
  assert.equal(store.apply({ op: 'problems', object, problems: [] }), true);
  assert.equal(store.contents().problems.size, 0);
});

test('a kind is told by group and version, too', () => {
  assert.equal(kindOf({ apiVersion: 'networking.istio.io/v1beta1', kind: 'Gateway' }), 'Gateway');
  assert.equal(kindOf({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway' }), undefined);
  assert.equal(kindOf({ apiVersion: 'serving.knative.dev/v1', kind: 'Service' }), undefined);
  assert.equal(kindOf({ apiVersion: 'networking.istio.io/v9', kind: 'VirtualService' }), undefined);
  assert.equal(kindOf({ apiVersion: 'v1', kind: 'toString' }), undefined);
});

test('what restricts and is not valid is closed, and keeps to its last valid version where there is one', () => {
  const policy = (mode: string): RawObject => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'it', namespace: 'default' },
    spec: { mtls: { mode } },
  });
  const store = new ConfigStore();
  const it = key('PeerAuthentication', 'it');
  const after = (...objects: readonly RawObject[]) => {
    for (const object of objects) store.apply({ op: 'upsert', object });
    const { PeerAuthentication, problems } = store.contents();
    return [PeerAuthentication.get(it)?.spec.mtls?.mode, problems.get(it)?.map(problem => problem.path) ?? []];
  };
  const { STRICT, PERMISSIVE } = PeerAuthentication_MutualTLS_Mode;
  const closed = [STRICT, ['spec.mtls.mode', '']];
  assert.deepEqual(after(policy('LOOSE')), closed, 'nothing is known');
  const first = store.contents().PeerAuthentication.get(it);
  assert.deepEqual(after(policy('OPEN')), closed, 'what was closed is no valid version');
  assert.equal(store.contents().PeerAuthentication.get(it), first, 'and keeps its identity');
  assert.deepEqual(after(policy('PERMISSIVE')), [PERMISSIVE, []]);
  assert.deepEqual(after(policy('LOOSE')), [PERMISSIVE, ['spec.mtls.mode', '']], 'a valid version is known');
  assert.deepEqual(after(policy('OPEN')), [PERMISSIVE, ['spec.mtls.mode', '']], 'and stays known');
  store.apply({ op: 'delete', kind: 'PeerAuthentication', namespace: 'default', name: 'it' });
  assert.deepEqual(after(), [undefined, []]);
  assert.deepEqual(after(policy('LOOSE')), closed, 'another object has no last version');
});

test('an object that is nested too deep is a problem, whoever took it before', () => {
  const nested = (depth: number, inner: (value: unknown) => unknown) => {
    let value: unknown = 'x';
    for (let i = 0; i < depth; i++) value = inner(value);
    return value;
  };
  const filter = (value: unknown, resourceVersion?: string) => ({
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name: 'deep', namespace: 'default', ...(resourceVersion && { resourceVersion }) },
    spec: {
      configPatches: [
        {
          applyTo: 'CLUSTER',
          patch: { operation: 'MERGE', value: { metadata: { filter_metadata: { x: { y: value } } } } },
        },
      ],
    },
  });
  for (const inner of [(value: unknown) => ({ a: value }), (value: unknown) => [value]]) {
    for (const version of [undefined, '1']) {
      const store = new ConfigStore();
      store.apply({ op: 'upsert', object: filter(nested(20, inner), version) });
      assert.deepEqual([...store.contents().problems.values()], []);
      for (const depth of [200, 4_000, 100_000]) {
        for (let twice = 0; twice < 2; twice++)
          store.apply({ op: 'upsert', object: filter(nested(depth, inner), version && `${depth}`) });
        const [problem] = [...store.contents().problems.values()].flat();
        assert.match(problem?.message ?? '', /^it is nested more than 128 deep .*last valid version/);
        assert.equal(store.contents().EnvoyFilter.size, 1);
      }
      store.apply({ op: 'upsert', object: filter('x', version && '2') });
      assert.equal(store.contents().problems.size, 0);
    }
  }
});

test('a source takes nothing away that another one has', () => {
  const store = new ConfigStore(['cluster', 'folder']);
  const names = () => [...store.contents().Service.keys()].sort();
  store.apply({ op: 'replace', kind: 'Service', objects: [service('a', 80), service('b', 80)] }, 'cluster');
  store.apply({ op: 'upsert', object: service('c', 80) }, 'folder');
  assert.deepEqual(names(), [key('Service', 'a'), key('Service', 'b'), key('Service', 'c')]);

  store.apply({ op: 'replace', kind: 'Service', objects: [service('b', 80)] }, 'cluster');
  assert.deepEqual(names(), [key('Service', 'b'), key('Service', 'c')]);
  assert.equal(store.apply({ op: 'delete', kind: 'Service', namespace: 'default', name: 'b' }, 'folder'), false);
  store.apply({ op: 'replace', kind: 'Service', objects: [] }, 'folder');
  assert.deepEqual(names(), [key('Service', 'b')]);
});

test('of an object that two sources have the first one’s is in force, and the other’s when that is gone', () => {
  const store = new ConfigStore(['cluster', 'folder']);
  const at = key('Service', 'a');
  const port = () => store.contents().Service.get(at)?.ports[0]?.port;
  store.apply({ op: 'upsert', object: service('a', 81) }, 'folder');
  assert.equal(port(), 81);
  assert.equal(store.apply({ op: 'upsert', object: service('a', 80) }, 'cluster'), true);
  assert.equal(port(), 80);
  assert.match(
    store.contents().problems.get(at)?.[0]?.message ?? '',
    /in force is what the cluster says, not the folder/,
  );

  assert.equal(store.apply({ op: 'upsert', object: service('a', 82) }, 'folder'), false);
  assert.equal(port(), 80);
  assert.equal(store.apply({ op: 'delete', kind: 'Service', namespace: 'default', name: 'a' }, 'cluster'), true);
  assert.equal(port(), 82);
  assert.equal(store.contents().problems.size, 0);
});

test('problems that two sources find about one thing stand beside one another', () => {
  const store = new ConfigStore();
  const file = objectKey('File', '', 'a.yaml');
  const problem = (message: string) => [{ object: file, path: '', message, severity: 'error' as const }];
  store.apply({ op: 'problems', object: file, problems: problem('first') }, 'cluster');
  store.apply({ op: 'problems', object: file, problems: problem('second') }, 'folder');
  store.apply({ op: 'problems', object: file, problems: [] }, 'cluster');
  assert.deepEqual(store.contents().problems.get(file), problem('second'));
});

test('kinds of two groups that share a name are two kinds', () => {
  const istio = kinds.Gateway;
  const other = {
    ...istio,
    kind: 'Gateway.gateway.networking.k8s.io',
    group: 'gateway.networking.k8s.io',
    versions: ['v1'],
  };
  const find = kindFinder([istio, other]);
  assert.equal(find({ apiVersion: 'networking.istio.io/v1', kind: 'Gateway' }), 'Gateway');
  assert.equal(find({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway' }), other.kind);
  assert.equal(find({ apiVersion: 'gateway.networking.k8s.io/v2', kind: 'Gateway' }), undefined);
  assert.notEqual(objectKey(istio.kind, 'default', 'a'), objectKey(other.kind, 'default', 'a'));
});

test('every kind is named as the API names it, with its group where that is not enough', () => {
  const rows = Object.values(kinds);
  assert.equal(new Set(rows.map(({ kind, group }) => `${group}/${apiKind(kind)}`)).size, rows.length);
  for (const { kind, group } of rows) assert.ok(kind === apiKind(kind) || kind === `${apiKind(kind)}.${group}`, kind);
});
