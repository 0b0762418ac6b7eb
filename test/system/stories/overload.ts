import assert from 'node:assert/strict';
import { until } from '../../support/until.ts';
import { destinationRule } from './config.ts';
import { tally } from './shell.ts';
import type { Story } from './story.ts';

const toolboxes = ['toolbox-envoy', 'toolbox-istio-proxy'];

const nginx = (trafficPolicy: object): object => destinationRule('canary', 'nginx', { host: 'nginx', trafficPolicy });

export const circuitBreaker: Story = {
  title:
    'a circuit breaker: what one connection and one request in wait cannot carry is answered 503 at once, flagged UO in the log and counted',
  async tell(stage) {
    await stage.apply(
      nginx({
        connectionPool: {
          tcp: { maxConnections: 1 },
          http: { http1MaxPendingRequests: 1, maxRequestsPerConnection: 1 },
        },
      }),
    );
    for (const name of toolboxes) {
      const toolbox = stage.shell('canary', name);
      // Longer and longer, so that they meet where the machine begins one after the other.
      let ms = 150;
      await until('an overflow', async () => {
        ms = Math.min(2 * ms, 10_000);
        const answers = await toolbox.curl(`nginx/slow/${ms}`, { times: 12, atOnce: 12 });
        const refused = answers.filter(({ status }) => status === 503);
        assert.ok(refused.length > 0 && refused.length < answers.length, JSON.stringify(tally(answers)));
        for (const { headers } of refused) assert.deepEqual(headers['x-envoy-overloaded'], ['true']);
        return true;
      });
      const counted = await toolbox.run(
        'curl',
        '-s',
        'localhost:15000/stats?filter=nginx.*upstream_rq_pending_overflow',
      );
      assert.match(counted, /outbound\|80\|\|nginx.*upstream_rq_pending_overflow: [1-9]/);
      await until('its log', async () => / 503 UO /.test(await toolbox.ofProxy.log()));
    }
  },
};

export const outlier: Story = {
  title: 'outlier detection: a pod that fails is asked no more, whoever asks',
  async tell(stage) {
    await stage.apply(
      nginx({
        outlierDetection: { consecutive5xxErrors: 1, interval: '1s', baseEjectionTime: '3m', maxEjectionPercent: 100 },
      }),
    );
    for (const name of toolboxes)
      await until('both pods', async () => {
        const answers = await stage.shell('canary', name).curl('nginx', { times: 12, atOnce: 4 });
        return Object.keys(tally(answers)).length === 2;
      });
    const [broken, sound] = [stage.shell('canary', 'nginx-envoy'), 'nginx istio-proxy'];
    await broken.run('node', '-e', `fetch('http://127.0.0.1/break')`);
    for (const name of toolboxes) {
      const toolbox = stage.shell('canary', name);
      await until('the failing pod to be left out', async () => {
        assert.deepEqual(tally(await toolbox.curl('nginx', { times: 20, atOnce: 4 })), { [sound]: 20 });
        return true;
      });
      const hosts = await toolbox.run('curl', '-s', 'localhost:15000/clusters');
      assert.match(hosts, /^outbound\|80\|\|nginx.*::health_flags::\/failed_outlier_check$/m);
    }
    await stage.remove('canary', 'destinationrule/nginx');
    await until('it to be asked again', async () => {
      const answers = await stage.shell('canary', 'toolbox-envoy').curl('nginx', { times: 8 });
      return tally(answers)['503'];
    });
  },
};
