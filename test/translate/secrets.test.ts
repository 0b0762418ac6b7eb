import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { before, describe, test } from 'node:test';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { parseNode } from '../../src/model/proxy/node.ts';
import { struct } from '../../src/proto/wellknown.ts';
import { type CredentialLevel, World, withCredentials } from '../../src/world.ts';
import { newCertificate } from '../security/openssl.ts';
import { selfSigned } from '../support/certificate.ts';

type Data = Readonly<Record<string, Buffer | string>>;

const object = (kind: string, namespace: string, name: string, rest: object): RawObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, namespace },
  ...rest,
});
const secret = (name: string, data: Data, namespace = 'ingress', type = 'Opaque') =>
  object('Secret', namespace, name, {
    type,
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  });
const configMap = (name: string, data: Data, namespace = 'ingress') =>
  object('ConfigMap', namespace, name, {
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, `${value}`])),
  });

const gateway = (servers: readonly object[], namespace = 'ingress'): RawObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'Gateway',
  metadata: { name: 'gateway', namespace },
  spec: {
    selector: { istio: 'ingressgateway' },
    servers: servers.map((tls, i) => ({
      port: { number: 443 + i, name: `https-${i}`, protocol: 'HTTPS' },
      hosts: [`h${i}.example.com`],
      tls,
    })),
  },
});
const rule = (tls: object, more: object = {}): RawObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'rule', namespace: 'ingress' },
  spec: { host: 'shop.ingress.svc.cluster.local', trafficPolicy: { tls }, ...more },
});
const service = object('Service', 'ingress', 'shop', {
  spec: { clusterIP: '10.96.0.9', ports: [{ name: 'http', port: 80 }] },
});

const proxyOf = (type: string) => {
  const parsed = parseNode({
    id: `${type}~10.0.0.1~gateway.ingress~ingress.svc.cluster.local`,
    metadata: struct({ NAMESPACE: 'ingress', LABELS: { istio: 'ingressgateway' } }),
  });
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.proxy;
};

/** What a proxy is given at a level, and what is wrong. */
function given(objects: readonly RawObject[], type = 'router') {
  const store = new ConfigStore();
  for (const one of [service, ...objects]) store.apply({ op: 'upsert', object: one });
  const options = { domain: 'cluster.local', rootNamespace: 'istio-system', clusterId: 'Kubernetes' };
  const { translation, snapshot } = new World(store.contents(), options).of(proxyOf(type));
  const at = (level: CredentialLevel): readonly string[] =>
    withCredentials(snapshot, level)
      .secret.list.map(({ name }) => name)
      .sort();
  const messages = translation.secrets.map(({ message }) => message);
  assert.deepEqual(at('none'), [], 'a stream that nobody vouches for gets nothing');
  return {
    namespace: at('namespace'),
    readers: at('readers'),
    of: (name: string) => messages.find(message => message.name === name),
    problems: translation.problems.map(({ object, path, message }) => `${object} ${path}: ${message}`),
  };
}

/** A patch that adds a cluster with credentials of its own. */
const filter = (tls: object): RawObject => ({
  apiVersion: 'networking.istio.io/v1alpha3',
  kind: 'EnvoyFilter',
  metadata: { name: 'filter', namespace: 'ingress' },
  spec: {
    configPatches: [
      {
        applyTo: 'CLUSTER',
        match: { context: 'GATEWAY' },
        patch: {
          operation: 'ADD',
          value: {
            name: 'vault',
            connect_timeout: '1s',
            transport_socket: {
              name: 'envoy.transport_sockets.tls',
              typed_config: {
                '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
                common_tls_context: tls,
              },
            },
          },
        },
      },
    ],
  },
});

const simple = (credentialName: string) => ({ mode: 'SIMPLE', credentialName });
const mutual = (credentialName: string, more: object = {}) => ({ mode: 'MUTUAL', credentialName, ...more });

describe('credentials', () => {
  let one: { certificate: Buffer; key: Buffer };
  let two: { certificate: Buffer; key: Buffer };
  before(async () => {
    [one, two] = await Promise.all([selfSigned('one.example.com'), selfSigned('two.example.com')]);
  });
  const pair = (): Data => ({ 'tls.crt': one.certificate, 'tls.key': one.key });

  /** What is named and what there is; the names that every proxy of the namespace has, and those that only readers of Secrets have. */
  const who: readonly (readonly [
    string,
    (of: Data) => readonly RawObject[],
    namespace: readonly string[],
    readers: readonly string[],
    problem?: RegExp,
  ])[] = [
    ['its certificate', of => [gateway([simple('a')]), secret('a', of)], [], ['kubernetes://a']],
    [
      'with its namespace',
      of => [gateway([simple('kubernetes://ingress/a')]), secret('a', of)],
      [],
      ['kubernetes://ingress/a'],
    ],
    [
      'both ways',
      of => [gateway([simple('kubernetes://ingress/a'), simple('a')]), secret('a', of)],
      [],
      ['kubernetes://a', 'kubernetes://ingress/a'],
    ],
    ['unnamed ones', of => [gateway([simple('a')]), secret('b', of)], [], []],
    [
      "roots in the certificate's Secret",
      of => [gateway([mutual('a')]), secret('a', { ...of, 'ca.crt': one.certificate })],
      ['kubernetes://a-cacert'],
      ['kubernetes://a'],
    ],
    [
      'roots in their own Secret, which has a key too',
      of => [gateway([mutual('a')]), secret('a', of), secret('a-cacert', { ...of, cacert: two.certificate })],
      ['kubernetes://a-cacert'],
      ['kubernetes://a'],
    ],
    [
      'a certificate in a Secret with the suffix: its roots, never its key',
      of => [gateway([simple('a-cacert')]), secret('a-cacert', { ...of, 'ca.crt': one.certificate })],
      ['kubernetes://a-cacert'],
      [],
    ],
    [
      'the same without roots',
      of => [gateway([simple('a-cacert')]), secret('a-cacert', of)],
      [],
      [],
      /^Secret\/ingress\/a-cacert data: expected ca.crt/,
    ],
    [
      'several certificates, roots of another name',
      of => [
        gateway([{ mode: 'MUTUAL', credentialNames: ['a', 'b'], caCertCredentialName: 'kubernetes://roots-cacert' }]),
        ...['a', 'b'].map(name => secret(name, of)),
        secret('roots', { cacert: one.certificate }),
      ],
      ['kubernetes://roots-cacert'],
      ['kubernetes://a', 'kubernetes://b'],
    ],
    [
      "another namespace's",
      of => [gateway([simple('kubernetes://other/a')]), secret('a', of, 'other')],
      [],
      [],
      /^Gateway\/ingress\/gateway spec.servers\[0\].tls.credentialName: proxies of ingress get no Secret of other/,
    ],
    [
      "another namespace's roots",
      of => [gateway([mutual('kubernetes://other/a')]), secret('a', { ...of, cacert: one.certificate }, 'other')],
      [],
      [],
      /get no Secret of other/,
    ],
    [
      "a Gateway of another namespace: the proxy's own Secret",
      of => [gateway([simple('a')], 'other'), secret('a', of), secret('a', of, 'other')],
      [],
      ['kubernetes://a'],
    ],
    [
      "the Gateway API's form, own namespace: verified by that",
      of => [gateway([mutual('kubernetes-gateway://ingress/a')]), secret('a', { ...of, 'ca.crt': one.certificate })],
      ['kubernetes-gateway://ingress/a', 'kubernetes-gateway://ingress/a-cacert'],
      [],
    ],
    [
      "the Gateway API's form, another namespace",
      of => [gateway([simple('kubernetes-gateway://other/a')]), secret('a', of, 'other')],
      [],
      [],
      /the Secret other\/a is not of the Gateway's own namespace, and no grant/,
    ],
    [
      "the Gateway API's form in a Gateway of another namespace",
      of => [gateway([simple('kubernetes-gateway://ingress/a')], 'other'), secret('a', of)],
      [],
      [],
      /no grant/,
    ],
    [
      'roots of servers in a ConfigMap of any namespace',
      () => [rule(simple('configmap://other/roots')), configMap('roots', { 'ca.crt': one.certificate }, 'other')],
      ['configmap://other/roots-cacert'],
      [],
    ],
    [
      "a rule's certificate and roots",
      of => [rule(mutual('a')), secret('a', { ...of, 'ca.crt': one.certificate })],
      ['kubernetes://a-cacert'],
      ['kubernetes://a'],
    ],
    [
      'those of a port and of a subset',
      of => [
        rule(
          { mode: 'DISABLE' },
          {
            trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, tls: mutual('a') }] },
            subsets: [{ name: 's', trafficPolicy: { tls: mutual('b') } }],
          },
        ),
        secret('a', of),
        secret('b', of),
        secret('b-cacert', { cacert: one.certificate }),
      ],
      ['kubernetes://b-cacert'],
      ['kubernetes://a', 'kubernetes://b'],
      /^Secret\/ingress\/a data: expected ca.crt/,
    ],
    [
      'what a patch of an EnvoyFilter names',
      of => [
        filter({
          tls_certificate_sds_secret_configs: [{ name: 'kubernetes://a', sds_config: { ads: {} } }],
          validation_context_sds_secret_config: { name: 'kubernetes://a-cacert', sds_config: { ads: {} } },
        }),
        secret('a', { ...of, 'ca.crt': one.certificate }),
        secret('b', of),
      ],
      ['kubernetes://a-cacert'],
      ['kubernetes://a'],
    ],
    [
      'files and what the agent has',
      of => [
        gateway([{ mode: 'SIMPLE', serverCertificate: '/a', privateKey: '/b' }, simple('builtin://')]),
        secret('a', of),
      ],
      [],
      [],
    ],
    [
      'what is no name',
      of => [gateway([simple('kubernetes://'), simple('vault://x'), simple('configmap://x')]), secret('a', of)],
      [],
      [],
    ],
  ];
  for (const [name, objects, namespace, readers, problem] of who)
    test(`who may have ${name}`, () => {
      const found = given(objects(pair()));
      assert.deepEqual(found.namespace, namespace);
      assert.deepEqual(found.readers, [...namespace, ...readers].sort());
      if (problem) assert.match(found.problems.filter(line => /^(Secret|Gateway)/.test(line)).join('\n'), problem);
      else
        assert.deepEqual(
          found.problems.filter(line => /^(Secret|ConfigMap)/.test(line)),
          [],
        );
    });

  test('a sidecar has those of rules that select it, and ConfigMaps', () => {
    const objects = [
      secret('a', { ...pair(), 'ca.crt': one.certificate }),
      configMap('roots', { cacert: one.certificate }),
    ];
    const tls = mutual('a');
    assert.deepEqual(given([...objects, rule(tls)], 'sidecar').readers, []);
    const selected = rule(tls, { workloadSelector: { matchLabels: { istio: 'ingressgateway' } } });
    assert.deepEqual(given([...objects, selected], 'sidecar').readers, ['kubernetes://a', 'kubernetes://a-cacert']);
    assert.deepEqual(given([...objects, rule(simple('configmap://ingress/roots'))], 'sidecar').namespace, [
      'configmap://ingress/roots-cacert',
    ]);
  });

  /** What a Secret holds, of which type, and what comes of it. */
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const smallKey = small.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const contents: readonly (readonly [string, () => Data, served: RegExp | true, type?: string])[] = [
    ['kubernetes.io/tls', pair, true, 'kubernetes.io/tls'],
    ["Istio's names", () => ({ cert: one.certificate, key: one.key }), true],
    ['any type', pair, true, 'example.com/mine'],
    ['some of each', () => ({ cert: one.certificate, 'tls.key': one.key }), /expected tls.crt and tls.key/],
    ['both, of which one is empty', () => ({ cert: '', key: one.key, ...pair() }), true],
    ['a missing key', () => ({ 'tls.crt': one.certificate }), /expected tls.crt and tls.key/],
    ['an empty key', () => ({ 'tls.crt': one.certificate, 'tls.key': '' }), /neither of them empty/],
    ['nothing', () => ({}), /expected tls.crt/],
    ["another's key", () => ({ 'tls.crt': one.certificate, 'tls.key': two.key }), /not that of the certificate/],
    ['no PEM', () => ({ 'tls.crt': 'x', 'tls.key': 'y' }), /valid PEM/],
    ['a chain', () => ({ 'tls.crt': Buffer.concat([one.certificate, two.certificate]), 'tls.key': one.key }), true],
    [
      'a broken chain',
      () => ({ 'tls.crt': `${one.certificate}${`${two.certificate}`.replace(/MII/, 'MXI')}`, 'tls.key': one.key }),
      /valid PEM/,
    ],
    [
      'a short key',
      () => ({ 'tls.crt': newCertificate({ key: smallKey, days: 1 }).certificate, 'tls.key': smallKey }),
      /1024 bits/,
    ],
  ];
  for (const [name, data, served, type] of contents)
    test(`a Secret with ${name}: ${served === true ? 'served' : 'a Problem'}`, () => {
      const found = given([gateway([simple('a')]), secret('a', data(), 'ingress', type)]);
      assert.deepEqual(found.readers, served === true ? ['kubernetes://a'] : []);
      if (served === true) assert.deepEqual(found.problems, []);
      else assert.match(found.problems.join('\n'), served);
      assert.doesNotMatch(found.problems.join('\n'), /BEGIN/);
    });

  test('what was revoked goes along with its roots, and a staple with its certificate', () => {
    const mixed: Data = { 'ca.crt': one.certificate, 'ca.crl': 'one', cacert: two.certificate, crl: 'two' };
    const found = given([
      gateway([mutual('a'), mutual('b')]),
      secret('a', { ...pair(), 'tls.ocsp-staple': 'staple', ...mixed }),
      secret('b', { ...pair(), 'ca.crt': one.certificate, 'ca.crl': 'one', crl: 'two' }),
    ]);
    const text = (bytes: Uint8Array | undefined) => bytes && `${Buffer.from(bytes)}`;
    const [a, b] = [found.of('kubernetes://a-cacert'), found.of('kubernetes://b-cacert')];
    assert.equal(text(a?.validation_context?.trusted_ca?.inline_bytes), `${two.certificate}`);
    assert.equal(text(a?.validation_context?.crl?.inline_bytes), 'two');
    assert.equal(text(b?.validation_context?.trusted_ca?.inline_bytes), `${one.certificate}`);
    assert.equal(text(b?.validation_context?.crl?.inline_bytes), 'one');
    assert.equal(text(found.of('kubernetes://a')?.tls_certificate?.ocsp_staple?.inline_bytes), 'staple');
  });
});
