import assert from 'node:assert/strict';
import { binomialBounds } from '../../support/binomial.ts';
import { until } from '../../support/until.ts';
import { destinationRule, to, versions, virtualService } from './config.ts';
import { type Answer, type Shell, tally } from './shell.ts';
import type { Stage, Story } from './story.ts';

const toolboxesOf = (stage: Stage): readonly Shell[] =>
  ['toolbox-envoy', 'toolbox-istio-proxy'].map(name => stage.shell('canary', name));

/** The VirtualService of the stories, with one more route after the other. */
const canary = (...http: readonly object[]): object => virtualService('canary', 'canary', { hosts: ['canary'], http });

const forUser = { match: [{ headers: { user: { exact: 'zhongmingmao' } } }], route: [to('canary', 'v2')] };
const byDefault = { route: [to('canary', 'v1')] };
const USER = ['-H', 'user: zhongmingmao', 'canary'];

/** What each toolbox gets is this, once what was applied has come to it. */
async function gets(stage: Stage, args: string | readonly string[], expected: Partial<Answer>): Promise<void> {
  for (const toolbox of toolboxesOf(stage))
    await until(`${toolbox.workload}: curl ${args}`, async () => {
      const answer = await toolbox.get(args);
      for (const [field, value] of Object.entries(expected)) assert.equal(answer[field as keyof Answer], value);
      return true;
    });
}

const subsets = destinationRule('canary', 'canary', {
  host: 'canary',
  trafficPolicy: { loadBalancer: { simple: 'RANDOM' } },
  subsets: versions('v1', 'v2').map((subset, i) => ({
    ...subset,
    ...(i === 1 && { trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' } } }),
  })),
});

export const headerRoute: Story = {
  title:
    'a canary for one user: the header sends to v2, everybody else goes to v1, and the logs of the apps say the same',
  async tell(stage) {
    await stage.apply(canary(forUser, byDefault), subsets);
    await gets(stage, USER, { status: 200, body: 'canary v2' });
    await gets(stage, 'canary', { status: 200, body: 'canary v1' });
    const [v1, v2] = [stage.shell('canary', 'canary-v1'), stage.shell('canary', 'canary-v2')];
    const path = '/whose';
    for (const toolbox of toolboxesOf(stage)) {
      const ofUser = await toolbox.curl(USER.with(-1, `canary${path}`), { times: 10 });
      assert.deepEqual(tally(ofUser), { 'canary v2': 10 });
      const answers = await toolbox.curl(`canary${path}`, { times: 10 });
      assert.deepEqual(tally(answers), { 'canary v1': 10 });
      // Who answered is the caller's own proxy.
      for (const { headers } of answers) {
        assert.deepEqual(headers['server'], ['envoy']);
        assert.ok(headers['x-envoy-upstream-service-time']);
      }
    }
    for (const app of [v1, v2])
      await until(`the log of ${app.workload}`, async () => {
        const lines = (await app.log()).split('\n').filter(line => line.includes(path));
        assert.deepEqual(
          lines,
          Array.from({ length: 20 }, () => `127.0.0.6 "GET ${path}" 200 canary`),
        );
        return true;
      });
  },
};

export const faults: Story = {
  title:
    "faults: 80 % of the requests are answered 500 in the app's place, those of the canary user none; a delay and an abort by header",
  async tell(stage) {
    const fault = { abort: { httpStatus: 500, percentage: { value: 80 } } };
    const byHeader = (value: string, injected: object): object => ({
      match: [{ headers: { 'x-fault': { exact: value } } }],
      fault: injected,
      route: [to('canary', 'v1')],
    });
    await stage.apply(
      canary(
        byHeader('abort', { abort: { httpStatus: 418, percentage: { value: 100 } } }),
        byHeader('delay', { delay: { fixedDelay: '1.5s', percentage: { value: 100 } } }),
        { ...forUser, retries: { attempts: 3, perTryTimeout: '50s' } },
        { ...byDefault, fault },
      ),
    );
    await gets(stage, ['-H', 'x-fault: abort', 'canary'], { status: 418, body: 'fault filter abort' });
    const { low, high } = binomialBounds(60, 0.8);
    for (const toolbox of toolboxesOf(stage)) {
      const { seconds, body } = await toolbox.get(['-H', 'x-fault: delay', 'canary']);
      assert.ok(seconds >= 1.5, String(seconds));
      assert.equal(body, 'canary v1');
      const { '500': failed = 0, ...served } = tally(await toolbox.curl('canary', { times: 60, atOnce: 4 }));
      assert.ok(low <= failed && failed <= high, `${failed} of 60, expected ${low} to ${high}`);
      assert.deepEqual(served, { 'canary v1': 60 - failed });
      assert.deepEqual(tally(await toolbox.curl(USER, { times: 10 })), { 'canary v2': 10 });
    }
  },
};

export const patience: Story = {
  title:
    'retries: an app that fails three times is asked four times, and no more; a timeout answers 504 for one that is slow',
  async tell(stage) {
    const retries = { attempts: 3, perTryTimeout: '50s', retryOn: '5xx' };
    await stage.apply(canary({ ...forUser, retries }, { ...byDefault, timeout: '0.5s' }));
    const asUser = (path: string): readonly string[] => ['-H', 'user: zhongmingmao', `canary${path}`];
    await gets(stage, asUser('/fail/3'), { status: 200, body: 'canary v2' });
    await gets(stage, 'canary/slow/3000', { status: 504, body: 'upstream request timeout' });
    for (const toolbox of toolboxesOf(stage)) {
      const attempts = async (path: string) => {
        const { status, headers } = await toolbox.get(asUser(path));
        return [status, headers['x-attempt']?.[0]];
      };
      assert.deepEqual(await attempts('/fail/2'), [200, '3']);
      assert.deepEqual(await attempts('/fail/3'), [200, '4']);
      assert.deepEqual(await attempts('/fail/9'), [503, '4']);
    }
  },
};

export const shadow: Story = {
  title: 'a mirror: v1 answers, and v2 is asked the same',
  async tell(stage) {
    await stage.apply(
      canary({ ...byDefault, mirror: { host: 'canary', subset: 'v2' }, mirrorPercentage: { value: 100 } }),
    );
    const app = stage.shell('canary', 'canary-v2');
    for (const toolbox of toolboxesOf(stage)) {
      const path = `/mirrored-from-${toolbox.workload}`;
      await until('a request that v2 is shown', async () => {
        assert.deepEqual(tally(await toolbox.curl(`canary${path}`, { times: 3 })), { 'canary v1': 3 });
        return (await app.log()).includes(`"GET ${path}" 200 canary\n`);
      });
    }
  },
};
