import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed } from '../../../src/proto/any.ts';
import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { CertificateValidationContext } from '../../../src/proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import { struct } from '../../../src/proto/wellknown.ts';
import type { Call } from '../call.ts';
import { subjectAltNamesOf } from './upstream-tls.ts';

const messages = { listeners: [], clusters: [], endpoints: [], routes: [] };
const call: Call = { direction: 'outbound', address: '10.0.0.7', port: 80, host: 'asked.example:80' };

const tls = (validation_context: CertificateValidationContext = {}) => ({
  name: 'tls',
  typed_config: typed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
    common_tls_context: { validation_context },
  }),
});
const raw = {
  name: 'raw',
  typed_config: typed('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', {}),
};
const named = tls({
  match_typed_subject_alt_names: [
    { matcher: { exact: 'a.example' } },
    { matcher: { prefix: 'spiffe://a/' } },
    { matcher: { suffix: '.example' } },
  ],
});
const expected = ['a.example', 'spiffe://a/*', '*.example'];

const endpoint = {
  endpoint: { address: { socket_address: { address: '10.1.0.1', port_value: 80 } } },
  metadata: { filter_metadata: { 'envoy.transport_socket_match': struct({ tlsMode: 'istio' }) } },
};
const load_assignment = { endpoints: [{ lb_endpoints: [endpoint] }] };
const HTTP = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const typed_extension_protocol_options = {
  [HTTP]: typed(HTTP, { upstream_http_protocol_options: { auto_sni: true, auto_san_validation: true } }),
};

const cases: readonly [string, Cluster, readonly string[]][] = [
  ["of the cluster's socket", { load_assignment, transport_socket: named }, expected],
  [
    "of the endpoint's socket",
    {
      load_assignment,
      transport_socket_matches: [{ match: struct({ tlsMode: 'istio' }), transport_socket: named }, { match: {} }],
    },
    expected,
  ],
  [
    'not of a socket for other endpoints',
    {
      load_assignment,
      transport_socket_matches: [{ match: struct({ tlsMode: 'other' }), transport_socket: named }, { match: {} }],
    },
    [],
  ],
  ['of where the client goes', { type: 4, transport_socket: named }, expected],
  ['of the request', { load_assignment, transport_socket: tls(), typed_extension_protocol_options }, ['asked.example']],
  ['none without TLS', { load_assignment, transport_socket: raw }, []],
];

for (const [what, cluster, names] of cases)
  test(`names that an endpoint may have: ${what}`, () =>
    assert.deepEqual(subjectAltNamesOf(messages, cluster, call), names));
