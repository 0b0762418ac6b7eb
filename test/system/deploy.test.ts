import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../support/until.ts';
import { bookinfo, split } from './bookinfo.ts';
import { LabCluster } from './lab-cluster.ts';
import { request, Traffic } from './traffic.ts';

const PROXIES = 5;

let cluster: LabCluster;
let productpage: string;
/** Of who may look at the debug pages from other machines. */
let token: string;

const samples = (name: string): string => `deploy/samples/bookinfo/${name}.yaml`;

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

const allConnected = (): Promise<unknown> =>
  until('every proxy to be connected to a replica', async () => {
    const counts = [...(await connections()).values()];
    return counts.length === 2 && counts.reduce((a, b) => a + b, 0) === PROXIES;
  });

describe('deploy/ on a real node', { timeout: 900_000 }, () => {
  before(async () => {
    cluster = await LabCluster.up();
    await cluster.deploy(await cluster.image());
    await cluster.kubectl('-n', 'istio-system', 'rollout', 'status', 'deploy/istiod', '--timeout=120s');
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

  test('bookinfo with sidecars: requests are routed as the VirtualService says', async () => {
    await cluster.apply(samples('services'));
    await cluster.apply(samples('destination-rules'));
    await cluster.apply(split(90, 10));
    await cluster.apply(bookinfo());
    await cluster.kubectl('wait', '--for=condition=Available', 'deployments', '--all', '--timeout=180s');
    const { spec } = await cluster.get<{ spec: { clusterIP: string } }>('service', 'productpage');
    productpage = `http://${spec.clusterIP}:9080/`;
    await allConnected();
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

  test('a replica is killed, and all are replaced, while requests run: none is lost, and changes still arrive', async t => {
    const traffic = new Traffic(productpage);
    t.after(() => traffic.stop());
    const [victim] = [...(await connections())].sort(([, a], [, b]) => b - a)[0] ?? assert.fail();
    await cluster.kubectl('-n', 'istio-system', 'delete', 'pod', victim, '--grace-period=0', '--force');
    await allConnected();
    const before = await cluster.replicas();
    await cluster.kubectl('-n', 'istio-system', 'rollout', 'restart', 'deploy/istiod');
    await cluster.kubectl('-n', 'istio-system', 'rollout', 'status', 'deploy/istiod', '--timeout=120s');
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
    await traffic.stop();
    assert.deepEqual(traffic.lost, []);
    t.diagnostic(`${traffic.answers.length} requests answered`);
  });

  test('no proxy has rejected anything', async () => {
    for (const { status } of await cluster.replicas()) {
      const page = await request(`http://${status.podIP}:15014/metrics`);
      assert.doesNotMatch(page, /^pilot_total_xds_rejects\{.*[1-9]/m);
      assert.match(page, /^pilot_services \d/m);
    }
  });
});
