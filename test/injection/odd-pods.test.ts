import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { problemLine } from '../../src/config/problem.ts';
import { injectPod } from '../../src/injection/inject.ts';
import { findContainer, type Pod } from '../../src/injection/pod.ts';
import { type Sidecar, sidecars } from '../../src/injection/templates/templates.ts';
import { uninject } from '../../src/injection/uninject.ts';
import { settingsOf } from './case.ts';
import { oddPods } from './odd-pods.ts';
import { patched } from './patched.ts';
import { podFaults } from './pod-faults.ts';

// test/system/injection.test.ts shows them to a real API server.

const where = { namespace: 'default', native: false };
const values = (more = '') => `{"global":{"network":"n1"${more}}}`;
const plain = (value: unknown): Pod => JSON.parse(JSON.stringify(value));

let injected = 0;
for (const sidecar of Object.keys(sidecars) as Sidecar[]) {
  const settings = settingsOf({ values: values(), mesh: '', sidecar });
  const others = settingsOf({
    values: values(',"logAsJson":true,"proxy":{"readinessPeriodSeconds":7},"imagePullSecrets":["s"]'),
    mesh: 'defaultConfig: {proxyMetadata: {A: b}, statusPort: 15019}',
    sidecar,
  });
  for (const { name, pod, refused } of oddPods)
    test(`${sidecar}: ${name}`, () => {
      const injection = injectPod(pod, settings, where);
      if (refused) {
        assert.ok(injection.kind === 'refuse', `not refused: ${JSON.stringify(injection)}`);
        const said = injection.problems.map(problemLine).join('\n');
        assert.match(said, refused);
        assert.ok(said.length < 1_000, `${said.length} characters`);
        return;
      }
      assert.ok(injection.kind === 'inject', JSON.stringify(injection));
      const result = plain(injection.pod);
      assert.deepEqual(podFaults(result), []);
      assert.deepEqual(patched(pod, injection.patch), result);
      const again = injectPod(result, settings, where);
      assert.ok(again.kind === 'inject');
      assert.deepEqual(plain(again.pod), result, 'injected twice');
      // As if it were injected for the first time, by settings that changed since.
      const [first, changed] = [pod, result].map(given => injectPod(given, others, where));
      assert.ok(first?.kind === 'inject' && changed?.kind === 'inject');
      assert.deepEqual(plain(changed.pod), plain(first.pod), 'injected again by other settings');
      injected++;
    });
}

test("what the user's own proxy says holds where a merge would say two things", () => {
  const settings = settingsOf({ values: values(), mesh: '' });
  const proxyOf = (name: string) => {
    const pod = oddPods.find(odd => odd.name === name)?.pod ?? assert.fail(name);
    const injection = injectPod(pod, settings, where);
    assert.ok(injection.kind === 'inject');
    return findContainer(injection.pod, 'istio-proxy') ?? assert.fail('no proxy');
  };
  const variable = (name: string, of: string) => proxyOf(name).env?.filter(v => v.name === of);
  assert.deepEqual(variable('a value where the template has a source, native', 'POD_NAME'), [
    { name: 'POD_NAME', value: 'fixed' },
  ]);
  const fromSecret = { secretKeyRef: { name: 's', key: 'k' } };
  assert.deepEqual(variable('another source, not native', 'POD_NAME'), [{ name: 'POD_NAME', valueFrom: fromSecret }]);
  assert.equal(variable('a variable without a value, native', 'POD_NAME')?.[0]?.['value'], undefined);
  assert.deepEqual(
    proxyOf('a port for TCP and UDP, not native').ports?.map(port => `${port.containerPort}/${port.protocol}`),
    ['443/TCP', '443/UDP', '15090/TCP'],
  );
  assert.deepEqual(variable('the proxy among the init containers, not native', 'A'), [{ name: 'A', value: 'b' }]);
  const sleep = (name: string) => proxyOf(name).lifecycle?.preStop?.['sleep'];
  assert.equal(sleep('less time to end than the proxy would take, not native'), undefined);
  assert.deepEqual(sleep('more time to drain than the pod has'), { seconds: 30 });
});

test('what the user wrote of the proxy comes out again where the user wrote it', () => {
  const settings = settingsOf({ values: values(), mesh: '' });
  for (const name of ['the proxy among the init containers', 'a limit below the request', 'the proxy alone'])
    for (const kind of ['native', 'not native']) {
      const pod = oddPods.find(odd => odd.name === `${name}, ${kind}`)?.pod ?? assert.fail(name);
      const injection = injectPod(pod, settings, where);
      assert.ok(injection.kind === 'inject');
      assert.deepEqual(plain(uninject(plain(injection.pod))), plain(pod), `${name}, ${kind}`);
    }
});

test('what an annotation holds that is no container does not come out again', () => {
  for (const volumeMounts of [5, [null], {}]) {
    const kept = JSON.stringify({ containers: [{ name: 'istio-proxy', volumeMounts }] });
    const pod = {
      metadata: {
        annotations: { 'sidecar.istio.io/status': '{"containers":["istio-proxy"]}', 'proxy.istio.io/overrides': kept },
      },
      spec: { containers: [{ name: 'web' }, { name: 'istio-proxy' }] },
    };
    assert.deepEqual(plain(uninject(pod)).spec, { containers: [{ name: 'web' }] });
  }
});

test("of what istiod injected the user's own name of the workload stays", () => {
  const settings = settingsOf({ values: values(), mesh: '' });
  const status = '{"containers":["istio-proxy"],"volumes":null,"revision":"default"}';
  for (const [label, workload, expected] of [
    ['mine', 'web', 'mine'],
    ['web', 'web', 'web'],
    ['mine', '', 'mine'],
  ] as const) {
    const pod = {
      metadata: {
        ...(workload ? { name: workload } : { generateName: 'web-' }),
        labels: { 'service.istio.io/canonical-name': label },
        annotations: { 'sidecar.istio.io/status': status },
      },
      spec: { containers: [{ name: 'web', image: 'web' }] },
    } as Pod;
    const injection = injectPod(pod, settings, where);
    assert.ok(injection.kind === 'inject');
    assert.equal(injection.pod.metadata?.labels?.['service.istio.io/canonical-name'], expected);
  }
});

test('a bootstrap that no argument can hold refuses the pod, and another sidecar takes it', () => {
  const probe = { httpGet: { port: 80 } };
  const containers = Array.from({ length: 200 }, (_, i) => ({
    name: `c${i}`,
    image: 'x',
    ...{ readinessProbe: probe, livenessProbe: probe, startupProbe: probe },
  }));
  const pod = { metadata: {}, spec: { containers } } as Pod;
  const [envoy, other] = (['envoy', 'istio-proxy'] as const).map(sidecar =>
    injectPod(pod, settingsOf({ values: values(), mesh: '', sidecar }), where),
  );
  assert.ok(envoy?.kind === 'refuse');
  assert.match(envoy.problems[0]?.message ?? '', /longer than the \d+ bytes that an argument can have/);
  assert.equal(other?.kind, 'inject');
  // The letters that stand for variables while the bootstrap is made.
  const labels = { a: '\uE000'.repeat(300_000) };
  const long = injectPod(
    { metadata: { labels }, spec: { containers } },
    settingsOf({ values: values(), mesh: '' }),
    where,
  );
  assert.equal(long.kind, 'refuse');
});

test("what of the app is the proxy's is told", () => {
  const warned = (name: string) => {
    const pod = oddPods.find(odd => odd.name === name)?.pod ?? assert.fail(name);
    const injection = injectPod(pod, settingsOf({ values: values(), mesh: '' }), where);
    return injection.kind === 'inject' ? injection.problems.map(({ path, message }) => `${path}: ${message}`) : [];
  };
  assert.deepEqual(warned('the user of the proxy, native'), [
    "spec.containers[0].securityContext.runAsUser: 1337 is the proxy's user: its traffic is not captured",
  ]);
  assert.deepEqual(
    warned('the ports of the proxy, native').map(text => text.slice(0, 46)),
    [0, 1, 2, 3].map(i => `spec.containers[0].ports[${i}].containerPort: 150`),
  );
  assert.deepEqual(warned('another user, native'), []);
});

test('a pod whose annotations are gone is injected over what it has, and has nothing twice', () => {
  for (const sidecar of Object.keys(sidecars) as Sidecar[])
    for (const name of ['a limit below the request', 'words about both', 'the proxy among the init containers'])
      for (const kind of ['native', 'not native'])
        for (const gone of [['sidecar.istio.io/status'], ['sidecar.istio.io/status', 'proxy.istio.io/overrides']]) {
          const pod = oddPods.find(odd => odd.name === `${name}, ${kind}`)?.pod ?? assert.fail(name);
          const settings = settingsOf({ values: values(), mesh: '', sidecar });
          const first = injectPod(pod, settings, where);
          assert.ok(first.kind === 'inject');
          const stripped = plain(first.pod) as { metadata: { annotations: { [name: string]: string } } };
          for (const annotation of gone) delete stripped.metadata.annotations[annotation];
          const again = injectPod(stripped as unknown as Pod, settings, where);
          assert.ok(again.kind === 'inject', JSON.stringify(again));
          assert.deepEqual(podFaults(plain(again.pod)), [], `${sidecar} ${name} ${gone}`);
        }
});

test("a pod that had its node's network before is left alone", () => {
  const status = '{"containers":["istio-proxy"],"before":{"spec":{"hostNetwork":true}}}';
  const pod = {
    metadata: { annotations: { 'sidecar.istio.io/status': status } },
    spec: { containers: [{ name: 'web', image: 'web' }] },
  } as Pod;
  assert.equal(injectPod(pod, settingsOf({ values: values(), mesh: '' }), where).kind, 'skip');
});

after(() => assert.ok(injected > 80, `${injected} pods were injected`));
