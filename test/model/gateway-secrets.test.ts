import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigStore } from '../../src/config/store.ts';
import { gatewaySecrets } from '../../src/istio/gateway-secrets.ts';

function contents(selector: Readonly<Record<string, string>>, tls: readonly object[]) {
  const store = new ConfigStore();
  const servers = tls.map((settings, i) => ({
    hosts: [`h${i}.test`],
    port: { number: 443, name: `https-${i}`, protocol: 'HTTPS' },
    tls: settings,
  }));
  store.apply({
    op: 'upsert',
    object: {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'g', namespace: 'config' },
      spec: { selector, servers },
    },
  });
  for (const namespace of ['gateways', 'apps'])
    store.apply({
      op: 'upsert',
      object: {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p', namespace, labels: { istio: namespace === 'gateways' ? 'ingress' : 'none' } },
        spec: { containers: [] },
        status: { podIP: '10.0.0.1' },
      },
    });
  const { Gateway, Pod } = store.contents();
  return gatewaySecrets(Gateway, Pod).map(({ namespace, name }) => `${namespace}/${name}`);
}

const simple = (credentialName: string) => ({ mode: 'SIMPLE', credentialName });

for (const [what, selector, tls, expected] of [
  ['beside the Gateway and beside its pods', { istio: 'ingress' }, [simple('a')], ['config/a', 'gateways/a']],
  ['no selector is not every namespace', {}, [simple('a')], ['config/a']],
  ['a client CA of its own', {}, [{ mode: 'MUTUAL', credentialName: 'a' }], ['config/a', 'config/a-cacert']],
  ['several', {}, [simple('b'), simple('a'), simple('b')], ['config/a', 'config/b']],
  ['by namespace', { istio: 'ingress' }, [simple('kubernetes://x/a')], ['x/a']],
  ["of the Gateway API's form", {}, [simple('kubernetes-gateway://x/a')], ['x/a']],
  ['not a Secret', {}, [simple('builtin://')], []],
  ['a file', {}, [{ mode: 'SIMPLE', serverCertificate: '/a', privateKey: '/b' }], []],
] as const)
  test(`the Secrets of a Gateway: ${what}`, () => assert.deepEqual(contents(selector, tls), expected));
