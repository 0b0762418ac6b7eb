import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawObject } from '../../src/config/raw.ts';
import { type ConfigContents, ConfigStore } from '../../src/config/store.ts';
import { memo } from '../../src/memo.ts';
import { type Conversion, converted } from '../../src/model/conversions.ts';
import { buildMesh } from '../../src/model/mesh.ts';
import { objectKey } from '../../src/object-key.ts';
import { hostname } from '../../src/proto/hostname.ts';
import { options } from './support.ts';

const service = (name: string, labels: Readonly<Record<string, string>> = {}): RawObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop', labels },
  spec: { clusterIP: '10.0.0.1', ports: [{ port: 80 }] },
});

/** A VirtualService for each Service that says what is to be called in its stead. */
const redirections: Conversion<'VirtualService'> = {
  makes: 'VirtualService',
  convert: ({ Service }) => made(Service),
};

const made = memo((services: ConfigContents['Service']) => {
  const objects = [...services.values()].flatMap(({ meta }) => {
    const host = meta.labels['instead'];
    if (!host) return [];
    const key = objectKey('VirtualService', meta.namespace, `${meta.name}~instead`);
    const object = {
      kind: 'VirtualService' as const,
      meta: { ...meta, key, name: `${meta.name}~instead` },
      spec: { hosts: [hostname(meta.name)], http: [{ route: [{ destination: { host: hostname(host) } }] }] },
      sources: [meta.key],
    };
    return [[key, Object.freeze(object)] as const];
  });
  const problems = [...services.values()]
    .filter(({ meta }) => meta.labels['instead'] === meta.name)
    .map(({ meta }) => ({ object: meta.key, path: 'metadata.labels', message: 'itself', severity: 'error' as const }));
  return { objects: new Map(objects), problems };
});

test('without conversions the contents are the very same', () => {
  const store = new ConfigStore();
  store.apply({ op: 'upsert', object: service('a') });
  assert.equal(converted(store.contents()), store.contents());
});

test('what a conversion makes is of the mesh, and comes from what it was made of', () => {
  const store = new ConfigStore();
  store.apply({ op: 'upsert', object: service('a', { instead: 'b' }) });
  store.apply({ op: 'upsert', object: service('b') });
  const mesh = buildMesh(converted(store.contents(), [redirections]), options);
  const [only] = [...mesh.contents.VirtualService.values()];
  assert.deepEqual(only?.sources, ['Service/shop/a']);
  assert.deepEqual(mesh.problems, [], 'b is found');
  assert.equal(store.contents().VirtualService.size, 0, 'what was written stays as it is');
});

test('what a conversion made keeps its identity while what it reads does', () => {
  const store = new ConfigStore();
  store.apply({ op: 'upsert', object: service('a', { instead: 'b' }) });
  const first = converted(store.contents(), [redirections]);
  store.apply({ op: 'upsert', object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } });
  const second = converted(store.contents(), [redirections]);
  assert.notEqual(second.Namespace, first.Namespace);
  assert.equal(second.VirtualService, first.VirtualService);
  assert.equal(second.VirtualService.size, 1);
});

test('what a conversion finds wrong is a problem of what it reads', () => {
  const store = new ConfigStore();
  store.apply({ op: 'upsert', object: service('a', { instead: 'a' }) });
  const { problems } = converted(store.contents(), [redirections]);
  assert.deepEqual(
    problems.get(objectKey('Service', 'shop', 'a'))?.map(({ message }) => message),
    ['itself'],
  );
});

test('a conversion finds what those before it made', () => {
  const store = new ConfigStore();
  store.apply({ op: 'upsert', object: service('a', { instead: 'b' }) });
  let found = 0;
  const counting: Conversion<'Sidecar'> = {
    makes: 'Sidecar',
    convert: contents => {
      found = contents.VirtualService.size;
      return { objects: new Map(), problems: [] };
    },
  };
  converted(store.contents(), [redirections, counting]);
  assert.equal(found, 1);
});
