import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseNode } from '../../src/model/proxy/node.ts';
import { fromJson } from '../../src/proto/json.ts';
import { missingExtensions } from '../../src/translate/envoy-filter/extension-names.ts';
import { ENVOY_VERSION, envoyMissing, OLDEST_ENVOY_VERSION, startEnvoy, validate } from '../support/envoy.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

/** The Node that an Envoy sends with its requests. */
async function nodeOf(version: string): Promise<unknown> {
  const port = await freePorts();
  const bootstrap = JSON.stringify({
    node: { id: 'sidecar~10.0.0.1~a.default~default.svc.cluster.local', cluster: 'a' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
  });
  const envoy = await startEnvoy({ bootstrap, admin: `127.0.0.1:${port}`, version });
  try {
    const info = await until('the admin interface', () => envoy.admin('/server_info'));
    return (JSON.parse(info) as { readonly node: unknown }).node;
  } finally {
    await envoy.stop();
  }
}

/** Envoy's own word on a message as the configuration of an HTTP filter: whether anything takes it. */
async function isTaken(message: string, version: string): Promise<boolean> {
  const filter = (name: string, fields: object) => ({
    name,
    typed_config: { '@type': `type.googleapis.com/${name}`, ...fields },
  });
  const router = filter('envoy.extensions.filters.http.router.v3.Router', {});
  const manager = filter('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'a',
    route_config: {},
    http_filters: [filter(message, {}), router],
  });
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } };
  const listeners = [{ name: 'a', address, filter_chains: [{ filters: [manager] }] }];
  const said = await validate(JSON.stringify({ static_resources: { listeners } }), version);
  return !/could not find|Invalid type URL|no type|registered implementation|unknown type/i.test(said);
}

const http = (name: string) => `envoy.extensions.filters.http.${name}`;

/** HTTP filters with what they are configured by; of the contrib ones no stock build has any. */
const filters = [
  'grpc_json_transcoder.v3.GrpcJsonTranscoder',
  'grpc_http1_reverse_bridge.v3.FilterConfig',
  'connect_grpc_bridge.v3.FilterConfig',
  'dynamic_modules.v3.DynamicModuleFilter',
  'ip_tagging.v3.IPTagging',
  'lua.v3.Lua',
  'golang.v3alpha.Config',
  'sxg.v3alpha.SXG',
  'peak_ewma.v3alpha.PeakEwmaConfig',
].map(http);

/** Of other kinds: those that stock builds lack, and those that they have, some of which Envoy's Node does not name. */
const lacking = [
  'envoy.extensions.filters.network.mysql_proxy.v3.MySQLProxy',
  'envoy.extensions.filters.network.sip_proxy.v3alpha.SipProxy',
  'envoy.extensions.filters.network.sip_proxy.router.v3alpha.Router',
  'envoy.extensions.private_key_providers.cryptomb.v3alpha.CryptoMbPrivateKeyMethodConfig',
  'envoy.extensions.private_key_providers.qat.v3alpha.QatPrivateKeyMethodConfig',
  'envoy.extensions.network.connection_balance.dlb.v3alpha.Dlb',
  'envoy.extensions.compression.qatzip.compressor.v3alpha.Qatzip',
];
const had = [
  'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
  'envoy.extensions.upstreams.http.tcp.v3.TcpConnectionPoolProto',
  'envoy.extensions.filters.common.matcher.action.v3.SkipFilter',
  'envoy.extensions.rbac.audit_loggers.stream.v3.StdoutAuditLog',
  'envoy.extensions.filters.network.generic_proxy.action.v3.RouteAction',
  'envoy.extensions.access_loggers.file.v3.FileAccessLog',
  'google.protobuf.Struct',
  'envoy.config.core.v3.HealthStatusSet',
];

for (const version of [ENVOY_VERSION, OLDEST_ENVOY_VERSION]) {
  const missing = await envoyMissing(version);
  describe(`what Envoy ${version} has`, { skip: missing }, () => {
    test('what its Node names is had, and what stock builds lack is not', async () => {
      const { value: node, problems } = fromJson('envoy.config.core.v3.Node', await nodeOf(version));
      assert.deepEqual(problems, []);
      const parsed = parseNode(node);
      assert.ok(parsed.ok);
      const { build } = parsed.proxy.class;
      const named = [...new Set((node.extensions ?? []).flatMap(({ type_urls = [] }) => type_urls))];
      assert.ok(named.length > 250);
      for (const message of [...named, ...had]) assert.deepEqual(missingExtensions(build, message), [], message);
      for (const message of lacking) assert.notDeepEqual(missingExtensions(build, message), [], message);
      const taken = new Set<boolean>();
      for (const message of filters) {
        const isHad = await isTaken(message, version);
        assert.equal(missingExtensions(build, message).length === 0, isHad, message);
        taken.add(isHad);
      }
      assert.deepEqual([...taken].sort(), [false, true]);
    });
  });
}
