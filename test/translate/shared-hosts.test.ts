import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawObject } from '../../src/config/raw.ts';
import { Cluster_DiscoveryType as Type } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import { networking, service } from '../model/support.ts';
import { proxies, worldWith } from '../property/base-mesh.ts';
import { hasAgent } from '../support/proxies.ts';
import { messagesOf } from '../support/translation.ts';
import { findings } from '../support/validators.ts';

const port = (number: number, protocol: string, name = `${protocol.toLowerCase()}-${number}`) => ({
  number,
  protocol,
  name,
});
const entry = (
  created: number,
  resolution: string,
  ports: readonly object[],
  more: Readonly<Record<string, unknown>> = {},
  name = `entry-${created}`,
) => networking('ServiceEntry', name, { hosts: ['hub.example'], resolution, ports, ...more }, { created });
const static1 = { endpoints: [{ address: '10.9.0.1' }] };
const static2 = { endpoints: [{ address: '10.9.0.2' }] };

/** What every proxy of the base mesh is sent for one host: the clusters with their types and endpoints. Nothing may lead to a cluster that is not sent. */
function sent(objects: readonly RawObject[], host = 'hub.example', proxy = proxies['client with agent']) {
  const world = worldWith(objects);
  for (const [name, each] of Object.entries(proxies)) {
    const { translation } = world.of(each);
    assert.deepEqual(findings(messagesOf(translation), { problems: world.problems, agent: hasAgent(each) }), [], name);
  }
  assert.ok(proxy);
  const { translation } = world.of(proxy);
  const assignments = new Map(translation.endpoints.map(({ name, message }) => [name, message]));
  const clusters = translation.clusters
    .filter(({ name }) => name.endsWith(`||${host}`))
    .map(({ name, message }) => {
      const type = Object.entries(Type).find(([, value]) => value === (message.type ?? Type.STATIC))?.[0];
      const { endpoints = [] } = message.load_assignment ?? assignments.get(name) ?? {};
      const addresses = endpoints
        .flatMap(locality => locality.lb_endpoints ?? [])
        .map(({ endpoint }) => endpoint?.address?.socket_address);
      return [name.split('|')[1], type, ...addresses.map(address => `${address?.address}:${address?.port_value}`)].join(
        ' ',
      );
    });
  return {
    clusters: clusters.sort(),
    problems: world.problems.map(p => `${p.object} ${p.path}: ${p.message}`),
    listeners: translation.listeners,
  };
}

const at = (n: number) => `ServiceEntry/default/entry-${n}`;
const cases: readonly [
  what: string,
  objects: readonly RawObject[],
  clusters: readonly string[],
  problems: readonly RegExp[],
][] = [
  [
    'other ports, resolved in other ways',
    [entry(1, 'NONE', [port(9093, 'HTTPS')], { addresses: ['192.168.7.100'] }), entry(2, 'DNS', [port(443, 'HTTPS')])],
    ['443 STRICT_DNS hub.example:443', '9093 ORIGINAL_DST'],
    [],
  ],
  [
    'an older NONE beside a younger DNS',
    [entry(1, 'NONE', [port(443, 'TLS')]), entry(2, 'DNS', [port(443, 'TLS'), port(80, 'HTTP')])],
    ['443 ORIGINAL_DST', '80 STRICT_DNS hub.example:80'],
    [
      /entry-2 spec\.ports\[0\]: ServiceEntry\/default\/entry-1 has port 443 of hub\.example already, as resolution NONE, not with resolution DNS/,
    ],
  ],
  [
    'an older DNS beside a younger NONE',
    [entry(1, 'DNS', [port(443, 'TLS')]), entry(2, 'NONE', [port(443, 'TLS')])],
    ['443 STRICT_DNS hub.example:443'],
    [/entry-2 spec\.ports\[0\]: .* as resolution DNS, not with resolution NONE/],
  ],
  [
    'one port with another protocol, the endpoints of the younger left out',
    [entry(1, 'STATIC', [port(80, 'HTTP')], static1), entry(2, 'STATIC', [port(80, 'TCP')], static2)],
    ['80 EDS 10.9.0.1:80'],
    [/entry-2 spec\.ports\[0\]: .* with protocol HTTP, not TCP/],
  ],
  [
    'the same port in the same way: endpoints go together',
    [entry(1, 'STATIC', [port(80, 'HTTP')], static1), entry(2, 'STATIC', [port(80, 'HTTP', 'web')], static2)],
    ['80 EDS 10.9.0.1:80 10.9.0.2:80'],
    [],
  ],
  [
    'other ports with one name: each has the endpoints of its own entry',
    [entry(1, 'STATIC', [port(80, 'HTTP', 'web')], static1), entry(2, 'STATIC', [port(8080, 'HTTP', 'web')], static2)],
    ['80 EDS 10.9.0.1:80', '8080 EDS 10.9.0.2:8080'],
    [],
  ],
  [
    'endpoints that are listed and endpoints that are looked up do not mix',
    [
      entry(1, 'STATIC', [port(80, 'HTTP')], static1),
      entry(2, 'DNS', [port(80, 'HTTP')], { endpoints: [{ address: 'a.example' }] }),
    ],
    ['80 EDS 10.9.0.1:80'],
    [/as resolution STATIC, not with resolution DNS/],
  ],
  [
    'other locations, each port as its own entry says',
    [
      entry(1, 'DNS', [port(80, 'HTTP')], { location: 'MESH_EXTERNAL' }),
      entry(2, 'DNS', [port(81, 'HTTP')], { location: 'MESH_INTERNAL' }),
    ],
    ['80 STRICT_DNS hub.example:80', '81 STRICT_DNS hub.example:81'],
    [],
  ],
  [
    'one found by each of the lookups',
    [entry(1, 'DNS_ROUND_ROBIN', [port(80, 'HTTP')]), entry(2, 'DNS', [port(80, 'HTTP'), port(81, 'HTTP')])],
    ['80 LOGICAL_DNS hub.example:80', '81 STRICT_DNS hub.example:81'],
    [/entry-2 spec\.ports\[0\]: .* as resolution DNS_ROUND_ROBIN, not with resolution DNS/],
  ],
  [
    'other namespaces: the client’s own counts, whole',
    [
      entry(1, 'STATIC', [port(80, 'HTTP'), port(443, 'TLS')], static1, 'older.other'),
      entry(2, 'DNS', [port(80, 'TCP')]),
    ],
    ['80 STRICT_DNS hub.example:80'],
    [
      /entry-2 spec\.ports\[0\]: namespaces other than default see hub\.example as ServiceEntry\/other\/older has it: without this port/,
    ],
  ],
  [
    'other namespaces that say the same',
    [entry(1, 'DNS', [port(80, 'HTTP')], {}, 'older.other'), entry(2, 'DNS', [port(80, 'HTTP', 'web')])],
    ['80 STRICT_DNS hub.example:80'],
    [],
  ],
  [
    'other namespaces that keep theirs to themselves',
    [
      entry(1, 'DNS', [port(80, 'HTTP')], { exportTo: ['.'] }, 'older.other'),
      entry(2, 'DNS', [port(80, 'TCP')], { exportTo: ['.'] }),
    ],
    ['80 STRICT_DNS hub.example:80'],
    [],
  ],
];
for (const [what, objects, clusters, problems] of cases) {
  test(`a host of two ServiceEntries: ${what}`, () => {
    const made = sent(objects);
    assert.deepEqual(made.clusters, clusters);
    assert.equal(made.problems.length, problems.length, made.problems.join('\n'));
    for (const [i, problem] of problems.entries()) assert.match(made.problems[i] ?? '', problem);
  });
}

test('a Kubernetes Service keeps its ports, however old a ServiceEntry with its host is', () => {
  const host = 'hub.default.svc.cluster.local';
  const made = sent(
    [
      service('hub', { ports: [{ name: 'http', port: 80 }] }, { created: 5 }),
      entry(1, 'DNS', [port(80, 'HTTP'), port(8443, 'TLS')], { hosts: [host], endpoints: [{ address: 'a.example' }] }),
    ],
    host,
  );
  assert.deepEqual(made.clusters, ['80 EDS', '8443 STRICT_DNS a.example:8443']);
  assert.match(
    made.problems.join('\n'),
    new RegExp(`^${at(1)} spec\\.ports\\[0\\]: Service/default/hub has port 80 .* as a Kubernetes Service`),
  );
});

test('what a Sidecar imports of a shared host has its clusters, too', () => {
  const objects = [
    entry(1, 'NONE', [port(9093, 'TCP')], { addresses: ['192.168.7.100'] }),
    entry(2, 'DNS', [port(443, 'TLS')]),
    entry(3, 'STATIC', [port(80, 'HTTP')], static1, 'third.other'),
  ];
  for (const [hosts, clusters] of [
    [['./hub.example'], ['443 STRICT_DNS hub.example:443', '9093 ORIGINAL_DST']],
    [['other/*'], ['80 EDS 10.9.0.1:80']],
  ] as const) {
    const sidecar = networking('Sidecar', 'default', { egress: [{ hosts }] });
    assert.deepEqual(sent([...objects, sidecar]).clusters, clusters);
  }
  const both = networking('Sidecar', 'default', {
    egress: [
      { port: { number: 80, protocol: 'HTTP', name: 'http' }, hosts: ['other/hub.example'] },
      { hosts: ['./*'] },
    ],
  });
  assert.deepEqual(sent([...objects, both]).clusters, [
    '443 STRICT_DNS hub.example:443',
    '80 EDS 10.9.0.1:80',
    '9093 ORIGINAL_DST',
  ]);
});
