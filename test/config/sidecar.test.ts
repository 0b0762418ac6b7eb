import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsed, table } from './parsed.ts';

table('Sidecar', [
  [
    'a whole one',
    '{egress: [{port: {number: 80, protocol: HTTP}, hosts: ["./a.com"]}, {hosts: ["*/*", "ns/*", "./b.com", "~other/*"]}]}',
    [],
  ],
  ['nothing', '{}', ['spec']],
  [
    'hosts',
    '{egress: [{hosts: [a.com, "*/*", "a_b/c.com", "./short"]}]}',
    ['spec.egress[0].hosts[0]', 'spec.egress[0].hosts[2]', 'spec.egress[0].hosts[3]'],
    'valid',
  ],
  ['no hosts', '{egress: [{hosts: []}]}', ['spec.egress', 'spec.egress[0].hosts']],
  [
    'the catch-all is not the last',
    '{egress: [{hosts: ["*/*"]}, {port: {number: 80, protocol: HTTP}, hosts: ["*/*"]}]}',
    ['spec.egress'],
  ],
  [
    'two listeners of a port',
    '{egress: [{port: {number: 80, protocol: HTTP}, hosts: ["*/*"]}, {port: {number: 80, protocol: HTTP}, hosts: ["*/*"]}]}',
    ['spec.egress[1].port.number'],
    'valid',
  ],
  [
    'ingress',
    '{ingress: [{port: {number: 80, protocol: HTTP}, defaultEndpoint: "8.8.8.8:80"}, {defaultEndpoint: ":1"}, {port: {number: 81, protocol: HTTP, name: ok}, defaultEndpoint: "[::1]:80"}]}',
    ['spec.ingress[0].defaultEndpoint', 'spec.ingress[1].port'],
    'valid',
  ],
  [
    'ingress TLS',
    '{ingress: [{port: {number: 80, protocol: HTTPS}, tls: {mode: ISTIO_MUTUAL}}]}',
    ['spec.ingress[0].tls.mode'],
    'valid',
  ],
  [
    'egress proxy',
    '{outboundTrafficPolicy: {mode: REGISTRY_ONLY, egressProxy: {host: a.com}}}',
    ['spec.outboundTrafficPolicy.egressProxy', 'spec.outboundTrafficPolicy.egressProxy.port'],
  ],
  ['outbound mode', '{outboundTrafficPolicy: {mode: SOME}}', ['spec.outboundTrafficPolicy.mode']],
]);

test('TLS of a Sidecar’s ingress is a warning: it is taken, and does nothing', () => {
  const { ok, problems } = parsed(
    'Sidecar',
    '{ingress: [{port: {number: 443, protocol: HTTPS}, defaultEndpoint: "127.0.0.1:80", tls: {mode: SIMPLE, serverCertificate: /a, privateKey: /b}}]}',
  );
  assert.ok(ok);
  assert.deepEqual(
    problems.map(({ path, severity }) => [path, severity]),
    [['spec.ingress[0].tls', 'warning']],
  );
});
