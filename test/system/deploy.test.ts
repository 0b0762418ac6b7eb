import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { installation } from '../../src/cli/install.ts';
import { until } from '../support/until.ts';
import { lossless, PROGRAM, samples, split, type Template, WORKLOADS } from './bookinfo.ts';
import { bugReport, COLLECTED } from './bug-report.ts';
import { throughCharts } from './gateways.ts';
import { LabCluster } from './lab-cluster.ts';
import { followReadme, type Seen } from './newcomer.ts';
import { besideDefault } from './revision.ts';
import { tellStories } from './stories/stories.ts';
import { request, Traffic } from './traffic.ts';
import { type Step, viewer, walk } from './walk.ts';
import { WALKTHROUGHS, Walker } from './walkthroughs.ts';

/** The sidecars and the gateway. */
const PROXIES = WORKLOADS.length + 1;

let cluster: LabCluster;
let seen: Seen;
/** Of Istio's source. */
let bookinfo: string;
/** Through the ingress gateway. */
let productpage: string;
/** Of who may look at the debug pages from other machines. */
let token: string;

/** Istio's own proxy and stock Envoy in one mesh, and calls between them both ways. */
const templates: Readonly<Record<string, Template>> = { 'reviews-v2': 'istio-proxy', 'productpage-v1': 'istio-proxy' };

const versionOf = (answer: string): string => /"reviews","version":"(v\d)"/.exec(answer)?.[1] ?? 'none';

/** The proxies connected to each replica. */
async function connections(): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const { metadata, status } of await cluster.replicas()) {
    const page = await request(`http://${status.podIP}:15014/debug/syncz`, { authorization: `Bearer ${token}` });
    const rows = JSON.parse(page) as readonly unknown[];
    counts.set(metadata.name, rows.length);
  }
  return counts;
}

/** Stops the requests; where some were lost, says what the cluster went through. */
async function noneLost(traffic: Traffic): Promise<void> {
  await traffic.stop();
  const events = traffic.lost.length ? await cluster.kubectl('get', 'events', '-A', '--sort-by=.lastTimestamp') : '';
  assert.deepEqual(traffic.lost.slice(0, 20), [], `${traffic.lost.length} lost\n${events}`);
}

const allConnected = (): Promise<unknown> =>
  until('every proxy to be connected to a replica', async () => {
    const counts = [...(await connections()).values()];
    return counts.length === 2 && counts.reduce((a, b) => a + b, 0) === PROXIES;
  });

describe('deploy/ on a real node', { timeout: 3_600_000 }, () => {
  before(async () => {
    cluster = await LabCluster.up();
    bookinfo = await samples();
    await cluster.serveBookinfo(PROGRAM);
    seen = await followReadme();
    token = (
      await cluster.kubectl('-n', 'istio-system', 'create', 'token', 'default', '--audience', 'istio-ca')
    ).trim();
  });
  after(() => cluster?.down());

  test("it has istiod's names and ports, and Pod Security finds nothing to object to", async () => {
    interface Service {
      readonly spec: { readonly ports: readonly { name: string; port: number; targetPort: number }[] };
    }
    const { spec } = await cluster.get<Service>('service', 'istiod', '-n', 'istio-system');
    assert.deepEqual(
      spec.ports.map(({ name, port, targetPort }) => [name, port, targetPort]),
      [
        ['grpc-xds', 15010, 15010],
        ['https-dns', 15012, 15012],
        ['https-webhook', 443, 15017],
        ['http-monitoring', 15014, 15014],
      ],
    );
    // The API server warns of each pod that would not be admitted; kubectl makes errors of warnings.
    const restricted = 'pod-security.kubernetes.io/enforce=restricted';
    const label = ['label', 'namespace', 'istio-system', restricted, '--overwrite', '--dry-run=server'];
    await cluster.kubectl(...label, '--warnings-as-errors');
  });

  test('its rights suffice for every kind, and the CRDs it brings are all there', async () => {
    for (const { status } of await cluster.replicas()) {
      // A CRD that the API server did not serve yet when the replica started is found at its next look.
      await until('every kind to be watched', async () => {
        const page = await request(`http://${status.podIP}:15014/ready?verbose`);
        assert.match(page, /^ready/);
        const kinds = page.split('\n').filter(line => /^\[/.test(line));
        assert.ok(kinds.length >= 20, page);
        const others = kinds.filter(line => !/: watching( \(|$)/.test(line));
        assert.deepEqual(others, []);
        return true;
      });
    }
  });

  test('README.md leads from nothing to bookinfo in the browser', () => {
    assert.match(seen.printed, /^kubectl talks to kind-pilotlight$/m);
    assert.match(versionOf(seen.page), /^v\d$/, seen.page);
  });

  test('sidecars of both kinds in one mesh: requests are routed as the VirtualService says', async t => {
    await cluster.fitIn();
    await cluster.apply(join(bookinfo, 'networking/destination-rule-all.yaml'));
    await cluster.apply(split(90, 10));
    const began = performance.now();
    for (const [name, container] of WORKLOADS) {
      const patch = JSON.stringify(lossless(container, templates[name]));
      await cluster.kubectl('patch', 'deployment', name, '--patch', patch);
    }
    for (const [name] of WORKLOADS) await cluster.rolledOut(name);
    t.diagnostic(`all pods are Ready after ${Math.round(performance.now() - began)} ms`);
    productpage = `http://${await cluster.clusterIp('istio-ingressgateway', 'istio-system')}/productpage`;
    await allConnected();
    await until('the gateway to route', () => request(productpage).then(() => true));
    const seen = new Map<string, number>();
    for (let i = 0; i < 400; i += 8) {
      for (const answer of await Promise.all(Array.from({ length: 8 }, () => request(productpage))))
        seen.set(versionOf(answer), (seen.get(versionOf(answer)) ?? 0) + 1);
    }
    assert.deepEqual([...seen.keys()].sort(), ['v1', 'v2']);
    // 40 are expected; the limits are five standard deviations away.
    const v2 = seen.get('v2') ?? 0;
    assert.ok(v2 > 10 && v2 < 70, `${v2} of 400 to v2`);
  });

  test('the same pod, two users: the app is in the mesh, its proxy is not', async () => {
    const answers = async (container: string, ...command: readonly string[]): Promise<readonly string[]> =>
      (await cluster.exec('deploy/details-v1', container, ...command)).match(/"version":"v\d"/g) ?? [];
    const inNode = `for (let i = 0; i < 60; i++) console.log(await (await fetch('http://reviews:9080/')).text())`;
    const app = await answers('details', 'node', '--input-type=module', '--eval', inNode);
    const bash = 'for i in $(seq 60); do curl -s http://reviews:9080/; echo; done';
    const proxy = await answers('istio-proxy', 'bash', '-c', bash);
    // Answers of v2 and v3 have that of ratings in them, a v1.
    const of = (said: readonly string[], version: string) => said.filter(one => one.includes(version)).length;
    assert.ok(of(app, 'v2') < 25, `${of(app, 'v2')} of 60 to v2 from the app, which is 9:1`);
    assert.equal(of(app, 'v3'), 0);
    assert.ok(
      of(proxy, 'v3') > 4 && of(proxy, 'v3') < 40,
      `${of(proxy, 'v3')} of 60 to v3 from the proxy's user, a third`,
    );
  });

  test('STRICT: who is in the mesh is served, who is not is cut off, and probes go on', async () => {
    const strict = (await installation('mtlsMode=STRICT')).find(({ kind }) => kind === 'PeerAuthentication');
    await cluster.apply(strict ?? assert.fail());
    const [details] = await cluster.pods('app=details', 'default');
    const direct = `http://${details?.status.podIP}:9080/`;
    await until('plaintext to be cut off', () =>
      request(direct).then(
        () => false,
        () => true,
      ),
    );
    for (let i = 0; i < 40; i++) await request(productpage);
    await cluster.wait('--for=condition=Ready', 'pods', '-l', 'app');
  });

  test('a Job of the mesh ends, its sidecar with it', async () => {
    const get = `fetch('http://productpage:9080/').then(answer => process.exit(answer.ok ? 0 : 1))`;
    for (const template of ['envoy', 'istio-proxy']) {
      const metadata = { annotations: { 'inject.istio.io/templates': template } };
      const containers = [{ name: 'once', image: 'localhost/app:1', command: ['node', '-e', get] }];
      await cluster.apply({
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: `once-${template}`, namespace: 'default' },
        spec: { backoffLimit: 0, template: { metadata, spec: { restartPolicy: 'Never', containers } } },
      });
    }
    interface Job {
      readonly status: { readonly succeeded?: number; readonly failed?: number };
    }
    const ends = await until('both to end', async () => {
      const { items } = await cluster.get<{ items: readonly Job[] }>('jobs');
      return items.every(({ status }) => status.succeeded || status.failed) ? items : undefined;
    });
    assert.deepEqual(
      ends.map(({ status }) => [status.succeeded, status.failed]),
      [
        [1, undefined],
        [1, undefined],
      ],
    );
  });

  test('the apps are replaced while requests run, and none is lost', async t => {
    const traffic = new Traffic(productpage);
    t.after(() => traffic.stop());
    await cluster.kubectl('rollout', 'restart', 'deployments', '-l', 'app');
    for (const [name] of WORKLOADS) await cluster.rolledOut(name);
    await until('the pods of before to be gone', async () => {
      return (await cluster.pods('app', 'default')).length === PROXIES - 1;
    });
    await noneLost(traffic);
    t.diagnostic(`${traffic.answers.length} requests answered`);
  });

  test('the walk with istioctl: each command finds what it asks for, through a port-forward to two replicas and to proxies of both kinds', async t => {
    const podOf = async (app: string, namespace: string): Promise<string> => {
      const pods = await cluster.pods(`app=${app}`, namespace);
      assert.equal(pods.length, 1, app);
      return pods[0]?.metadata.name ?? assert.fail();
    };
    const envoy = await podOf('details', 'default');
    const agent = await podOf('productpage', 'default');
    const gateway = await podOf('istio-ingressgateway', 'istio-system');
    await allConnected();
    await cluster.apply(viewer);
    await until('the policy', async () => (await cluster.istioctl('x', 'authz', 'check', envoy)).includes('viewer'));
    const began = performance.now();
    const steps = walk({ envoy, agent, gateway }, join(bookinfo, 'platform/kube/bookinfo.yaml'));
    // What was changed takes its time to be where it is looked at.
    const take = ({ command, prints }: Step): Promise<unknown> =>
      until(`istioctl ${command.join(' ')}`, async () => {
        const said = await cluster.istioctl(...command);
        for (const pattern of prints) assert.match(said, pattern, said);
        return true;
      });
    for (let i = 0; i < steps.length; i += 4) await Promise.all(steps.slice(i, i + 4).map(take));
    t.diagnostic(`${steps.length} commands took ${Math.round(performance.now() - began)} ms`);
  });

  test("gateways of Istio's Helm charts become ours unchanged, and serve where they listen", async t => {
    const answers = await throughCharts(cluster, end => t.after(end));
    assert.deepEqual(
      answers.map(versionOf).map(version => /^v\d$/.test(version)),
      [true, true],
    );
  });

  test('a revision beside the default one, and a tag of it: each injects where it is named', async t => {
    const { injected, connected } = await besideDefault(cluster, token, end => t.after(end));
    const canary = 'canary docker.io/istio/proxyv2:1.31.0';
    const stable = 'default docker.io/envoyproxy/envoy:distroless-v1.36.2';
    assert.deepEqual(injected, { canary, prod: canary, stable, none: 'none' });
    assert.deepEqual(connected, ['sleeper.canary', 'sleeper.prod']);
  });

  test('a replica is killed, and all are replaced, while requests run: none is lost, and changes still arrive', async t => {
    const traffic = new Traffic(productpage);
    t.after(() => traffic.stop());
    const [victim] = [...(await connections())].sort(([, a], [, b]) => b - a)[0] ?? assert.fail();
    await cluster.kubectl('-n', 'istio-system', 'delete', 'pod', victim, '--grace-period=0', '--force');
    await allConnected();
    const before = await cluster.replicas();
    await cluster.kubectl('-n', 'istio-system', 'rollout', 'restart', 'deploy/istiod');
    await cluster.rolledOut('istiod', 'istio-system');
    await until('the replicas of before to be gone', async () => {
      const now = new Set((await cluster.replicas()).map(pod => pod.metadata.name));
      return now.size === 2 && before.every(pod => !now.has(pod.metadata.name));
    });
    await allConnected();
    await cluster.apply(split(0, 100));
    await until('all requests to go to v2', () => {
      const last = traffic.answers.slice(-40);
      return last.every(answer => versionOf(answer) === 'v2');
    });
    await noneLost(traffic);
    t.diagnostic(`${traffic.answers.length} requests answered`);
  });

  test('while no control plane is there requests go on, new pods are refused; when it is back they are made', async t => {
    const traffic = new Traffic(productpage);
    t.after(() => traffic.stop());
    const scale = (deployment: string, replicas: number, namespace: string) =>
      cluster.kubectl('-n', namespace, 'scale', `deploy/${deployment}`, `--replicas=${replicas}`);
    await scale('istiod', 0, 'istio-system');
    await cluster.wait('-n', 'istio-system', '--for=delete', 'pods', '-l', 'app=istiod');
    await scale('ratings-v1', 2, 'default');
    interface ReplicaSets {
      readonly items: readonly { readonly status: { readonly conditions?: readonly { message: string }[] } }[];
    }
    await until('a refusal', async () => {
      const { items } = await cluster.get<ReplicaSets>('replicasets', '-l', 'app=ratings');
      return items.some(({ status }) =>
        status.conditions?.some(({ message }) => /failed calling webhook/.test(message)),
      );
    });
    await scale('istiod', 2, 'istio-system');
    await cluster.rolledOut('ratings-v1');
    await cluster.rolledOut('istiod', 'istio-system');
    await noneLost(traffic);
  });

  tellStories(() => cluster);

  test('published walkthroughs of Istio: what is typed in them prints what it is to print, of sidecars of both kinds', async t => {
    const began = performance.now();
    const walker = new Walker(cluster);
    await walker.clear();
    await walker.makePods();
    t.diagnostic(`all pods are Ready after ${Math.round(performance.now() - began)} ms`);
    let typed = 0;
    for (const name of WALKTHROUGHS) typed += await walker.walk(name);
    assert.ok(typed > 90);
    t.diagnostic(`all ${typed} lines are typed after ${Math.round(performance.now() - began)} ms`);
  });

  test('a bug report has the debug pages of both replicas, and the configuration of proxies of both kinds', async () => {
    const replicas = await cluster.replicas();
    const pages = replicas.flatMap(({ metadata }) =>
      COLLECTED.map(page => `istio/istio-system/${metadata.name}/debug/${page}`),
    );
    // istioctl leaves out who has not answered in so many seconds.
    await until('a whole report', async () => {
      const report = await bugReport(cluster);
      const lacking = pages.filter(page => !report.has(page));
      const dumps = [...report].filter(name => /^proxies\/sidecar\/.*\/config_dump/.test(name));
      assert.deepEqual([lacking, dumps.length], [[], 4]);
      return true;
    });
  });

  test('no proxy has rejected anything', async () => {
    for (const { status } of await cluster.replicas()) {
      const page = await request(`http://${status.podIP}:15014/metrics`);
      assert.doesNotMatch(page, /^pilot_total_xds_rejects\{.*[1-9]/m);
      assert.match(page, /^pilot_services \d/m);
    }
  });
});
