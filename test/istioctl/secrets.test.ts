import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AdsClient, messageOf } from '../support/ads-client.ts';
import { selfSigned } from '../support/certificate.ts';
import { startServe } from '../support/serve.ts';

test('a private key is in no page, whether it is asked for over HTTP or over xDS', async t => {
  const pair = await selfSigned('shop.example.com');
  const [key, certificate] = [pair.key.toString(), pair.certificate.toString()];
  const folder = mkdtempSync(join(tmpdir(), 'secrets-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'shop', namespace: 'web' },
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': base64(certificate), 'tls.key': base64(key) },
    },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'shop', namespace: 'web' },
      spec: {
        selector: { app: 'gateway' },
        servers: [
          {
            port: { number: 443, name: 'https', protocol: 'HTTPS' },
            hosts: ['shop.example.com'],
            tls: { mode: 'SIMPLE', credentialName: 'shop' },
          },
        ],
      },
    },
  ];
  for (const [i, object] of objects.entries()) writeFileSync(join(folder, `${i}.json`), JSON.stringify(object));
  const serve = await startServe(folder);
  t.after(() => serve.stop());
  const metadata = { fields: { LABELS: { struct_value: { fields: { app: { string_value: 'gateway' } } } } } };
  const gateway = new AdsClient(serve.xds, 'delta', {
    id: 'router~10.0.0.1~gateway-1.web~web.svc.cluster.local',
    metadata,
  });
  t.after(() => gateway.close());
  gateway.autoAck = true;
  gateway.subscribe('secret', ['kubernetes://shop']);
  const [secret] = (await gateway.next('secret')).resources;
  assert.ok(secret);
  const sent = messageOf('secret', secret.any).tls_certificate?.private_key?.inline_bytes;
  assert.equal(Buffer.from(sent ?? '').toString(), key, 'the gateway has it');

  const secretly = [key, base64(key), key.split('\n')[1] ?? ''];
  let redacted = 0;
  const names = (await (await fetch(`http://${serve.http}/debug/list`)).json()) as string[];
  assert.ok(names.length > 25);
  const variants = names.flatMap(name => [
    name,
    `${name}${name.includes('?') ? '&' : '?'}proxyID=gateway-1.web&include_eds`,
    `${name}${name.includes('?') ? '&' : '?'}proxyID=gateway-1.web&types=sds,lds`,
  ]);
  for (const name of variants) {
    const page = await (await fetch(`http://${serve.http}/debug/${name}`)).text();
    for (const text of secretly) assert.ok(!page.includes(text), name);
    if (page.includes(base64('[redacted]'))) redacted++;
  }
  assert.ok(redacted > 1, 'the Secret was shown');
  const asking = new AdsClient(serve.xds, 'sotw', { id: 'sidecar~10.9.9.9~test-1.default~x' });
  t.after(() => asking.close());
  asking.subscribe('istio.io/debug/config_dump', ['gateway-1.web']);
  const dump = Buffer.concat((await asking.next()).resources.map(({ any }) => Buffer.from(any.value ?? '')));
  assert.ok(dump.includes('[redacted]') && dump.includes('kubernetes://shop'));
  for (const text of secretly) assert.ok(!dump.includes(text));
});
