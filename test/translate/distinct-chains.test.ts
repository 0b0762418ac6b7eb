import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { objectKey } from '../../src/object-key.ts';
import {
  distinctChains,
  type OwnedChain,
  overlapProblems,
} from '../../src/translate/listeners/chains/distinct-chains.ts';
import { type ChainSpec, chainMatch } from '../../src/translate/listeners/chains/filter-chain.ts';
import { listeners } from '../../src/translate/listeners/listeners.ts';
import { World } from '../model/support.ts';
import { duplicates } from '../support/duplicates.ts';
import { joined } from '../support/translation.ts';
import { listenerFindings, matchCriteria } from '../support/validators-listeners.ts';

const chain = (
  sniHosts: readonly string[],
  cidrs: readonly string[] = [],
  alpn: readonly string[] = [],
): ChainSpec => ({
  sniHosts,
  cidrs,
  applicationProtocols: alpn,
  transportProtocol: '',
  filters: [],
});

const owned = (one: ChainSpec, index: number): OwnedChain => ({
  chain: one,
  owner: { object: objectKey('VirtualService', 'shop', `v${index}`), path: 'spec' },
});

test('the first chain keeps what several ask for, and a later one what it asks for besides', () => {
  const cases: readonly [ChainSpec, ChainSpec, ChainSpec | undefined, readonly string[] | undefined][] = [
    [chain(['a', 'b']), chain(['b', 'c']), chain(['c']), ['b']],
    [chain(['a']), chain(['a']), undefined, ['a']],
    [chain([]), chain(['a']), chain(['a']), undefined],
    [chain([]), chain([]), undefined, []],
    [chain([]), chain(['*']), undefined, []],
    [chain([], ['10.0.0.0/8']), chain([], ['10.1.2.3/8', '11.0.0.0/8']), chain([], ['11.0.0.0/8']), ['10.1.2.3/8']],
    [chain([], ['10.0.0.1']), chain([], ['10.0.0.1/32']), undefined, ['10.0.0.1/32']],
    [chain(['a'], ['10.0.0.0/8']), chain(['a'], ['11.0.0.0/8']), chain(['a'], ['11.0.0.0/8']), undefined],
    [chain([], ['fd00::1']), chain([], ['FD00:0:0::1/128']), undefined, ['FD00:0:0::1/128']],
    [chain([], ['::ffff:10.0.0.1']), chain([], ['::ffff:a00:1']), undefined, ['::ffff:a00:1']],
    [chain([], ['0.0.0.0/0']), chain([]), undefined, []],
    [chain([], [], ['h2', 'http/1.1']), chain([], [], ['http/1.1', 'x']), chain([], [], ['x']), ['http/1.1']],
  ];
  for (const [known, incoming, left, lost] of cases) {
    const { chains, overlaps } = distinctChains([known, incoming].map(owned));
    assert.deepEqual(chains, [known, ...(left ? [left] : [])]);
    assert.deepEqual(overlaps[0]?.lost, lost);
    assert.equal(overlaps.length, lost ? 1 : 0);
  }
});

test('no two chains are left that Envoy would find ambiguous, and nothing is lost that nobody else has', () => {
  const some = (...values: readonly string[]) => fc.subarray([...values]);
  const any = fc
    .record({
      sniHosts: some('a', 'b', '*.c', '*', '*bad'),
      cidrs: some('10.0.0.0/8', '10.9.9.9/8', '10.0.0.1', '0.0.0.0/0', 'fd00::1', 'FD00::01', '::/0'),
      applicationProtocols: some('h2', 'http/1.1', 'istio'),
      transportProtocol: fc.constantFrom('', 'tls', 'raw_buffer'),
    })
    .map((asked): ChainSpec => ({ ...asked, filters: [] }));
  fc.assert(
    fc.property(fc.array(any, { maxLength: 8 }), given => {
      const chains = given.map(owned);
      const found = distinctChains(chains);
      const criteria = found.chains.flatMap(one => matchCriteria(chainMatch(one)));
      // Ranges that are one network are written differently: the form that Envoy compares is what counts.
      assert.deepEqual(
        duplicates(criteria.map(text => text.replaceAll('10.9.9.9', '10.0.0.0').replaceAll('FD00::01', 'fd00::1'))),
        [],
      );
      for (const { owner, holder } of found.overlaps) {
        const at = (one: typeof owner) => chains.findIndex(other => other.owner === one);
        assert.ok(at(holder) < at(owner), 'the earlier chain keeps it');
      }
      const whole = found.chains.filter(one => given.some(other => other === one)).length;
      const sound = given.filter(one => one.sniHosts.length === 0 || one.sniHosts.some(name => name !== '*bad'));
      if (found.overlaps.length === 0) assert.equal(found.chains.length, sound.length);
      else assert.ok(whole < given.length);
    }),
    { numRuns: 2000 },
  );
});

test('problems name both objects once, however many listeners and names there are', () => {
  const [holder, owner] = [objectKey('ServiceEntry', 'shop', 'first'), objectKey('ServiceEntry', 'shop', 'second')];
  const overlap = (lost: readonly string[]) => ({
    owner: { object: owner, path: '' },
    holder: { object: holder, path: '' },
    lost,
  });
  const [problem, ...others] = overlapProblems([
    { listener: 'l1', overlaps: [overlap(['a', 'b']), overlap(['c'])] },
    { listener: 'l2', overlaps: [overlap(['d', 'a'])] },
  ]);
  assert.equal(others.length, 0);
  assert.deepEqual(problem, {
    object: owner,
    path: '',
    message: 'ServiceEntry/shop/first has a, b, c and 1 more of the listener l1, l2 already; they go there',
    severity: 'error',
  });
});

const CLIENT = { NAMESPACE: 'shop', LABELS: { app: 'client' }, ISTIO_VERSION: '1.31.0' };

/** The listeners of a proxy with what is wrong; nothing of them would be refused. */
function made(
  yaml: readonly string[],
  id = 'sidecar~10.1.0.9~client.shop',
  metadata: Readonly<Record<string, unknown>> = CLIENT,
) {
  const world = new World(yaml.join('---\n'));
  const { scope, workload, traits } = world.identify(id, metadata);
  const { resources, problems } = joined(listeners(scope, workload, traits, world.mesh.endpoints));
  const messages = resources.map(({ message }) => message);
  assert.deepEqual(listenerFindings(messages), []);
  return {
    names: messages.map(({ name }) => name),
    chains: (name: string) =>
      messages.find(one => one.name === name)?.filter_chains?.map(c => c.filter_chain_match?.server_names),
    problems: problems.map(({ object, path, message, severity }) => `${severity} ${object} ${path}: ${message}`),
  };
}

const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {app: client}
  servers:
  - {port: {number: 443, name: tls, protocol: TLS}, hosts: ["*"], tls: {mode: PASSTHROUGH}}
  - {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ["*"]}
`;
const ROUTER = ['router~10.1.0.9~client.shop', CLIENT] as const;

const rules = (name: string, age: number, hosts: string, routes: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: shop, creationTimestamp: "2026-01-0${age}T00:00:00Z"}
spec: {hosts: [${hosts}], gateways: [edge], ${routes}}
`;
const toDb = 'route: [{destination: {host: db, port: {number: 5432}}}]';
const tls = (name: string, age: number, hosts: string) =>
  rules(name, age, hosts, `tls: [{match: [{port: 443, sniHosts: [${hosts}]}], ${toDb}}]`);

test('of two VirtualServices with a server name on a passthrough port the older one has it; the other names of both stay', () => {
  const { chains, problems } = made(
    [GATEWAY, tls('a-younger', 2, 'b.example, c.example'), tls('older', 1, 'a.example, b.example')],
    ...ROUTER,
  );
  assert.deepEqual(chains('0.0.0.0_443'), [['a.example', 'b.example'], ['c.example']]);
  assert.deepEqual(problems, [
    'error VirtualService/shop/a-younger spec.tls[0].match[0].sniHosts: VirtualService/shop/older has b.example of the listener 0.0.0.0_443 already; they go there',
  ]);
  const byName = made([GATEWAY, tls('b', 1, 'a.example'), tls('a', 1, 'a.example')], ...ROUTER);
  assert.match(
    byName.problems[0] ?? '',
    /^error VirtualService\/shop\/b spec\.tls\[0\]\.match\[0\]\.sniHosts: VirtualService\/shop\/a has/,
  );
  const ofOne = rules(
    'one',
    1,
    'a.example',
    `tls: [{match: [{sniHosts: [a.example]}, {port: 443, sniHosts: [a.example]}], ${toDb}}]`,
  );
  assert.deepEqual(made([GATEWAY, ofOne], ...ROUTER).problems, [], 'the first rule that fits is asked');
});

test('of two VirtualServices on a TCP port the older one has it', () => {
  const tcp = (name: string, age: number) => rules(name, age, '"*"', `tcp: [{match: [{port: 9000}], ${toDb}}]`);
  assert.deepEqual(made([GATEWAY, tcp('x', 2), tcp('y', 1)], ...ROUTER).problems, [
    'error VirtualService/shop/x spec.tcp[0]: VirtualService/shop/y has all connections of the listener 0.0.0.0_9000 already; they go there',
  ]);
});

test('a server that says the address that others have by default shares their listener', () => {
  const again = GATEWAY.replace('name: edge', 'name: second')
    .replaceAll('protocol: T', 'bind: 0.0.0.0, protocol: T')
    .replaceAll('}, hosts', '}, bind: 0.0.0.0, hosts')
    .replaceAll('bind: 0.0.0.0, protocol', 'protocol');
  const { names, problems } = made([GATEWAY, again, tls('one', 1, 'a.example')], ...ROUTER);
  assert.deepEqual(names, ['0.0.0.0_443']);
  assert.deepEqual(problems, [
    'error Gateway/shop/second spec.servers[0]: Gateway/shop/edge has * on port 443 already',
    'error Gateway/shop/second spec.servers[1]: shop/edge has all TCP connections to port 9000 already',
  ]);
});

const entry = (name: string, protocol: string, addresses = '') => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop}
spec: {hosts: [${name}.example], ${addresses} ports: [{number: 5432, name: p, protocol: ${protocol}}], resolution: STATIC, endpoints: [{address: 192.0.2.1}]}
`;

test('ServiceEntries that share an address and port share it by server name, or the first one has it', () => {
  const at = 'addresses: [10.9.0.1],';
  const lost = (listener: string) =>
    `error ServiceEntry/shop/b : ServiceEntry/shop/a has all connections of the listener ${listener} already; they go there`;
  assert.deepEqual(made([entry('a', 'TCP'), entry('b', 'TCP')]).problems, [lost('0.0.0.0_5432')]);
  assert.deepEqual(made([entry('a', 'TCP', at), entry('b', 'TCP', at)]).problems, [lost('10.9.0.1_5432')]);
  assert.deepEqual(made([entry('a', 'TLS', at), entry('b', 'TLS', at)]).problems, [lost('10.9.0.1_5432')]);
  assert.deepEqual(made([entry('a', 'MySQL', at), entry('b', 'HTTP', at)]).problems, []);
  assert.deepEqual(made([entry('a', 'MySQL', at), entry('b', 'TCP', at)]).problems, [lost('10.9.0.1_5432')]);
  assert.deepEqual(made([entry('a', 'TLS'), entry('b', 'TLS')]).chains('0.0.0.0_5432'), [['a.example'], ['b.example']]);
  assert.deepEqual(made([entry('a', 'HTTP', at), entry('b', 'HTTP', at)]).problems, [], 'hosts tell HTTP apart');
});

/** Objects of few names, addresses and ports, so that they meet often. */
const meeting = (() => {
  const names = fc.uniqueArray(fc.constantFrom('a.example', 'b.example', '*.example', 'c.test'), {
    minLength: 1,
    maxLength: 3,
  });
  const list = (of: fc.Arbitrary<string>) => fc.uniqueArray(of, { maxLength: 2 });
  const subnets = list(fc.constantFrom('10.9.0.0/16', '10.9.0.1', '0.0.0.0/0', 'fd00::/16', '::/0'));
  const age = fc.integer({ min: 1, max: 9 });
  const quoted = (values: readonly string[]) => values.map(value => JSON.stringify(value)).join(', ');
  const rule = fc
    .record({
      hosts: names,
      sni: names,
      subnets,
      port: fc.constantFrom(443, 5432),
      age,
      tls: fc.boolean(),
      mesh: fc.boolean(),
    })
    .map(({ hosts, sni, subnets: to, port, age: day, tls: secure, mesh }) => {
      const match = `port: ${port}, destinationSubnets: [${quoted(to)}]${secure ? `, sniHosts: [${quoted(sni)}]` : ''}`;
      return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: NAME, namespace: shop, creationTimestamp: "2026-01-0${day}T00:00:00Z"}
spec: {hosts: [${quoted(hosts)}], gateways: [${mesh ? 'mesh' : 'edge'}], ${secure ? 'tls' : 'tcp'}: [{match: [{${match}}], ${toDb}}]}
`;
    });
  const entries = fc
    .record({
      hosts: names,
      addresses: list(fc.constantFrom('10.9.0.1', '10.9.0.0/16', 'fd00::1', 'FD00:0::1', '0.0.0.0', '::', '0.0.0.0/0')),
      protocol: fc.constantFrom('TLS', 'HTTPS', 'TCP', 'MySQL', 'HTTP', ''),
      port: fc.constantFrom(443, 5432),
      resolution: fc.constantFrom('NONE', 'DNS'),
    })
    .map(
      ({ hosts, addresses, protocol, port, resolution }) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: NAME, namespace: shop}
spec: {hosts: [${quoted(hosts)}], addresses: [${quoted(addresses)}], ports: [{number: ${port}, name: p, protocol: "${protocol}"}], resolution: ${resolution}}
`,
    );
  const gateway = fc
    .array(
      fc.record({
        hosts: names,
        bind: fc.constantFrom('', '0.0.0.0', '::', '10.9.0.1'),
        mode: fc.constantFrom('PASSTHROUGH', 'SIMPLE', 'AUTO_PASSTHROUGH', ''),
        protocol: fc.constantFrom('TLS', 'HTTPS', 'TCP', 'HTTP'),
        port: fc.constantFrom(443, 5432),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map(servers => {
      const lines = servers.map(({ hosts, bind, mode, protocol, port }, i) => {
        const ends =
          mode && protocol !== 'HTTP' && protocol !== 'TCP'
            ? `, tls: {mode: ${mode}${mode === 'SIMPLE' ? ', credentialName: c' : ''}}`
            : '';
        return `  - {port: {number: ${port}, name: s${i}, protocol: ${protocol}}, bind: "${bind}", hosts: [${quoted(hosts)}]${ends}}`;
      });
      return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {app: client}
  servers:
${lines.join('\n')}
`;
    });
  return fc
    .tuple(gateway, fc.array(fc.oneof(rule, entries), { minLength: 1, maxLength: 8 }))
    .map(([edge, others]) => [edge, ...others.map((yaml, i) => yaml.replace('NAME', `n${i}`))]);
})();

test('no mesh gives a proxy of any family two chains or listeners for the same connections', () => {
  let overlapping = 0;
  fc.assert(
    fc.property(meeting, yaml => {
      const world = new World(yaml.join('---\n'));
      for (const ips of ['10.1.0.9', 'fd00::9', '10.1.0.9,fd00::9']) {
        for (const type of ['sidecar', 'router']) {
          const { scope, workload, traits } = world.identify(`${type}~${ips.split(',')[0]}~client.shop`, {
            ...CLIENT,
            INSTANCE_IPS: ips,
          });
          const { resources, problems } = joined(listeners(scope, workload, traits, world.mesh.endpoints));
          assert.deepEqual(listenerFindings(resources.map(({ message }) => message)), [], `${type} ${ips}`);
          if (problems.some(({ message }) => message.endsWith('they go there'))) overlapping++;
        }
      }
    }),
    { numRuns: 150 },
  );
  assert.ok(overlapping > 100, `only ${overlapping} proxies had anything to tell apart`);
});

const pods = (port: string) =>
  ['one', 'two'].map(
    name => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {clusterIP: ${name === 'one' ? '10.96.0.1' : '10.96.0.2'}, selector: {app: client}, ports: [{port: 8080, name: ${name === 'one' ? 'http' : port}}]}
`,
  );

test('Services that say different things of one port of their pods are told so', () => {
  assert.deepEqual(made(pods('tcp')).problems, [
    'warning Service/shop/two : Service/shop/one says that port 8080 of their pods speaks HTTP, and this that it speaks TCP; sidecars take it for HTTP',
  ]);
  assert.deepEqual(made(pods('http-too')).problems, []);
});

test('each address of a headless Service has its listener, ready or not where it publishes those that are not', () => {
  const headless = (publish: boolean) => `
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, publishNotReadyAddresses: ${publish}, selector: {app: db}, ports: [{port: 5432, name: tcp}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: tcp, port: 5432, protocol: TCP}]
endpoints:
- {addresses: [10.1.0.1], conditions: {ready: true, serving: true, terminating: false}}
- {addresses: [10.1.0.2], conditions: {ready: false, serving: false, terminating: false}}
- {addresses: [10.1.0.3], conditions: {ready: false, serving: true, terminating: true}}
`;
  const at = (publish: boolean) => made([headless(publish)]).names.filter(name => name?.endsWith('_5432'));
  assert.deepEqual(at(true), ['10.1.0.1_5432', '10.1.0.2_5432', '10.1.0.3_5432']);
  assert.deepEqual(at(false), ['10.1.0.1_5432', '10.1.0.2_5432', '10.1.0.3_5432']);
});
