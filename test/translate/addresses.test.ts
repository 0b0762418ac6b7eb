import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hostname } from '../../src/model/services/service.ts';
import { addressesFor } from '../../src/translate/routes/domains.ts';
import { World } from '../model/support.ts';

const entry = (name: string, addresses: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop}
spec: {hosts: [${name}.example.com], addresses: ${addresses}, resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
`;

test('addresses that nobody gave are for agents that answer DNS, of one family of the proxy’s own; given ones are for all', () => {
  const world = new World([entry('none', '[]'), entry('given', '[192.0.2.1, "2001:db8::1"]')].join('---'));
  const families = (host: string, ips: string, metadata: Readonly<Record<string, unknown>>): string => {
    const { scope, traits } = world.identify('sidecar~10.1.0.1~a.shop', {
      NAMESPACE: 'shop',
      INSTANCE_IPS: ips,
      ...metadata,
    });
    const service = scope.serviceByHost.get(host as Hostname);
    assert.ok(service);
    return addressesFor(service, traits)
      .map(address => (address.includes(':') ? '6' : '4'))
      .join('');
  };
  const v4 = '10.1.0.1';
  const both = '10.1.0.1,2001:db8::9';
  for (const [host, ips, metadata, expected] of [
    ['none.example.com', v4, {}, ''],
    ['none.example.com', v4, { DNS_AUTO_ALLOCATE: 'true' }, ''],
    ['none.example.com', v4, { DNS_CAPTURE: 'true' }, '4'],
    ['none.example.com', both, { DNS_CAPTURE: 'true', DNS_AUTO_ALLOCATE: 'true' }, '4'],
    ['given.example.com', v4, {}, '46'],
    ['given.example.com', both, { DNS_CAPTURE: 'true' }, '46'],
  ] as const) {
    assert.equal(families(host, ips, metadata), expected, `${host} ${ips} ${JSON.stringify(metadata)}`);
  }
});
