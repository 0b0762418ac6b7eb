import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { objectKey } from '../../src/object-key.ts';
import { World } from '../../src/world.ts';
import { type Call, mutualTls } from '../simulation/call.ts';
import { simulate } from '../simulation/simulate.ts';
import { messagesOf } from '../support/translation.ts';
import { baseObjects, proxies } from './base-mesh.ts';
import { objectOf } from './objects.ts';
import { type Json, spoilings } from './spoiling.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 400);
const seed = Number(process.env['FUZZ_SEED'] ?? 1);

const some = (...values: readonly string[]) => fc.subarray([...values], { minLength: 1 });
const record = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc
    .subarray(Object.keys(fields), { minLength: 1, maxLength: 2 })
    .chain(names => fc.record(Object.fromEntries(names.map(name => [name, fields[name] ?? fc.constant(null)]))));

const principals = some('cluster.local/ns/default/sa/a', 'cluster.local/ns/other/*', '*/sa/b');
const blocks = some('10.1.0.0/24', '10.2.0.2');
const paths = some('/a', '/b/*', '/c/{*}/d');
const fromNetwork = { ipBlocks: blocks, notIpBlocks: blocks, remoteIpBlocks: blocks };
const fromPeer = {
  principals,
  notPrincipals: principals,
  namespaces: some('default', 'other'),
  notNamespaces: some('other'),
};
const operation = record({
  paths,
  notPaths: paths,
  methods: some('GET', 'POST'),
  notMethods: some('POST'),
  hosts: some('web', 'other'),
  ports: some('8080', '9000'),
  notPorts: some('9000'),
});
const ofRequest = {
  'request.headers[x-user]': some('a', 'b*'),
  'source.ip': blocks,
  'destination.port': some('8080', '9000'),
};
const ofPeer = { 'source.principal': principals, 'source.namespace': some('default', 'other') };
const conditionOf = (keys: Record<string, fc.Arbitrary<string[]>>) =>
  fc
    .constantFrom(...Object.keys(keys))
    .chain(key =>
      record({ values: keys[key] ?? blocks, notValues: keys[key] ?? blocks }).map(lists => ({ key, ...lists })),
    );

const ruleOf = (source: fc.Arbitrary<unknown>, condition: fc.Arbitrary<unknown>) =>
  record({
    from: fc.array(fc.record({ source }), { minLength: 1, maxLength: 2 }),
    to: fc.array(fc.record({ operation }), { minLength: 1, maxLength: 2 }),
    when: fc.array(condition, { minLength: 1, maxLength: 2 }),
  });
const rule = ruleOf(record({ ...fromNetwork, ...fromPeer }), conditionOf({ ...ofRequest, ...ofPeer }));
const customRule = ruleOf(record(fromNetwork), conditionOf(ofRequest));

const rest = {
  selector: fc.constantFrom(
    { matchLabels: { app: 'web', version: 'v1' } },
    { matchLabels: { app: 'web' } },
    { matchLabels: { app: 'client' } },
  ),
};
const local = fc
  .tuple(fc.constantFrom('ALLOW', 'ALLOW', 'DENY', 'DENY', 'AUDIT'), fc.array(rule, { minLength: 1, maxLength: 3 }))
  .chain(([action, rules]) => fc.record({ action: fc.constant(action), rules: fc.constant(rules), ...rest }));
const custom = fc.array(customRule, { minLength: 1, maxLength: 2 }).chain(rules =>
  fc.record({
    action: fc.constant('CUSTOM'),
    provider: fc.constant({ name: 'asked' }),
    rules: fc.constant(rules),
    ...rest,
  }),
);

const policy = (name: string, spec: unknown): RawObject => objectOf('AuthorizationPolicy', name, 'default', { spec });

const calls: readonly Call[] = ['/a', '/b/x', '/c/x/d', '/e'].flatMap((path, i) =>
  ['cluster.local/ns/default/sa/a', 'cluster.local/ns/other/sa/b', undefined].flatMap(principal =>
    [8080, 9000].map(
      (port): Call => ({
        direction: 'inbound',
        address: '10.1.0.10',
        port,
        host: i % 2 ? 'web' : 'other',
        path,
        method: i < 2 ? 'GET' : 'POST',
        source: i % 2 ? '10.1.0.7' : '10.2.0.2',
        headers: i === 1 ? { 'x-user': 'bob' } : {},
        ...(principal && { tls: mutualTls(`spiffe://${principal}`) }),
        ...(port === 9000 && { protocol: 'tcp' }),
      }),
    ),
  ),
);

const mesh = objectOf('MeshConfig', 'istio', '', {
  spec: {
    extensionProviders: [
      { name: 'asked', envoyExtAuthzGrpc: { service: 'web.default.svc.cluster.local', port: 9090 } },
    ],
  },
});

/** Whether a call is refused, whether somebody is asked first, and whether it is put on record. */
interface Ruling {
  readonly refused: boolean;
  readonly asked: boolean;
  readonly audited: boolean;
}

function rulings(store: ConfigStore): readonly Ruling[] {
  const world = new World(store.contents(), {
    domain: 'cluster.local',
    rootNamespace: 'istio-system',
    clusterId: 'Kubernetes',
  });
  const server = proxies['server with agent'];
  assert.ok(server);
  const messages = messagesOf(world.of(server).translation);
  return calls.map(call => {
    const { failure, response, asks, audited } = simulate(messages, call);
    const refused = failure === 'denied by RBAC' || response?.status === 403;
    return { refused, asked: Boolean(asks?.length), audited: audited === true };
  });
}

function storeOf(objects: readonly RawObject[]): ConfigStore {
  const store = new ConfigStore();
  for (const object of [...baseObjects, mesh, ...objects]) store.apply({ op: 'upsert', object });
  return store;
}

const errorsOf = (store: ConfigStore, name: string): readonly string[] =>
  (store.contents().problems.get(objectKey('AuthorizationPolicy', 'default', name)) ?? [])
    .filter(problem => problem.severity === 'error')
    .map(problem => problem.path);

test('a field that cannot be read lets no call pass that was refused, asked about or put on record', () => {
  const seen = { refused: 0, asked: 0, audited: 0, stillPassing: 0 };
  fc.assert(
    fc.property(
      fc.oneof({ weight: 4, arbitrary: local }, { weight: 1, arbitrary: custom }),
      fc.array(local, { maxLength: 1 }),
      fc.nat(),
      (spec, others, pick) => {
        const objects = others.map((other, i) => policy(`other-${i}`, other));
        const good = storeOf([...objects, policy('it', spec)]);
        assert.deepEqual(errorsOf(good, 'it'), [], 'what is generated is valid');
        const before = rulings(good);
        const all = spoilings(spec as Json);
        const spoiled = all[pick % all.length];
        assert.ok(spoiled);
        const bad = policy('it', spoiled.spec);
        const first = storeOf([...objects, bad]);
        good.apply({ op: 'upsert', object: bad });
        assert.ok(errorsOf(first, 'it').length, `${spoiled.how}: nothing is said`);
        for (const [when, after] of [
          ['at first', rulings(first)],
          ['after an edit', rulings(good)],
        ] as const)
          for (const [i, ruling] of before.entries()) {
            const [call, now] = [calls[i], after[i]];
            assert.ok(call && now);
            const told = `${when}, ${spoiled.how}: ${JSON.stringify(call)}`;
            if (ruling.refused) assert.ok(now.refused, `was refused: ${told}`);
            else if (ruling.asked) assert.ok(now.refused || now.asked, `was asked about: ${told}`);
            if (ruling.audited) assert.ok(now.refused || now.audited, `was put on record: ${told}`);
            if (ruling.refused) seen.refused++;
            else if (!now.refused) seen.stillPassing++;
            if (ruling.asked) seen.asked++;
            if (ruling.audited) seen.audited++;
          }
      },
    ),
    { numRuns: runs / 4, seed },
  );
  for (const [what, count] of Object.entries(seen)) assert.ok(count > runs / 4, `${what}: ${count}`);
});
