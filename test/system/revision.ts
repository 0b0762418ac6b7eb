import assert from 'node:assert/strict';
import { inThisProcess } from '../cli/program.ts';
import { until } from '../support/until.ts';
import type { LabCluster, Pod } from './lab-cluster.ts';
import { request } from './traffic.ts';

/** Namespaces, and how each asks for a sidecar. */
const namespaces: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  canary: { 'istio.io/rev': 'canary' },
  prod: { 'istio.io/rev': 'prod' },
  stable: { 'istio-injection': 'enabled' },
  none: {},
};

const list = (items: readonly object[]): object => ({ apiVersion: 'v1', kind: 'List', items });

const sleeper = (namespace: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'sleeper', namespace, labels: { app: 'sleeper' } },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'app', image: 'localhost/app:1' }] },
});

/** The revision that injected a pod, and the image of the sidecar: `canary docker.io/istio/proxyv2:1.31.0`. */
function sidecarOf({ metadata, spec }: Pod): string {
  const status = metadata.annotations?.['sidecar.istio.io/status'];
  if (status === undefined) return 'none';
  const proxy = [...(spec.initContainers ?? []), ...spec.containers].find(({ name }) => name === 'istio-proxy');
  return `${JSON.parse(status).revision} ${proxy?.image}`;
}

/**
 * Installs the revision canary, with Istio's own sidecar, beside the default one, has istioctl call it prod, too, and makes a pod in a namespace for each
 * name. Resolves to what injected each, and to the proxies that canary's replicas say they have.
 */
export async function besideDefault(
  cluster: LabCluster,
  token: string,
  after: (end: () => Promise<unknown>) => void,
): Promise<{ readonly injected: Readonly<Record<string, string>>; readonly connected: readonly string[] }> {
  const { code, out, err } = await inThisProcess(['install', '--set', 'revision=canary,defaultTemplate=istio-proxy']);
  assert.equal(code, 0, err);
  const shared = ['CustomResourceDefinition', 'Namespace'];
  const own = out.split('---\n').filter(text => !shared.some(kind => text.includes(`\nkind: ${kind}\n`)));
  const manifest = own.join('---\n');
  after(() => cluster.pipe(manifest, 'delete', '--wait=false', '-f', '-'));
  await cluster.pipe(out, 'apply', '-f', '-');
  await cluster.rolledOut('istiod-canary', 'istio-system');
  const said = await cluster.istioctl('tag', 'set', 'prod', '--revision', 'canary');
  assert.match(said, /Revision tag "prod" created, referencing control plane revision "canary"/);
  after(() => cluster.istioctl('tag', 'remove', 'prod', '-y'));
  const names = Object.keys(namespaces);
  after(() => cluster.kubectl('delete', 'namespace', ...names, '--wait=false'));
  const made = Object.entries(namespaces).map(([name, labels]) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels },
  }));
  await cluster.apply(list([...made, ...names.map(sleeper)]));
  await cluster.wait('pods', '-A', '-l', 'app=sleeper', '--for=condition=Ready');
  const { items } = await cluster.get<{ items: readonly Pod[] }>('pods', '-A', '-l', 'app=sleeper');
  const injected = Object.fromEntries(items.map(pod => [pod.metadata.namespace, sidecarOf(pod)]));
  const replicas = await cluster.replicas('app=istiod,istio.io/rev=canary');
  const connected = await until('the proxies of canary', async () => {
    const pages = replicas.map(({ status }) =>
      request(`http://${status.podIP}:15014/debug/syncz`, { authorization: `Bearer ${token}` }),
    );
    const rows = (await Promise.all(pages)).flatMap(page => JSON.parse(page) as readonly { proxy: string }[]);
    return rows.length < 2 ? undefined : rows.map(({ proxy }) => proxy).sort();
  });
  return { injected, connected };
}
