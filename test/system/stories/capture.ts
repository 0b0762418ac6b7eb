import assert from 'node:assert/strict';
import { PodOnNode } from './pod-on-node.ts';
import type { Story } from './story.ts';

/** What istio-init leaves in the nat table, as Istio 1.31 has it. */
const NAT = `-A PREROUTING -p tcp -j ISTIO_INBOUND
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp -m tcp --dport 15008 -j RETURN
-A ISTIO_INBOUND -p tcp -m tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp -m tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp -m tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001`.split('\n');

const TO_OUTBOUND = '-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001';
const TO_INBOUND = '-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006';
const BY_PROXY = '-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN';
const TO_APP = '-A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN';

const TRANSPARENTLY = /^-A ISTIO_TPROXY .*-j TPROXY --on-port 15006 .*--tproxy-mark 0x539/;

export const redirected: Story = {
  title:
    "the nat rules of a pod, read from the node: Istio's for either sidecar, and each call meets those that it should",
  async tell(stage) {
    for (const [caller, called] of [
      ['front-tomcat-v1', 'bill-service-v2'],
      ['front-tomcat-v2', 'bill-service-v1'],
    ] as const) {
      const out = await PodOnNode.of(stage.cluster, 'istio-demo', caller);
      const into = await PodOnNode.of(stage.cluster, 'istio-demo', called);
      for (const pod of [out, into])
        assert.deepEqual((await pod.rules('nat')).map(({ rule }) => rule).toSorted(), NAT.toSorted());
      const front = stage.shell('istio-demo', caller);
      // Envoy's ports; its admin page is the app's to read, too.
      const listening = await front.ofProxy.run('ss', '-Hlnt');
      for (const port of ['127.0.0.1:15000', '0.0.0.0:15001', '0.0.0.0:15006', ':15020', ':15021', ':15090'])
        assert.ok(listening.includes(`${port} `), `${port}\n${listening}`);
      assert.equal((await front.get('-I 127.1:15000/config_dump')).headers['server']?.[0], 'envoy');
      // Each from the app is the outbound proxy's.
      const sent = await out.metBy('nat', () => front.curl('bill-service:9999', { times: 5 }));
      assert.equal(sent[TO_OUTBOUND], 5, JSON.stringify(sent));
      // What the proxy's user sends goes its way, and is the other pod's inbound proxy's.
      const direct = `http://${into.address}/`;
      let past: Readonly<Record<string, number>> = {};
      const came = await into.metBy('nat', async () => {
        past = await out.metBy('nat', () => front.ofProxy.curl(direct, { times: 5 }));
      });
      assert.equal(came[TO_INBOUND], 5, JSON.stringify(came));
      assert.equal(past[TO_OUTBOUND], undefined, JSON.stringify(past));
      assert.ok((past[BY_PROXY] ?? 0) >= 5, JSON.stringify(past));
      // What the inbound proxy passes on does not come to it again.
      assert.ok((await into.rules('nat')).some(({ rule, met }) => rule === TO_APP && met > 0));
    }
  },
};

export const transparent: Story = {
  title: 'TPROXY: the mangle table hands connections to the proxy, and the app sees who called',
  async tell(stage) {
    const toolboxes = ['toolbox-envoy', 'toolbox-istio-proxy'];
    for (const name of toolboxes) {
      const toolbox = stage.shell('canary', name);
      const { address } = await PodOnNode.of(stage.cluster, 'canary', name);
      const answers = await toolbox.curl('nginx', { times: 24, atOnce: 2 });
      const seen = answers.map(({ body, headers }) => `${body} ${headers['x-asked-by']?.[0]}`);
      assert.deepEqual([...new Set(seen)].toSorted(), [`nginx envoy ${address}`, `nginx istio-proxy ${address}`]);
    }
    const mangle = async (name: string) => {
      const rules = await (await PodOnNode.of(stage.cluster, 'canary', name)).rules('mangle');
      assert.ok(
        rules.some(({ rule, met }) => TRANSPARENTLY.test(rule) && met > 0),
        JSON.stringify(rules),
      );
      return rules.map(({ rule }) => rule);
    };
    assert.deepEqual(await mangle('nginx-envoy'), await mangle('nginx-istio-proxy'));
  },
};
