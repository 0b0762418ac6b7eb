import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { struct } from '../../src/proto/wellknown.ts';
import { AdsClient, messageOf } from '../support/ads-client.ts';
import { selfSigned } from '../support/certificate.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const token = (name: string): string => `${name}-${randomBytes(16).toString('hex')}`;

interface Pair {
  readonly key: string;
  readonly certificate: string;
}

/** What nobody is to see, by where it stands. */
const hidden = new Map<string, string>();
const hide = (where: string, what: string): string => {
  hidden.set(where, what);
  return what;
};

const secret = (name: string, type: string, data: Readonly<Record<string, string>>, namespace = 'web'): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace },
  type,
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
});

const tracing = (provider: string, namespace: string): object => ({
  apiVersion: 'telemetry.istio.io/v1',
  kind: 'Telemetry',
  metadata: { name: provider, namespace },
  spec: { tracing: [{ providers: [{ name: provider }] }] },
});

const server = (port: number, mode: string, credentialName: string): object => ({
  port: { number: port, name: `https-${port}`, protocol: 'HTTPS' },
  hosts: [`${credentialName}.example.com`],
  tls: { mode, credentialName },
});

const tls = (context: string, certificate: string, privateKey: object): object => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${context}`,
    common_tls_context: {
      tls_certificates: [{ certificate_chain: { inline_string: certificate }, private_key: privateKey }],
    },
  },
});

function objects(pairs: readonly Pair[]): readonly object[] {
  const [shop, generic, mutual, root, ofString, ofBytes] = pairs as [Pair, Pair, Pair, Pair, Pair, Pair];
  const filter = (applyTo: string, match: object, operation: string, value: object): object => ({
    applyTo,
    match,
    patch: { operation, value },
  });
  const ofHttp = { listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager' } } } };
  const outbound = (host: string): object => ({ cluster: { service: host } });
  return [
    secret('shop', 'kubernetes.io/tls', { 'tls.crt': shop.certificate, 'tls.key': hide('a TLS Secret', shop.key) }),
    secret('generic', 'Opaque', { cert: generic.certificate, key: hide('a generic Secret', generic.key) }),
    secret('mutual', 'Opaque', {
      'tls.crt': mutual.certificate,
      'tls.key': hide('a Secret with roots', mutual.key),
      'ca.crt': mutual.certificate,
    }),
    secret(
      'cacerts',
      'Opaque',
      { 'ca-cert.pem': root.certificate, 'ca-key.pem': hide('cacerts', root.key) },
      'istio-system',
    ),
    secret('bootstrap-token-abcdef', 'bootstrap.kubernetes.io/token', {
      'token-secret': hide('a bootstrap token', token('boot')),
    }),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'db', namespace: 'web' },
      spec: { ports: [{ name: 'tcp', port: 90 }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'mail', namespace: 'web' },
      spec: { ports: [{ name: 'http', port: 80 }] },
    },
    tracing('otel', 'istio-system'),
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'shop', namespace: 'web' },
      spec: {
        selector: { app: 'gateway' },
        servers: [server(443, 'SIMPLE', 'shop'), server(444, 'SIMPLE', 'generic'), server(445, 'MUTUAL', 'mutual')],
      },
    },
    {
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'EnvoyFilter',
      metadata: { name: 'inline', namespace: 'web' },
      spec: {
        configPatches: [
          filter('CLUSTER', outbound('db.web.svc.cluster.local'), 'MERGE', {
            transport_socket: tls('UpstreamTlsContext', ofString.certificate, {
              inline_string: hide('a patch', ofString.key),
            }),
          }),
          filter('CLUSTER', outbound('mail.web.svc.cluster.local'), 'MERGE', {
            transportSocket: tls('UpstreamTlsContext', ofBytes.certificate, {
              inlineBytes: base64(hide('bytes in a patch', ofBytes.key)),
            }),
          }),
          filter('CLUSTER', {}, 'ADD', {
            name: 'relay',
            connect_timeout: '1s',
            transport_socket: {
              name: 'envoy.transport_sockets.starttls',
              typed_config: {
                '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig',
                tls_socket_config: {
                  common_tls_context: {
                    tls_certificates: [
                      {
                        certificate_chain: { filename: '/etc/c.pem' },
                        private_key: { filename: '/etc/k.pem' },
                        password: { inline_string: hide('a password within another socket', token('starttls')) },
                      },
                    ],
                  },
                },
              },
            },
          }),
          filter('HTTP_FILTER', ofHttp, 'INSERT_FIRST', {
            name: 'envoy.filters.http.basic_auth',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.basic_auth.v3.BasicAuth',
              users: { inline_string: hide('passwords in a patch', `user:{SHA}${base64(token('password'))}`) },
            },
          }),
          filter('EXTENSION_CONFIG', {}, 'ADD', {
            name: 'inline',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth',
              credentials: [{ key: hide('an API key in an extension', token('apikey')), client: 'c' }],
              key_sources: [{ header: 'x-key' }],
            },
          }),
        ],
      },
    },
  ];
}

describe('what is secret is in no page, whether it is asked for over HTTP or over xDS', () => {
  let serve: Serve;
  const streams: AdsClient[] = [];
  before(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'secrets-'));
    process.once('exit', () => rmSync(folder, { recursive: true }));
    const pairs = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const { key, certificate } = await selfSigned(`n${i}.example.com`);
        return { key: key.toString(), certificate: certificate.toString() };
      }),
    );
    for (const [i, object] of objects(pairs).entries())
      writeFileSync(join(folder, `${i}.json`), JSON.stringify(object));
    const lightstep = {
      lightstep: { service: 'db.web.svc.cluster.local', port: 90, accessToken: hide('a provider', token('step')) },
    };
    const header = { name: 'authorization', value: hide('a header of a provider', token('Bearer')) };
    const otel = {
      opentelemetry: {
        service: 'mail.web.svc.cluster.local',
        port: 80,
        http: { path: '/v1', timeout: '1s', headers: [header] },
      },
    };
    const skywalking = {
      service: 'mail.web.svc.cluster.local',
      port: 80,
      accessToken: hide('a tracer', token('sky')),
    };
    const mesh = {
      extensionProviders: [
        { name: 'step', ...lightstep },
        { name: 'otel', ...otel },
        { name: 'sky', skywalking },
      ],
    };
    const config = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio', namespace: 'istio-system' },
      data: { mesh: JSON.stringify(mesh) },
    };
    writeFileSync(join(folder, 'mesh.json'), JSON.stringify(config));
    serve = await startServe(folder);
    const proxy = (type: string, app: string): AdsClient => {
      const PROXY_CONFIG = { tracing: { lightstep: { accessToken: hide(`the ProxyConfig of ${app}`, token(app)) } } };
      const metadata = struct({ LABELS: { app }, PROXY_CONFIG, ISTIO_VERSION: '1.31.0' });
      const client = new AdsClient(serve.xds, 'delta', {
        id: `${type}~10.0.0.1~${app}-1.web~web.svc.cluster.local`,
        metadata,
      });
      client.autoAck = true;
      streams.push(client);
      return client;
    };
    const gateway = proxy('router', 'gateway');
    const names = ['shop', 'generic', 'mutual'].map(name => `kubernetes://${name}`);
    gateway.subscribe('secret', names);
    const { resources } = await gateway.next('secret');
    const keys = resources.map(({ any }) => messageOf('secret', any).tls_certificate?.private_key?.inline_bytes);
    assert.deepEqual(
      keys.map(key => Buffer.from(key ?? '').toString()).sort(),
      pairs
        .slice(0, 3)
        .map(({ key }) => key)
        .sort(),
      'the gateway has them',
    );
    const sidecar = proxy('sidecar', 'web');
    for (const client of [gateway, sidecar]) {
      client.subscribe('cluster');
      const sent = Buffer.concat(
        (await client.next('cluster')).resources.map(({ any }) => Buffer.from(any.value ?? [])),
      );
      for (const where of ['a patch', 'bytes in a patch', 'a password within another socket'])
        assert.ok(sent.includes(hidden.get(where) ?? '?'), `${where} is sent`);
      client.subscribe('listener');
      await client.next('listener');
    }
    sidecar.subscribe('route', ['80']);
    const listeners = Buffer.concat(
      sidecar.received.flatMap(({ resources }) => resources.map(({ any }) => Buffer.from(any.value ?? []))),
    );
    for (const where of ['passwords in a patch', 'a header of a provider'])
      assert.ok(listeners.includes(hidden.get(where) ?? '?'), `${where}: sent`);
    sidecar.subscribe('extension', ['inline']);
    await until('all to be acknowledged', async () => !(await page('syncz')).includes('STALE'));
  });
  after(async () => {
    for (const stream of streams) stream.close();
    await serve?.stop();
  });
  const page = async (name: string): Promise<string> => (await fetch(`http://${serve.http}/debug/${name}`)).text();

  const known = new Map<string, readonly Buffer[]>();
  /** The forms in which a secret could be somewhere. */
  function forms(text: string): readonly Buffer[] {
    const made = known.get(text) ?? formsOf(text);
    known.set(text, made);
    return made;
  }

  function formsOf(text: string): readonly Buffer[] {
    const lines = text.split('\n').filter(line => line && !line.startsWith('-----'));
    const binary = text.includes('PRIVATE KEY')
      ? createPrivateKey(text).export({ type: 'pkcs8', format: 'der' })
      : Buffer.from(text);
    const middle = binary.subarray(Math.floor(binary.length / 3));
    const at = [0, 1, 2].map(
      offset =>
        base64(text).slice(8) &&
        Buffer.from(text)
          .subarray(offset, offset + 33)
          .toString('base64')
          .slice(0, 44),
    );
    return [
      ...lines.map(line => Buffer.from(line)),
      ...at
        .map(part => Buffer.from(part.replace(/=+$/, '')))
        .filter(part => !part.includes(base64('-----BEGIN').slice(0, 8))),
      ...lines.map(line => Buffer.from(base64(line).replace(/=+$/, '').slice(0, -1))),
      Buffer.from(middle.toString('hex')),
      Buffer.from(middle.toString('base64').replace(/=+$/, '').slice(0, -1)),
      middle,
    ];
  }

  function assertHidden(bytes: Buffer, what: string): void {
    assert.ok(hidden.size >= 13);
    for (const [where, text] of hidden)
      for (const form of forms(text))
        assert.ok(!bytes.includes(form), `${what} shows ${where}: ${form.toString().slice(0, 80)}`);
  }

  test('over HTTP', async () => {
    const names = JSON.parse(await page('list')) as readonly string[];
    assert.ok(names.length > 25);
    const variants = names.flatMap(name => [
      name,
      ...['gateway-1.web', 'web-1.web'].flatMap(proxy => {
        const of = `${name}${name.includes('?') ? '&' : '?'}proxyID=${proxy}`;
        return [`${of}&include_eds`, `${of}&types=sds,lds,cds,ecds,rds`];
      }),
    ]);
    let redacted = 0;
    for (const name of variants) {
      const text = await page(name);
      assertHidden(Buffer.from(text), name);
      if (text.includes(base64('[redacted]')) || text.includes('[redacted]')) redacted++;
    }
    assert.ok(redacted >= 8, `${redacted} pages say that something is not shown`);
  });

  test('over xDS', async () => {
    for (const [type, name] of [
      ['istio.io/debug/config_dump', 'gateway-1.web'],
      ['istio.io/debug/config_dump', 'web-1.web'],
      ['istio.io/debug', 'config_dump?proxyID=web-1.web&include_eds'],
      ['istio.io/debug', 'configz'],
      ['istio.io/debug', 'mesh'],
      ['istio.io/debug', 'adsz'],
    ] as const) {
      const asking = new AdsClient(serve.xds, 'sotw', { id: 'sidecar~10.9.9.9~test-1.default~x' });
      streams.push(asking);
      asking.subscribe(type, [name]);
      const answer = Buffer.concat((await asking.next()).resources.map(({ any }) => Buffer.from(any.value ?? '')));
      assert.ok(answer.includes('[redacted]') || answer.includes(base64('[redacted]')), `${type} ${name}`);
      assertHidden(answer, `${type} ${name}`);
    }
  });

  test('nor in what is counted, or in the log', async () => {
    assertHidden(Buffer.from(await (await fetch(`http://${serve.http}/metrics`)).text()), 'metrics');
    assertHidden(Buffer.from(`${serve.log()} `), 'the log');
  });
});
