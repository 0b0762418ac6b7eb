import assert from 'node:assert/strict';
import { PodOnNode } from './pod-on-node.ts';
import { tally } from './shell.ts';
import type { Story } from './story.ts';

export const withoutNode: Story = {
  title:
    "kube-proxy stopped and its rules flushed: an app of the mesh goes on by ClusterIP, and by name where it can ask; its proxy's user and pods out of the mesh do not",
  async tell(stage) {
    interface Service {
      readonly spec: { readonly clusterIP: string };
    }
    const { cluster } = stage;
    const { spec } = await cluster.get<Service>('service', 'bill-service', '-n', 'istio-demo');
    const coredns = await PodOnNode.of(cluster, 'kube-system', 'coredns');
    const byAddress = `${spec.clusterIP}:9999`;
    /** Of what is not answered. */
    const quick = (url: string) => ['--connect-timeout', '1', url];
    const fronts = ['front-tomcat-v1', 'front-tomcat-v2'].map(name => stage.shell('istio-demo', name));
    const toolboxes = ['toolbox-envoy', 'toolbox-istio-proxy'].map(name => stage.shell('canary', name));
    const outside = stage.shell('simple', 'simple');
    const askOutside = (ms: number) =>
      outside.run(
        'node',
        '-e',
        `fetch('http://${byAddress}', { signal: AbortSignal.timeout(${ms}) }).then(a => a.text()).then(console.log, e => console.log('none'))`,
      );
    assert.match(await askOutside(60_000), /bill-service/);
    stage.after(await cluster.withoutKubeProxy());
    assert.equal(await askOutside(1_000), 'none\n');
    await Promise.all([
      ...fronts.map(async front => {
        const answers = tally(await front.curl(byAddress, { times: 10 }));
        assert.deepEqual(answers, { 'this is bill-service-v1': 10 });
        assert.equal((await front.ofProxy.get(quick(byAddress))).status, 0);
        assert.match((await front.get(quick('bill-service:9999'))).error, /resolv/i);
        // As soon as a name server is found, names do, too. The file is a mount: it can be written, and not replaced.
        const edited = `$(sed 's/^nameserver.*/nameserver ${coredns.address}/' /etc/resolv.conf)`;
        await front.run('bash', '-c', `echo "${edited}" > /etc/resolv.conf`);
        assert.equal((await front.get('bill-service:9999')).body, 'this is bill-service-v1');
      }),
      // Where DNS is captured the proxy knows the names.
      ...toolboxes.map(async toolbox => assert.equal((await toolbox.get('canary')).body, 'canary v1')),
    ]);
  },
};
