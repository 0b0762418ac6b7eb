import assert from 'node:assert/strict';
import { binomialBounds } from '../../support/binomial.ts';
import { until } from '../../support/until.ts';
import { destinationRule, to, versions, virtualService } from './config.ts';
import { type Shell, tally } from './shell.ts';
import type { Story } from './story.ts';

const [V1, V2] = ['this is bill-service-v1', 'hello, this is bill-service-v2'];

const split = (v1: number, v2: number): object =>
  virtualService('istio-demo', 'vs-bill-service', {
    hosts: ['bill-service'],
    http: [{ name: 'bill-service-route', route: [to('bill-service', 'v1', v1), to('bill-service', 'v2', v2)] }],
  });

/** Of 60 requests to port 9999 about this part goes to v2. */
async function assertSplit(shell: Shell, part: number): Promise<void> {
  const counts = tally(await shell.curl('bill-service:9999', { times: 60, atOnce: 4 }));
  const { [V1]: v1 = 0, [V2]: v2 = 0, ...others } = counts;
  assert.deepEqual([v1 + v2, others], [60, {}], shell.workload);
  const { low, high } = binomialBounds(60, part);
  assert.ok(low <= v2 && v2 <= high, `${shell.workload}: ${v2} of 60 to v2, expected ${low} to ${high}`);
}

export const billService: Story = {
  title:
    'bill-service:9999 is port 80 of its pods: 1:1 without a rule, then as the weights say, step by step; the proxy of the same pod never hears of them',
  async tell(stage) {
    const fronts = ['front-tomcat-v1', 'front-tomcat-v2'].map(name => stage.shell('istio-demo', name));
    const all = (part: number) =>
      until(`${part * 100} % to v2`, async () => {
        await Promise.all(fronts.map(front => assertSplit(front, part)));
        return true;
      });
    await all(0.5);
    await stage.apply(
      destinationRule('istio-demo', 'bill-service', { host: 'bill-service', subsets: versions('v1', 'v2') }),
    );
    for (const v2 of [10, 100, 50, 0]) {
      await stage.apply(split(100 - v2, v2));
      await all(v2 / 100);
    }
    // Services whose ports have no name, of namespaces that are not in the mesh, are called through it, too.
    for (const front of fronts) assert.equal((await front.get('sonarqube.jenkins:9000')).body, 'sonarqube');
    // Its user is let past the rules of the pod's network: what it asks goes by kube-proxy.
    for (const front of fronts) await assertSplit(front.ofProxy, 0.5);
  },
};
