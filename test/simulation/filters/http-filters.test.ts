import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed } from '../../../src/proto/any.ts';
import type { JwtAuthentication } from '../../../src/proto/generated/envoy/extensions/filters/http/jwt_authn/v3.ts';
import type { RBAC } from '../../../src/proto/generated/envoy/extensions/filters/http/rbac/v3.ts';
import type { HttpFilter } from '../../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { Messages } from '../../support/translation.ts';
import type { Call, Outcome } from '../call.ts';
import { simulate } from '../simulate.ts';
import { within } from '../within.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

/** A listener whose HTTP passes some filters. `edge`: it does not believe what clients forward. */
const behind = (filters: readonly HttpFilter[], edge = false): Messages => ({
  listeners: [
    {
      name: 'any',
      address: { socket_address: { address: '0.0.0.0', port_value: 80 } },
      filter_chains: [
        {
          filters: [
            {
              name: 'http',
              typed_config: typed(HCM, {
                http_filters: filters,
                use_remote_address: { value: edge },
                route_config: {
                  virtual_hosts: [
                    { domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
                  ],
                },
              }),
            },
          ],
        },
      ],
    },
  ],
  clusters: [],
  endpoints: [],
  routes: [],
});

const rbac = (config: RBAC): HttpFilter => ({
  name: 'rbac',
  typed_config: typed('envoy.extensions.filters.http.rbac.v3.RBAC', config),
});
const jwt = (config: JwtAuthentication): HttpFilter => ({
  name: 'jwt',
  typed_config: typed('envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication', config),
});

const any = { permissions: [{ any: true }], principals: [{ any: true }] };
const from = (address_prefix: string) => ({
  permissions: [{ any: true }],
  principals: [{ remote_ip: { address_prefix, prefix_len: { value: 32 } } }],
});

const deniesForwarded = [rbac({ rules: { action: 1, policies: { a: from('5.6.7.8') } } })];
const tries = [
  rbac({
    shadow_rules: { action: 0, policies: { a: from('1.1.1.1') } },
    shadow_rules_stat_prefix: 'istio_dry_run_allow_',
  }),
];
const demands = [
  jwt({
    providers: { a: { issuer: 'a', audiences: ['x', 'y'] }, b: { issuer: 'b', forward: true } },
    rules: [
      { match: { prefix: '/open' } },
      {
        match: { prefix: '/' },
        requires: { requires_any: { requirements: [{ provider_name: 'a' }, { provider_name: 'b' }] } },
      },
    ],
  }),
  rbac({
    rules: {
      policies: {
        a: {
          permissions: [{ any: true }],
          principals: [
            {
              metadata: {
                filter: 'envoy.filters.http.jwt_authn',
                path: [{ key: 'payload' }, { key: 'nested' }, { key: 'level' }],
                value: { string_match: { exact: '2' } },
              },
            },
          ],
        },
      },
    },
  }),
];

const call = (over: Partial<Call>): Call => ({ direction: 'gateway', address: '10.0.0.7', port: 80, ...over });
const bearer = (claims: unknown) => ({ authorization: `Bearer ${JSON.stringify(claims)}` });

const cases: readonly [string, Messages, Call, Outcome][] = [
  [
    'a forwarded address within the mesh',
    behind(deniesForwarded),
    call({ source: '10.1.1.1', forwarded: '5.6.7.8' }),
    { response: { status: 403, body: 'RBAC: access denied' } },
  ],
  [
    'a forwarded address at the edge',
    behind(deniesForwarded, true),
    call({ source: '10.1.1.1', forwarded: '5.6.7.8' }),
    { response: { status: 200 } },
  ],
  [
    'the address of the client itself',
    behind(deniesForwarded, true),
    call({ source: '5.6.7.8' }),
    { response: { status: 403 } },
  ],
  ['a rule tried out that allows', behind(tries), call({ source: '1.1.1.1' }), { dryRun: { allow: 'allowed' } }],
  [
    'a rule tried out that would not',
    behind(tries),
    call({ source: '1.1.1.2' }),
    { dryRun: { allow: 'denied' }, response: { status: 200 } },
  ],
  ['rules that only log', behind([rbac({ rules: { action: 2, policies: { any } } })]), call({}), { audited: true }],
  ['no token where one is needed', behind(demands), call({}), { response: { status: 401, body: 'Jwt is missing' } }],
  [
    'a token of an unknown issuer',
    behind(demands),
    call({ headers: bearer({ iss: 'c' }) }),
    { response: { status: 401, body: 'Jwt issuer is not configured' } },
  ],
  [
    'a token for nobody here',
    behind(demands),
    call({ headers: bearer({ iss: 'a', aud: ['z'] }) }),
    { response: { status: 403, body: 'Audiences in Jwt are not allowed' } },
  ],
  [
    'a token that policies read',
    behind(demands),
    call({ headers: bearer({ iss: 'a', aud: ['z', 'y'], nested: { level: 2 } }) }),
    { response: { status: 200 }, requestHeaders: { set: {}, removed: ['authorization'] } },
  ],
  [
    'a token that they do not want, as a parameter',
    behind(demands),
    call({ path: `/?access_token=${JSON.stringify({ iss: 'b', nested: { level: 1 } })}` }),
    { response: { status: 403, body: 'RBAC: access denied' } },
  ],
  [
    'a path without a requirement',
    behind(demands.slice(0, 1)),
    call({ path: '/open', headers: bearer({ iss: 'c' }) }),
    { response: { status: 200 } },
  ],
];

for (const [what, messages, given, expected] of cases)
  test(`HTTP filters: ${what}`, () => {
    assert.deepEqual(within(simulate(messages, given), expected), expected);
  });
