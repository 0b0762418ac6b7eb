import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseNode } from '../../src/model/proxy/node.ts';
import { unpackAs } from '../../src/proto/any.ts';
import type { Listener } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import { World } from '../../src/world.ts';
import { node, objectsOf } from '../model/support.ts';
import { contentsOf } from '../support/folder.ts';

const mesh = (more: string): string => `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}
${more}`;

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

interface Sent {
  readonly headers: readonly string[];
  readonly logs: readonly string[];
  readonly problems: readonly string[];
}

/** What a proxy of an Envoy is sent of headers and access logs. */
function sent(yaml: string, minor = 40): Sent {
  const world = new World(contentsOf({ objects: objectsOf(mesh(yaml)), problems: [] }), {
    domain: 'cluster.local',
    rootNamespace: 'istio-system',
    clusterId: 'k',
  });
  const parsed = parseNode(
    node(
      'sidecar~10.0.0.1~client.default~default.svc.cluster.local',
      { NAMESPACE: 'default' },
      {
        user_agent_build_version: { version: { major_number: 1, minor_number: minor } },
      },
    ),
  );
  assert.ok(parsed.ok);
  const { translation } = world.of(parsed.proxy);
  const [routes] = translation.routes.filter(r => r.name === '80');
  const headers = (routes?.message.virtual_hosts ?? [])
    .flatMap(host => host.routes ?? [])
    .flatMap(route => route.request_headers_to_add ?? [])
    .map(({ header }) => `${header?.key}: ${header?.value}`);
  return {
    headers,
    logs: translation.listeners.flatMap(l => logsOf(l.message)),
    problems: [...world.problems, ...translation.problems].map(p => `${p.object} ${p.path}: ${p.message}`),
  };
}

const logsOf = (listener: Listener): readonly string[] =>
  (listener.filter_chains ?? [])
    .flatMap(chain => chain.filters ?? [])
    .flatMap(({ typed_config: config }) =>
      config?.type_url?.endsWith(HCM) ? (unpackAs(HCM, config).access_log ?? []) : [],
    )
    .map(log => log.name ?? '');

const virtualService = (headers: string): string => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [web]
  http:
  - headers: {request: {set: {${headers}}}}
    route: [{destination: {host: web}}]
`;

const meshConfig = (settings: string): string => `---
apiVersion: ''
kind: MeshConfig
metadata: {name: istio}
spec: {accessLogFile: /dev/stdout, ${settings}}
`;

describe('formats that Envoy refuses', () => {
  test('a header with an unknown command is left out alone, with its field', () => {
    const { headers, problems } = sent(virtualService('a: "%NOPE%", b: "%REQ(x)%"'));
    assert.deepEqual(headers, ['b: %REQ(x)%']);
    assert.deepEqual(problems, [
      'VirtualService/default/web spec.http[0].headers.request.set.a: %NOPE% is no command of Envoy',
    ]);
  });

  test('a command of a newer Envoy goes to that one only', () => {
    const yaml = virtualService('a: "%LISTENER_NAME%", b: "%REQ(x)%"');
    assert.deepEqual(sent(yaml).headers, ['a: %LISTENER_NAME%', 'b: %REQ(x)%']);
    assert.deepEqual(sent(yaml).problems, []);
    const { headers, problems } = sent(yaml, 39);
    assert.deepEqual(headers, ['b: %REQ(x)%']);
    assert.match(
      problems[0] ?? '',
      /^VirtualService\/default\/web : RouteConfiguration 80, .*%LISTENER_NAME% is no command before Envoy 1\.40 .*: the header is left out$/,
    );
    assert.equal(problems.length, 1);
  });

  for (const [name, settings, path] of [
    ['text', 'accessLogFormat: "%NOPE% %DURATION%"', 'accessLogFormat'],
    ['JSON', `accessLogEncoding: JSON, accessLogFormat: '{"a": {"b": "%NOPE%"}}'`, 'accessLogFormat'],
    [
      'a provider',
      'defaultProviders: {accessLogging: [mine]}, extensionProviders: [{name: mine, envoyFileAccessLog: {path: /dev/stdout, logFormat: {labels: {a: "%REQ%"}}}}]',
      'extensionProviders["mine"].envoyFileAccessLog.logFormat.labels.a',
    ],
  ] as const)
    test(`an access log of the mesh with a typo is left out alone: ${name}`, () => {
      const { logs, problems } = sent(meshConfig(settings));
      assert.deepEqual(logs, []);
      assert.ok(sent(meshConfig(settings.replace('%NOPE%', '').replace('%REQ%', '%REQ(x)%'))).logs.length > 0);
      assert.equal(problems.length > 0, true);
      assert.ok(
        problems.some(problem => problem.startsWith(`MeshConfig/istio ${path}: `)),
        problems.join('\n'),
      );
      assert.ok(
        problems.every(problem => problem.startsWith('MeshConfig/istio ')),
        problems.join('\n'),
      );
    });
});
