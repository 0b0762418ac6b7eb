import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ConfigStore } from '../../src/config/store.ts';
import { simulate } from './simulate.ts';
import { errorsOf, object, sentTo, storeOf } from './small-mesh.ts';

/** Where calls of an application go: the cluster, and the names that its server must have where it speaks TLS. */
function goesTo(store: ConfigStore, [address, host, port]: readonly [string, string, number]): string {
  const messages = sentTo(store, 'client with agent');
  const { choices, transport, subjectAltNames } = simulate(messages, { direction: 'outbound', address, host, port });
  const cluster = choices?.[0]?.cluster ?? BLACK_HOLE;
  if (cluster === BLACK_HOLE) return 'nowhere';
  return transport ? `${cluster} by TLS with ${subjectAltNames ?? 'any'}` : cluster;
}

const OUTSIDE = ['192.0.2.9', 'elsewhere.example.org', 80] as const;
const WEB = ['10.96.0.10', 'web', 80] as const;
const web = 'outbound|80||web.default.svc.cluster.local by TLS with spiffe://cluster.local/ns/default/sa/web';
const BLACK_HOLE = 'BlackHoleCluster';
const PASSTHROUGH = 'PassthroughCluster';

/** What is written, its errors, where a call goes where no valid version is known, and after an edit of a valid version. */
const outgoing: readonly (readonly [
  says: string,
  written: string,
  errors: readonly string[],
  call: readonly [string, string, number],
  first: string,
  valid: string,
  edited: string,
])[] = [
  [
    'a Sidecar that is REGISTRY_ONLY stays it, whatever else is wrong',
    'Sidecar it: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: [nonsense]}]}',
    ['spec.egress[0].hosts[0]', 'spec.egress[0].hosts', 'spec.egress', ''],
    OUTSIDE,
    'nowhere',
    'Sidecar it: {outboundTrafficPolicy: {mode: ALLOW_ANY}, egress: [{hosts: ["./*"]}]}',
    'nowhere',
  ],
  [
    'a mode that cannot be read is REGISTRY_ONLY, or what it was',
    'Sidecar it: {outboundTrafficPolicy: {mode: SOME}}',
    ['spec.outboundTrafficPolicy.mode', ''],
    OUTSIDE,
    'nowhere',
    'Sidecar it: {outboundTrafficPolicy: {mode: ALLOW_ANY}}',
    PASSTHROUGH,
  ],
  [
    'an egress proxy that cannot be read is not gone around',
    'Sidecar it: {outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: "a b"}}}',
    ['spec.outboundTrafficPolicy.egressProxy.host', 'spec.outboundTrafficPolicy.egressProxy.port', ''],
    OUTSIDE,
    'nowhere',
    'Sidecar it: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}',
    'nowhere',
  ],
  [
    'a field that is not known may be any that is not there',
    'Sidecar it: {outboundTraficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ["*/*"]}]}',
    ['spec.outboundTraficPolicy', ''],
    OUTSIDE,
    'nowhere',
    'Sidecar it: {egress: [{hosts: ["./*"]}]}',
    PASSTHROUGH,
  ],
  [
    'an egress of which nothing can be read shows nothing, or what it did',
    'Sidecar it: {egress: [{hosts: [nonsense]}]}',
    ['spec.egress[0].hosts[0]', 'spec.egress[0].hosts', 'spec.egress', ''],
    WEB,
    PASSTHROUGH,
    'Sidecar it: {egress: [{hosts: ["./*"]}]}',
    web,
  ],
  [
    'a listener in the wrong place shows its hosts',
    'Sidecar it: {egress: [{hosts: ["./*"]}, {port: {number: 81, protocol: HTTP}, hosts: ["other/*"]}]}',
    ['spec.egress', ''],
    WEB,
    web,
    'Sidecar it: {egress: [{hosts: ["other/*"]}]}',
    PASSTHROUGH,
  ],
  [
    'a Sidecar whose selector cannot be read is for all whom it may be for',
    'Sidecar it: {workloadSelector: {labels: {app: "c*"}}, egress: [{hosts: ["other/*"]}]}',
    ['spec.workloadSelector.labels.app', ''],
    WEB,
    PASSTHROUGH,
    'Sidecar it: {workloadSelector: {labels: {app: client}}, egress: [{hosts: ["./*"]}]}',
    web,
  ],
  [
    'the mesh is REGISTRY_ONLY where its mode cannot be read',
    'MeshConfig istio: {outboundTrafficPolicy: {mode: REGISTRY}}',
    ['outboundTrafficPolicy.mode', ''],
    OUTSIDE,
    'nowhere',
    'MeshConfig istio: {outboundTrafficPolicy: {mode: ALLOW_ANY}}',
    PASSTHROUGH,
  ],
  [
    'and where nothing of it can be read',
    'MeshConfig istio: text',
    ['spec', ''],
    OUTSIDE,
    'nowhere',
    'MeshConfig istio: {}',
    PASSTHROUGH,
  ],
  [
    'TLS that cannot be read is no plaintext',
    'DestinationRule outside: {host: outside.example.com, trafficPolicy: {tls: {mode: SIMPEL}}}',
    ['spec.trafficPolicy.tls.mode', ''],
    ['240.240.0.1', 'outside.example.com', 80],
    'outbound|80||outside.example.com by TLS with nobody.invalid',
    'DestinationRule outside: {host: outside.example.com, trafficPolicy: {tls: {mode: SIMPLE, sni: a}}}',
    'outbound|80||outside.example.com by TLS with any',
  ],
  [
    'TLS with a field that is not known may be one that checks more',
    'DestinationRule outside: {host: outside.example.com, trafficPolicy: {tls: {mode: SIMPLE, subjectAltName: [a]}}}',
    ['spec.trafficPolicy.tls.subjectAltName', ''],
    ['240.240.0.1', 'outside.example.com', 80],
    'outbound|80||outside.example.com by TLS with nobody.invalid',
    'DestinationRule outside: {host: outside.example.com, trafficPolicy: {tls: {mode: SIMPLE, subjectAltNames: [b]}}}',
    'outbound|80||outside.example.com by TLS with b',
  ],
  [
    'TLS of a port that cannot be read is no plaintext',
    'DestinationRule outside: {host: outside.example.com, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: text}]}}',
    ['spec.trafficPolicy.portLevelSettings[0].tls', ''],
    ['240.240.0.1', 'outside.example.com', 80],
    'outbound|80||outside.example.com by TLS with nobody.invalid',
    'DestinationRule outside: {host: outside.example.com}',
    'outbound|80||outside.example.com',
  ],
  [
    'TLS is not lost where it cannot be read to whom a rule is exported',
    'DestinationRule outside: {host: outside.example.com, exportTo: ["a b"], trafficPolicy: {tls: {mode: SIMPLE, subjectAltNames: [b]}}}',
    ['spec.exportTo[0]', ''],
    ['240.240.0.1', 'outside.example.com', 80],
    'outbound|80||outside.example.com by TLS with b',
    'DestinationRule outside: {host: outside.example.com}',
    'outbound|80||outside.example.com',
  ],
];

describe('what cannot be read lets nothing out', () => {
  for (const [says, written, errors, call, first, valid, edited] of outgoing)
    test(says, () => {
      const it = object(written);
      const store = storeOf([written]);
      assert.deepEqual(errorsOf(store, it), errors);
      assert.equal(goesTo(store, call), first, 'at first');
      const after = storeOf([valid]);
      assert.deepEqual(errorsOf(after, object(valid)), []);
      after.apply({ op: 'upsert', object: it });
      assert.equal(goesTo(after, call), edited, 'after an edit');
    });
});

test('a server of a Gateway of which a part cannot be read is not opened', () => {
  const server = (rest: string) =>
    `Gateway edge: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: x, protocol: HTTPS}, hosts: ["*"], ${rest}}, {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}`;
  const ports = (text: string) =>
    sentTo(storeOf([text]), 'gateway').listeners.map(l => l.address?.socket_address?.port_value);
  const mutual = 'mode: MUTUAL, credentialName: c';
  assert.deepEqual(ports(server(`tls: {${mutual}}`)), [8443, 8080]);
  const spoiled = [
    'tls: {mode: MUTAL, credentialName: c}',
    `tls: {${mutual}, subjectAltName: [a]}`,
    `tls: {${mutual}, subjectAltNames: a}`,
    `tls: {${mutual}, minProtocolVersion: TLSV9}`,
    `tsl: {${mutual}}`,
    'tls: text',
    'tls: {mode: MUTUAL, serverCertificate: /a, privateKey: /b}',
  ];
  for (const rest of spoiled) assert.deepEqual(ports(server(rest)), [8080], rest);
});
