import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { parseNode } from '../../src/model/proxy/node.ts';
import { struct } from '../../src/proto/wellknown.ts';
import { World, withoutSecrets } from '../../src/world.ts';
import { selfSigned } from '../support/certificate.ts';

const base64 = (data: Readonly<Record<string, Buffer>>): Record<string, string> =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, value.toString('base64')]));

const secret = (name: string, namespace: string, data: Readonly<Record<string, Buffer>>): RawObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace },
  type: 'Opaque',
  data: base64(data),
});

const server = (port: number, mode: string, credentialName: string): object => ({
  port: { number: port, name: `https-${port}`, protocol: 'HTTPS' },
  hosts: [`${credentialName}.example.com`],
  tls: { mode, credentialName },
});

const gateway: RawObject = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'Gateway',
  metadata: { name: 'gateway', namespace: 'ingress' },
  spec: {
    selector: { istio: 'ingressgateway' },
    servers: [
      server(443, 'SIMPLE', 'web'),
      server(444, 'MUTUAL', 'mutual'),
      server(445, 'SIMPLE', 'crossed'),
      server(446, 'SIMPLE', 'missing'),
      server(447, 'SIMPLE', 'elsewhere'),
    ],
  },
};

const proxy = (() => {
  const parsed = parseNode({
    id: 'router~10.0.0.1~gateway.ingress~ingress.svc.cluster.local',
    metadata: struct({ NAMESPACE: 'ingress', LABELS: { istio: 'ingressgateway' } }),
  });
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.proxy;
})();

test('a gateway is sent the credentials that its Gateways name, and no others', async () => {
  const [web, mutual] = await Promise.all([selfSigned('web.example.com'), selfSigned('mutual.example.com')]);
  const store = new ConfigStore();
  const objects = [
    gateway,
    secret('web', 'ingress', { 'tls.crt': web.certificate, 'tls.key': web.key }),
    secret('mutual', 'ingress', { cert: mutual.certificate, key: mutual.key, cacert: web.certificate }),
    secret('crossed', 'ingress', { 'tls.crt': web.certificate, 'tls.key': mutual.key }),
    secret('elsewhere', 'default', { 'tls.crt': web.certificate, 'tls.key': web.key }),
    secret('unnamed', 'ingress', { 'tls.crt': web.certificate, 'tls.key': web.key }),
  ];
  for (const object of objects) store.apply({ op: 'upsert', object });
  const { translation, snapshot } = new World(store.contents(), {
    domain: 'cluster.local',
    rootNamespace: 'istio-system',
    clusterId: 'Kubernetes',
  }).of(proxy);

  assert.deepEqual(snapshot.secret.list.map(r => r.name).sort(), [
    'kubernetes://mutual',
    'kubernetes://mutual-cacert',
    'kubernetes://web',
  ]);
  const roots = translation.secrets.find(s => s.name === 'kubernetes://mutual-cacert');
  assert.deepEqual(Buffer.from(roots?.message.validation_context?.trusted_ca?.inline_bytes ?? []), web.certificate);
  assert.deepEqual(
    translation.problems.map(({ object, message }) => `${object}: ${message}`),
    ['Secret/ingress/crossed: the private key is not that of the certificate'],
  );
  assert.equal(withoutSecrets(snapshot).secret.size, 0, 'a stream that nobody vouches for gets no keys');
});
