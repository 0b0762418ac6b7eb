import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawObject } from '../../src/config/raw.ts';
import { networking, service } from '../model/support.ts';
import { proxies, worldWith } from '../property/base-mesh.ts';
import { eachObject } from '../support/json.ts';
import { hasAgent } from '../support/proxies.ts';
import { messagesOf } from '../support/translation.ts';
import { findings } from '../support/validators.ts';

const alias = (name: string, externalName: string, ports: readonly object[] = []) =>
  service(name, { type: 'ExternalName', externalName, clusterIP: '', ports });
const http = (...numbers: number[]) => numbers.map(port => ({ name: `http-${port}`, port }));

const real = 'real.default.svc.cluster.local';
/** `front` is called on 80 and 8081; `nick` stands for `real` and declares 80 only, `bare` no port, `chain` is an alias of an alias. */
const mesh: readonly RawObject[] = [
  service('real', { clusterIP: '10.0.0.7', ports: http(80, 8081) }),
  service('front', {
    clusterIP: '10.0.0.8',
    ports: [...http(80, 8081), { name: 'tcp', port: 9000 }, { name: 'tls', port: 9443 }],
  }),
  service('single', { clusterIP: '10.0.0.9', ports: http(7070) }),
  alias('nick', 'Real.default.svc.cluster.local', http(80)),
  alias('bare', `${real}.`),
  alias('chain', 'bare.default.svc.cluster.local', http(80)),
  alias('only', 'single.default.svc.cluster.local', http(80)),
  networking('DestinationRule', 'real', {
    host: 'real',
    trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: 'x-user' } } },
    subsets: [{ name: 'v1', labels: { version: 'v1' } }],
  }),
];

/** The clusters that a VirtualService of these routes leads to, by the name of the listener or route configuration. */
function clusters(
  spec: Readonly<Record<string, unknown>>,
  more: readonly RawObject[] = [],
  proxy = 'client with agent',
) {
  const world = worldWith([...mesh, networking('VirtualService', 'it', spec), ...more]);
  const found: [string, string][] = [];
  for (const [name, each] of Object.entries(proxies)) {
    const { translation } = world.of(each);
    assert.deepEqual(findings(messagesOf(translation), { problems: world.problems, agent: hasAgent(each) }), [], name);
    if (name !== proxy) continue;
    for (const { name: list, message } of [...translation.listeners, ...translation.routes])
      eachObject(message, object => {
        const config = object['metadata'] === undefined ? undefined : JSON.stringify(object['metadata']);
        if (!config?.includes('/virtual-service/it')) return;
        eachObject(object, inner => {
          if (typeof inner['cluster'] === 'string') found.push([list, inner['cluster']]);
        });
      });
  }
  return found;
}

const route = (host: string, more: object = {}) => [{ route: [{ destination: { host, ...more } }] }];
const on = (name: string, ...expected: readonly string[]) => expected.map(cluster => [name, cluster]);

const cases: readonly [string, readonly object[], readonly (readonly string[])[]][] = [
  [
    'an alias, its port',
    route('nick', { port: { number: 80 } }),
    [...on('80', `outbound|80||${real}`), ...on('8081', `outbound|80||${real}`)],
  ],
  ['an alias, no port', route('nick'), [...on('80', `outbound|80||${real}`), ...on('8081', `outbound|8081||${real}`)]],
  [
    'an alias without ports',
    route('bare'),
    [...on('80', `outbound|80||${real}`), ...on('8081', `outbound|8081||${real}`)],
  ],
  [
    'an alias without ports, a port',
    route('bare', { port: { number: 80 } }),
    [...on('80', `outbound|80||${real}`), ...on('8081', `outbound|80||${real}`)],
  ],
  [
    'an alias of an alias',
    route('CHAIN'),
    [...on('80', `outbound|80||${real}`), ...on('8081', `outbound|8081||${real}`)],
  ],
  [
    'a subset of what an alias stands for',
    route('nick', { subset: 'v1' }),
    [...on('80', `outbound|80|v1|${real}`), ...on('8081', `outbound|8081|v1|${real}`)],
  ],
  [
    'the only port of what an alias stands for',
    route('only'),
    [
      ...on('80', 'outbound|7070||single.default.svc.cluster.local'),
      ...on('8081', 'outbound|7070||single.default.svc.cluster.local'),
    ],
  ],
  [
    'mirrors',
    [{ ...route('real')[0], mirrors: [{ destination: { host: 'bare' } }] }],
    [
      ...on('80', `outbound|80||${real}`, `outbound|80||${real}`),
      ...on('8081', `outbound|8081||${real}`, `outbound|8081||${real}`),
    ],
  ],
];
for (const [what, routes, expected] of cases) {
  test(`a destination: ${what}`, () => {
    assert.deepEqual(
      clusters({ hosts: ['front'], http: routes })
        .filter(([list]) => list === '80' || list === '8081')
        .sort(),
      expected.toSorted(),
    );
  });
}

test('a destination of a gateway is an alias', () => {
  const spec = { hosts: ['shop.example.com'], gateways: ['edge'], http: route('bare') };
  assert.deepEqual(clusters(spec, [], 'gateway'), on('http.8080', `outbound|80||${real}`));
});

test('a destination of TCP and TLS routes is an alias', () => {
  const spec = {
    hosts: ['front.default.svc.cluster.local'],
    tcp: [{ match: [{ port: 9000 }], ...route('bare', { port: { number: 80 } })[0] }],
    tls: [
      {
        match: [{ port: 9443, sniHosts: ['front.default.svc.cluster.local'] }],
        ...route('chain', { port: { number: 8081 } })[0],
      },
    ],
  };
  const world = worldWith([...mesh, networking('VirtualService', 'it', spec)]);
  const proxy = proxies['client with agent'];
  assert.ok(proxy);
  const { translation } = world.of(proxy);
  assert.deepEqual(findings(messagesOf(translation), { problems: world.problems, agent: hasAgent(proxy) }), []);
  const named = (name: string) =>
    JSON.stringify(
      messagesOf(translation)
        .listeners.find(l => l.name === name)
        ?.filter_chains?.map(c => c.filters?.map(f => f.typed_config?.value?.toString())),
    );
  assert.match(named('10.0.0.8_9000'), /outbound\|80\|\|real\.default/);
  assert.match(named('10.0.0.8_9443'), /outbound\|8081\|\|real\.default/);
});

test('the hash that the rule of an alias’s Service asks for is the route’s', () => {
  const world = worldWith([...mesh, networking('VirtualService', 'it', { hosts: ['front'], http: route('nick') })]);
  const proxy = proxies['client with agent'];
  assert.ok(proxy);
  const routes = world.of(proxy).translation.routes.find(({ name }) => name === '8081');
  const front = routes?.message.virtual_hosts?.find(({ name }) => name?.startsWith('front.'));
  assert.deepEqual(
    front?.routes?.[0]?.route?.hash_policy?.map(({ header }) => header?.header_name),
    ['x-user'],
  );
});

test('aliases that lead nowhere are told', () => {
  const more = [
    alias('a', 'b.default.svc.cluster.local'),
    alias('b', 'a.default.svc.cluster.local'),
    alias('self', 'self.default.svc.cluster.local'),
    alias('out', 'out.example.com'),
  ];
  for (const host of ['a', 'self', 'out']) clusters({ hosts: ['front'], http: route(host) }, more);
});

test('a Sidecar that imports an alias imports what it stands for, by that name', () => {
  const sidecar = (...hosts: string[]) => networking('Sidecar', 'default', { egress: [{ hosts }] });
  const domains = (...hosts: string[]) => {
    const world = worldWith([...mesh, sidecar(...hosts)]);
    const proxy = proxies['client with agent'];
    assert.ok(proxy);
    const { translation } = world.of(proxy);
    assert.deepEqual(findings(messagesOf(translation), { problems: world.problems, agent: hasAgent(proxy) }), []);
    return translation.routes
      .find(({ name }) => name === '80')
      ?.message.virtual_hosts?.find(({ name }) => name?.startsWith('real.'))?.domains;
  };
  assert.ok(domains('./nick.default.svc.cluster.local')?.includes('nick'));
  assert.ok(!domains('./nick.default.svc.cluster.local')?.includes('bare'));
  assert.ok(!domains(`./${real}`)?.includes('nick'));
  assert.equal(domains('./front.default.svc.cluster.local'), undefined);
  const routed = [sidecar('./front.default.svc.cluster.local')];
  assert.deepEqual(
    clusters({ hosts: ['front'], http: route('bare') }, routed).filter(([list]) => list === '8081'),
    on('8081', `outbound|8081||${real}`),
  );
});
