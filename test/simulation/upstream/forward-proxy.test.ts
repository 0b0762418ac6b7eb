import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed } from '../../../src/proto/any.ts';
import { requestOf } from '../route/route.ts';
import { hostOfConnection, hostOfRequest } from './forward-proxy.ts';

const call = { direction: 'outbound', address: '10.0.0.7', port: 443 } as const;
const bySni = {
  name: 'sni',
  typed_config: typed('envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig', {
    port_value: 8443,
  }),
};

test('a connection is resolved by its server name', () => {
  assert.equal(hostOfConnection([bySni], { ...call, tls: { sni: 'a.example' } }), 'a.example:8443');
  assert.equal(hostOfConnection([bySni], call), undefined);
  assert.equal(hostOfConnection([], { ...call, tls: { sni: 'a.example' } }), undefined);
});

test('a request is resolved by its host', () => {
  assert.equal(hostOfRequest(requestOf({ ...call, host: 'a.example' })), 'a.example:80');
  assert.equal(hostOfRequest(requestOf({ ...call, host: 'a.example:81' })), 'a.example:81');
});
