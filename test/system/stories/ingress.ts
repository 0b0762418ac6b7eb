import assert from 'node:assert/strict';
import { request } from 'node:https';
import { selfSigned } from '../../support/certificate.ts';
import { call } from '../../support/http.ts';
import { until } from '../../support/until.ts';
import { gateway, virtualService } from './config.ts';
import type { Stage, Story } from './story.ts';

async function gatewayAddress({ cluster }: Stage): Promise<string> {
  interface Service {
    readonly spec: { readonly clusterIP: string };
  }
  return (await cluster.get<Service>('service', 'istio-ingressgateway', '-n', 'istio-system')).spec.clusterIP;
}

const selector = { istio: 'ingressgateway' };

export const ingress: Story = {
  title: 'ingress: a Service without sidecars under a host of its own, then under a prefix that is rewritten',
  async tell(stage) {
    const host = 'simple.zhongmingmao.io';
    const address = await gatewayAddress(stage);
    const status = async (path: string) => (await call({ address, port: 80, host, path })).status;
    const route = (http: object) =>
      virtualService('simple', 'simple', { gateways: ['simple'], hosts: [host], http: [http] });
    const destination = { host: 'simple.simple.svc.cluster.local', port: { number: 80 } };
    await stage.apply(
      route({ match: [{ port: 80 }], route: [{ destination }] }),
      gateway('simple', 'simple', {
        selector,
        servers: [{ hosts: [host], port: { name: 'http-simple', number: 80, protocol: 'HTTP' } }],
      }),
    );
    await until('the host', async () => {
      const { body, headers } = await call({ address, port: 80, host });
      return body === 'simple' && headers.server === 'istio-envoy';
    });
    await stage.apply(
      route({ match: [{ uri: { prefix: '/nginx' } }], rewrite: { uri: '/' }, route: [{ destination }] }),
    );
    await until('the prefix', async () => (await status('/')) === 404);
    assert.equal(await status('/nginx'), 200);
    const log = stage.shell('simple', 'simple');
    await until('the path in its log', async () => /"GET \/" 200/.test(await log.log()));
  },
};

/** `curl --resolve HOST:443:ADDRESS https://HOST`, with the one certificate that is trusted. */
const secure = (
  address: string,
  servername: string,
  ca: Buffer,
): Promise<{ readonly status: number; readonly body: string }> =>
  new Promise((resolve, reject) => {
    const sent = request(
      { host: address, port: 443, servername, ca, headers: { host: servername }, agent: false },
      answer => {
        let body = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        answer.on('error', reject).on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      },
    );
    sent.on('error', reject);
    sent.end();
  });

export const https: Story = {
  title: "HTTPS at the gateway: the certificate of a Secret of the gateway's namespace, by SNI",
  async tell(stage) {
    const host = 'httpsserver.zhongmingmao.io';
    const address = await gatewayAddress(stage);
    const { certificate, key } = await selfSigned(host);
    const route = (to: string) =>
      virtualService('securesvc', 'httpsserver', {
        gateways: ['httpsserver'],
        hosts: [host],
        http: [{ match: [{ port: 443 }], route: [{ destination: { host: to, port: { number: 80 } } }] }],
      });
    await stage.apply(
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'zhongmingmao-credential', namespace: 'istio-system' },
        type: 'kubernetes.io/tls',
        data: { 'tls.crt': certificate.toString('base64'), 'tls.key': key.toString('base64') },
      },
      gateway('securesvc', 'httpsserver', {
        selector,
        servers: [
          {
            hosts: [host],
            port: { name: 'https-default', number: 443, protocol: 'HTTPS' },
            tls: { mode: 'SIMPLE', credentialName: 'zhongmingmao-credential' },
          },
        ],
      }),
      // A name that is short of the cluster's domain is nobody's.
      route('httpserver.securesvc.svc'),
    );
    await until(
      'the certificate, and nobody behind it',
      async () => (await secure(address, host, certificate)).status === 503,
    );
    await stage.apply(route('httpserver.securesvc.svc.cluster.local'));
    await until('the Service', async () => (await secure(address, host, certificate)).body === 'httpserver');
    await assert.rejects(secure(address, 'other.zhongmingmao.io', certificate));
  },
};
