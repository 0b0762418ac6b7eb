import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { type Kind, type KindTypes, kinds } from '../../src/config/kinds.ts';
import { meshConfigOf } from '../../src/config/parse/mesh-config.ts';
import type { Parsed } from '../../src/config/problem.ts';

const read = <K extends Kind>(kind: K, fields: string): Parsed<KindTypes[K]> =>
  kinds[kind].parse({ kind, metadata: { name: 'it', namespace: 'default' }, ...parse(fields) }) as Parsed<KindTypes[K]>;

function valid<K extends Kind>(kind: K, fields: string): KindTypes[K] {
  const result = read(kind, fields);
  assert.ok(result.ok, JSON.stringify(result.problems));
  return result.value;
}

const errors = (kind: Kind, fields: string): readonly string[] => read(kind, fields).problems.map(({ path }) => path);

test('Service', () => {
  const service = valid(
    'Service',
    '{spec: {clusterIP: 10.0.0.1, selector: {a: b}, ports: [{name: http, port: 80, targetPort: web}, {name: n, port: 81, targetPort: "8081"}, {name: d, port: 82}, {name: e, port: 83, targetPort: ""}, {name: z, port: 84, targetPort: 0}]}}',
  );
  assert.deepEqual(
    service.ports.map(({ targetPort }) => targetPort),
    ['web', 8081, 82, 83, 84],
  );
  assert.deepEqual([service.type, service.headless, service.clusterIPs], ['ClusterIP', false, ['10.0.0.1']]);
  const headless = valid('Service', '{spec: {clusterIP: None}}');
  assert.deepEqual([headless.headless, headless.clusterIPs], [true, []]);
  assert.deepEqual(
    errors(
      'Service',
      '{spec: {ports: [{name: a}, {port: 99999, name: b}, {port: 80, name: c}, {port: 81, name: c}], selector: {a: 1}, type: Odd}}',
    ),
    ['spec.type', 'spec.selector.a', 'spec.ports[0].port', 'spec.ports[1].port', 'spec.ports[3].name'],
  );
  assert.equal(read('Service', '{spec: {type: ExternalName}}').ok, false);
  assert.equal(read('Service', '{metadata: {}}').ok, false);
});

test('EndpointSlice: what is not said counts as ready and serving', () => {
  const slice = valid(
    'EndpointSlice',
    '{metadata: {name: a, namespace: ns, labels: {kubernetes.io/service-name: svc}}, addressType: IPv4, ports: [{name: http, port: 80}], endpoints: [{addresses: [1.1.1.1], targetRef: {kind: Pod, name: p}}, {addresses: [1.1.1.2], conditions: {ready: false, serving: true, terminating: true}}, {addresses: [1.1.1.3], conditions: {ready: false}}]}',
  );
  assert.equal(slice.service, 'svc');
  assert.deepEqual(
    slice.endpoints.map(({ ready, serving, terminating, pod }) => [ready, serving, terminating, pod]),
    [
      [true, true, false, 'ns/p'],
      [false, true, true, ''],
      [false, false, true, ''],
    ],
  );
  assert.deepEqual(
    errors(
      'EndpointSlice',
      '{metadata: {name: a, namespace: ns, labels: {kubernetes.io/service-name: svc}}, endpoints: [7, {addresses: x, conditions: {ready: "yes"}}]}',
    ),
    ['endpoints[0]', 'endpoints[1].addresses', 'endpoints[1].ready'],
  );
});

test('Endpoints are read as a slice', () => {
  const slice = valid(
    'Endpoints',
    '{subsets: [{addresses: [{ip: 1.1.1.1, nodeName: n}], notReadyAddresses: [{ip: 1.1.1.2}], ports: [{name: http, port: 80}]}]}',
  );
  assert.deepEqual([slice.kind, slice.service, slice.ports[0]?.port], ['Endpoints', 'it', 80]);
  assert.deepEqual(
    slice.endpoints.map(({ addresses, ready }) => [addresses[0], ready]),
    [
      ['1.1.1.1', true],
      ['1.1.1.2', false],
    ],
  );
  assert.deepEqual(errors('Endpoints', '{subsets: [{ports: [{port: 80}]}, {ports: [{port: 81}]}]}'), [
    'subsets[1].ports',
  ]);
});

test('Pod', () => {
  const pod = valid(
    'Pod',
    '{metadata: {name: p, namespace: ns, ownerReferences: [{kind: ReplicaSet, name: rs, controller: true}]}, spec: {nodeName: n, containers: [{ports: [{name: web, containerPort: 8080}]}], initContainers: [{ports: [{containerPort: 1}]}, {restartPolicy: Always, ports: [{containerPort: 15090}]}]}, status: {podIP: 1.1.1.1, podIPs: [{ip: 1.1.1.1}, {ip: "::1"}], phase: Running, conditions: [{type: Ready, status: "True"}]}}',
  );
  assert.deepEqual(
    [pod.ips, pod.ready, pod.ownerKind, pod.ownerName, pod.serviceAccount],
    [['1.1.1.1', '::1'], true, 'ReplicaSet', 'rs', 'default'],
  );
  assert.deepEqual(
    pod.containerPorts.map(({ port }) => port),
    [8080, 15090],
  );
});

test('Secret: what is wrong is named, never shown', () => {
  const secret = valid('Secret', '{type: kubernetes.io/tls, data: {tls.crt: aGk=}, stringData: {tls.key: hush}}');
  assert.deepEqual(
    [Buffer.from(secret.data['tls.crt'] ?? []).toString(), Buffer.from(secret.data['tls.key'] ?? []).toString()],
    ['hi', 'hush'],
  );
  const { problems } = read('Secret', '{data: {a: "hush?!", b: 4242}}');
  assert.doesNotMatch(JSON.stringify(problems), /hush|4242/);
  assert.deepEqual(
    problems.map(({ path }) => path),
    ['data.b', 'data.a'],
  );
});

test('Node and Namespace have no namespace', () => {
  const node = valid(
    'Node',
    '{status: {addresses: [{type: Hostname, address: n}, {type: InternalIP, address: 10.0.0.1}]}}',
  );
  assert.deepEqual([node.meta.key, node.addresses], ['Node/it', ['10.0.0.1']]);
  assert.equal(
    valid('Namespace', '{metadata: {name: a, creationTimestamp: "1970-01-01T00:00:01Z"}}').meta.createdAt,
    1000,
  );
});

test('MeshConfig out of a ConfigMap', () => {
  const map = parse(
    '{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: "accessLogFile: /dev/stdout\\ntrustDomain: \\"?\\""}}',
  );
  const raw = meshConfigOf(map);
  assert.ok(raw);
  const result = kinds.MeshConfig.parse(raw);
  assert.ok(result.ok);
  assert.deepEqual([result.value.meta.key, result.value.spec.accessLogFile], ['MeshConfig/istio', '/dev/stdout']);
  assert.deepEqual(
    result.problems.map(({ path }) => path),
    ['data.mesh.trustDomain'],
  );
  assert.equal(kinds.MeshConfig.parse({ ...raw, data: { mesh: '{' } }).ok, false);
  assert.equal(meshConfigOf({ ...map, metadata: { name: 'other' } }), undefined);
});
