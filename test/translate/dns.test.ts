import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ObjectKey } from '../../src/object-key.ts';
import { unpackAs } from '../../src/proto/any.ts';
import { dnsListeners } from '../../src/translate/listeners/outbound/dns.ts';
import { type Translation, translate } from '../../src/translate/translate.ts';
import { World } from '../model/support.ts';

const CAPTURED = { NAMESPACE: 'shop', DNS_CAPTURE: 'true' };

const translated = (world: World, metadata: object = CAPTURED, ips = '10.1.0.1'): Translation =>
  translate(world.identify('sidecar~10.1.0.1~a.shop', { INSTANCE_IPS: ips, ...metadata }), world.mesh);

const entry = (name: string, hosts: readonly string[], addresses = '[]', protocol = 'TCP') => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop}
spec: {hosts: [${hosts}], addresses: ${addresses}, resolution: NONE, ports: [{number: 80, name: any, protocol: ${protocol}}]}
`;

const headless = (...addresses: readonly string[]) => `
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, ports: [{name: udp, port: 53, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: udp, port: 53, protocol: UDP}]
endpoints: [${addresses.map(address => `{addresses: [${address}], conditions: {ready: true}}`)}]
`;

type Listeners = Pick<Translation, 'listeners'>;
const named = (translation: Listeners, name: string) => translation.listeners.find(l => l.name === name);
const domainsOf = (translation: Listeners) => {
  const config = named(translation, 'dns')?.message.listener_filters?.[0]?.typed_config;
  assert.ok(config);
  const filter = unpackAs('envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig', config);
  const domains = filter.server_config?.inline_dns_table?.virtual_domains ?? [];
  return new Map(domains.map(({ name = '', endpoint }) => [name, endpoint?.address_list?.address ?? []]));
};

/** Names of listeners that are another value than before. */
const changed = (before: Translation, after: Translation): readonly (string | undefined)[] =>
  after.listeners.filter(listener => !before.listeners.includes(listener)).map(({ name }) => name);

describe('the DNS of sidecars without an agent', () => {
  test('is for who captures it, has no agent, and is no gateway', () => {
    const world = new World(entry('a', ['a.example']));
    const of = (metadata: object) => translated(world, metadata).listeners.map(({ name }) => name);
    assert.ok(of(CAPTURED).includes('dns') && of(CAPTURED).includes('dns_tcp'));
    for (const metadata of [{}, { DNS_CAPTURE: 'false' }, { ...CAPTURED, ISTIO_VERSION: '1.31.0' }])
      assert.ok(!of({ NAMESPACE: 'shop', ...metadata }).some(name => name.startsWith('dns')), JSON.stringify(metadata));
    const gateway = world.identify('router~10.1.0.1~a.shop', CAPTURED);
    assert.ok(!translate(gateway, world.mesh).listeners.some(({ name }) => name.startsWith('dns')));
  });

  test('listens on the loopback address of each family, or where DNS_PROXY_ADDR says', () => {
    const world = new World(entry('a', ['a.example']));
    const binds = (ips: string, metadata = {}) => {
      const message = named(translated(world, { ...CAPTURED, ...metadata }, ips), 'dns')?.message;
      return [message?.address, ...(message?.additional_addresses ?? []).map(more => more.address)].map(
        address => `${address?.socket_address?.address} ${address?.socket_address?.port_value}`,
      );
    };
    assert.deepEqual(binds('10.1.0.1'), ['127.0.0.1 15053']);
    assert.deepEqual(binds('fd00::1'), ['::1 15053']);
    assert.deepEqual(binds('10.1.0.1,fd00::1'), ['127.0.0.1 15053', '::1 15053']);
    assert.deepEqual(binds('10.1.0.1', { DNS_PROXY_ADDR: 'localhost:5353' }), ['127.0.0.1 5353']);
    assert.deepEqual(binds('10.1.0.1', { DNS_PROXY_ADDR: '[::1]:53' }), ['::1 53']);
  });

  test('is another listener when a name or an address is another, and nothing else is', () => {
    const world = new World([entry('a', ['a.example'], '[192.0.2.1]', 'HTTP'), headless('10.1.0.7')].join('---'));
    const first = translated(world);
    assert.deepEqual(domainsOf(first).get('db.shop.svc.cluster.local'), ['10.1.0.7']);
    world.apply(headless('10.1.0.7', '10.1.0.8'));
    const second = translated(world);
    assert.deepEqual(domainsOf(second).get('db.shop.svc.cluster.local'), ['10.1.0.7', '10.1.0.8']);
    assert.deepEqual(changed(first, second), ['dns']);
    world.apply(entry('b', ['b.example'], '[192.0.2.2]', 'HTTP'));
    const third = translated(world);
    assert.deepEqual(domainsOf(third).get('b.example'), ['192.0.2.2']);
    assert.ok(!changed(second, third).includes('dns_tcp') && !changed(second, third).includes('virtualOutbound'));
    world.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: shop}
spec: {hosts: [a.example], http: [{route: [{destination: {host: b.example}}]}]}`);
    assert.ok(!changed(third, translated(world)).includes('dns'));
  });

  test('is shared by proxies of other namespaces, places and workloads', () => {
    const world = new World(entry('a', ['a.example'], '[192.0.2.1]'));
    const one = named(translated(world), 'dns');
    const id = 'sidecar~10.1.0.2~b.other';
    const other = world.identify(id, { NAMESPACE: 'other', DNS_CAPTURE: 'true', NETWORK: 'n', LABELS: { app: 'b' } });
    assert.equal(named(translate(other, world.mesh), 'dns'), one);
  });

  test('has no more names and addresses than it can hold, and hosts of ServiceEntries first', () => {
    const addresses = Array.from({ length: 300 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
    const table = new Map([['db.shop.svc.cluster.local', { ips: addresses, registry: 'Kubernetes' }]]);
    for (let i = 0; i <= 20_000; i++) table.set(`h${i}.example`, { ips: ['192.0.2.1'], registry: 'External' });
    const name = { name: 'nameTable', sources: ['Service/shop/db', 'ServiceEntry/shop/h'] as ObjectKey[], faults: [] };
    const made = (rows: number) => {
      const message = { table: Object.fromEntries([...table].slice(0, rows)) };
      const { resources, problems } = dnsListeners({ ipv4: true, ipv6: false, resolver: '' }, { ...name, message });
      return { domains: domainsOf({ listeners: resources }), problems };
    };
    const fits = made(20_000);
    assert.equal(fits.domains.get('db.shop.svc.cluster.local')?.length, 256);
    assert.deepEqual(fits.problems, []);
    const { domains, problems } = made(20_002);
    assert.equal(domains.size, 20_000);
    assert.ok(domains.has('h0.example') && !domains.has('db.shop.svc.cluster.local'));
    assert.equal(problems[0]?.object, 'ServiceEntry/shop/h');
    assert.match(problems[0]?.message ?? '', /^1 hosts of ServiceEntries, from h20000\.example on, are not answered/);
  });
});
