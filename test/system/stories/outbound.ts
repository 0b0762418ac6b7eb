import assert from 'node:assert/strict';
import { serveHttp } from '../../support/http.ts';
import { until } from '../../support/until.ts';
import { serviceEntry, sidecar } from './config.ts';
import type { Story } from './story.ts';

/** This machine, as pods see it: no part of the cluster. */
const OUTSIDE = '10.231.0.1';

export const registryOnly: Story = {
  title:
    'REGISTRY_ONLY: what the registry does not know is cut off, until a ServiceEntry makes it known, its name with it',
  async tell(stage) {
    const serve = async (port: number): Promise<number> => {
      const server = await serveHttp((_, response) => response.end('from outside'), OUTSIDE, port);
      stage.after(async () => server.close());
      return server.port;
    };
    const web = ['-H', 'Host: httpbin.org', `http://${OUTSIDE}:${await serve(80)}/`];
    /** Where nobody has said that HTTP is spoken. */
    const raw = `${OUTSIDE}:${await serve(0)}`;
    stage.after(() => stage.remove('canary', '--ignore-not-found', 'sidecar/default'));
    const toolboxes = ['toolbox-envoy', 'toolbox-istio-proxy'].map(name => stage.shell('canary', name));
    for (const toolbox of toolboxes) {
      assert.equal((await toolbox.get(web)).body, 'from outside');
      assert.equal((await toolbox.get(raw)).body, 'from outside');
      assert.match((await toolbox.get('httpbin.org')).error, /Could not resolve host/);
    }
    await stage.apply(
      sidecar('canary', 'default', {
        egress: [{ hosts: ['./*', 'istio-system/*', 'kube-system/*'] }],
        outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
      }),
    );
    for (const toolbox of toolboxes) {
      // Where HTTP is spoken the proxy answers; elsewhere the connection ends in BlackHoleCluster.
      await until(`${toolbox.workload} to be kept in`, async () => {
        assert.equal((await toolbox.get(web)).status, 502);
        assert.equal((await toolbox.get(raw)).status, 0);
        assert.equal((await toolbox.get('canary')).status, 200);
        // A Service of a namespace that the Sidecar does not name.
        assert.equal((await toolbox.get('simple.simple')).status, 502);
        return true;
      });
      await until('its log', async () => (await toolbox.ofProxy.log()).includes(' BlackHoleCluster '));
    }
    await stage.apply(
      serviceEntry('canary', 'httpbin', {
        hosts: ['httpbin.org'],
        location: 'MESH_EXTERNAL',
        ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
        resolution: 'STATIC',
        endpoints: [{ address: OUTSIDE }],
      }),
    );
    for (const toolbox of toolboxes) {
      await until('the way out', async () => (await toolbox.get(web)).body === 'from outside');
      await until('its name', async () => (await toolbox.get('httpbin.org')).body === 'from outside');
      assert.equal((await toolbox.get(['-H', 'Host: example.org', `http://${OUTSIDE}/`])).status, 502);
    }
    await stage.remove('canary', 'sidecar/default');
    for (const toolbox of toolboxes)
      await until('all to be let out again', async () => (await toolbox.get(raw)).status === 200);
  },
};
