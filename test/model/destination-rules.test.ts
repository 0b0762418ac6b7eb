import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hostname } from '../../src/model/services/service.ts';
import { networking, service, type World, world } from './support.ts';

type Fields = Readonly<Record<string, unknown>>;

const rule = (name: string, spec: Fields = {}, more: Fields = {}) =>
  networking(
    'DestinationRule',
    name,
    { host: 'app.server.svc.cluster.local', subsets: [{ name: name.split('.')[0] }], ...spec },
    more,
  );

/** The subsets of the rule in force for app.server, for a client of a namespace. */
const subsets = (w: World, namespace: string, labels: Fields = {}) =>
  w
    .identify(`sidecar~10.9.0.1~client.${namespace}`, { LABELS: labels })
    .scope.destinationRules.get('app.server.svc.cluster.local' as Hostname)
    ?.rule.spec.subsets?.map(s => s.name);

const app = service('app.server');

test('a rule is looked for in the namespaces of the client, the Service and the root', () => {
  const [client, server, root] = [rule('client.client'), rule('server.server'), rule('root.istio-system')];
  const cases = [
    [[client, server, root], 'client', ['client']],
    [[client, server, root], 'other', ['server']],
    [[server, root], 'client', ['server']],
    [[root], 'client', ['root']],
    [[client], 'other', undefined],
    [[root, server], 'istio-system', ['server']],
    [[rule('elsewhere.elsewhere')], 'client', undefined],
  ] as const;
  for (const [rules, namespace, expected] of cases) {
    assert.deepEqual(subsets(world(app, ...rules), namespace), expected, `${rules.length} rules for ${namespace}`);
  }
});

test('exportTo limits who else uses a rule', () => {
  const cases = [
    [{ exportTo: ['.'] }, 'client', undefined],
    [{ exportTo: ['.'] }, 'server', ['server']],
    [{ exportTo: ['client'] }, 'client', ['server']],
    [{ exportTo: ['client'] }, 'other', undefined],
    [{ exportTo: ['*'] }, 'other', ['server']],
  ] as const;
  for (const [spec, namespace, expected] of cases) {
    assert.deepEqual(
      subsets(world(app, rule('server.server', spec)), namespace),
      expected,
      JSON.stringify([spec, namespace]),
    );
  }
  assert.deepEqual(subsets(world(app, rule('r.istio-system', { exportTo: ['.'] })), 'istio-system'), ['r']);
});

test('short hosts are of the namespace of the rule, the most specific wildcard wins', () => {
  assert.deepEqual(subsets(world(app, rule('r.server', { host: 'app' })), 'client'), ['r']);
  const w = world(
    app,
    rule('all.server', { host: '*' }),
    rule('long.server', { host: '*.server.svc.cluster.local' }),
    rule('local.server', { host: '*.local' }),
  );
  assert.deepEqual(subsets(w, 'client'), ['long']);
  w.applyObjects([rule('exact.server')]);
  assert.deepEqual(subsets(w, 'client'), ['exact']);
});

test('rules of one host in one namespace are merged: subsets of all, the policy of the oldest', () => {
  const policy = (n: number) => ({ trafficPolicy: { connectionPool: { tcp: { maxConnections: n } } } });
  const w = world(
    app,
    rule('young.server', { ...policy(2), subsets: [{ name: 'v2' }, { name: 'v1' }] }, { created: 3 }),
    rule('middle.server', { ...policy(1), subsets: [] }, { created: 2 }),
    rule('old.server', { subsets: [{ name: 'v1' }] }, { created: 1 }),
  );
  assert.deepEqual(subsets(w, 'client'), ['v1', 'v2']);
  const found = w
    .identify('sidecar~10.9.0.1~client.client')
    .scope.destinationRules.get('app.server.svc.cluster.local' as Hostname);
  assert.equal(found?.rule.spec.trafficPolicy?.connectionPool?.tcp?.maxConnections, 1);
  assert.deepEqual(found?.sources, [
    'DestinationRule/server/old',
    'DestinationRule/server/middle',
    'DestinationRule/server/young',
  ]);
  assert.deepEqual(
    w.mesh.problems.map(p => [p.object, p.path, p.severity]),
    [['DestinationRule/server/young', 'spec.subsets[1].name', 'warning']],
  );
});

test('rules for different namespaces are not merged', () => {
  const w = world(
    app,
    rule('all.server', {}, { created: 1 }),
    rule('one.server', { exportTo: ['one'] }, { created: 2 }),
  );
  assert.deepEqual(subsets(w, 'two'), ['all']);
});

test('a workloadSelector picks clients of its own namespace', () => {
  const w = world(
    app,
    rule('chosen.client', { workloadSelector: { matchLabels: { app: 'chosen' } } }),
    rule('general.client'),
  );
  assert.deepEqual(subsets(w, 'client', { app: 'chosen' }), ['chosen']);
  assert.deepEqual(subsets(w, 'client', { app: 'other' }), ['general']);
  assert.deepEqual(subsets(w, 'server', { app: 'chosen' }), undefined);
  const scopes = ['1', '2'].map(v => w.identify('sidecar~10.9.0.1~c.client', { LABELS: { app: 'x', v } }).scope);
  assert.equal(scopes[0], scopes[1]);
});
