#!/usr/bin/env node
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments, stringify } from 'yaml';

const usage = `usage: apply.ts DIR FOLDER

Brings a folder of YAML, as Pilotlight's directory source reads it, into the cluster that up.sh started in DIR. Pods get the status that the
folder gives them; EndpointSlices of Services with a selector are left to the real controller, and waited for; the MeshConfig (a document
without kind) becomes DIR/mesh.yaml, which a running istiod takes over.
`;

interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isObject = (value: unknown): value is KubernetesObject =>
  isRecord(value) && typeof value['kind'] === 'string' && isRecord(value['metadata']);

const [dir, folder] = process.argv.slice(2);
if (dir === undefined || folder === undefined) {
  process.stderr.write(usage);
  process.exit(2);
}
const cache =
  process.env['LAB_CACHE'] ??
  process.env['PILOTLIGHT_LAB_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');

const kubectl = (args: readonly string[], input = ''): string =>
  execFileSync(join(cache, 'bin', 'kubectl'), ['--kubeconfig', join(dir, 'kubeconfig'), ...args], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });

const list = (items: readonly unknown[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });

/** The objects without what only their controllers write. */
function apply(objects: readonly KubernetesObject[]): void {
  if (objects.length > 0)
    kubectl(
      ['apply', '--server-side', '--force-conflicts', '-f', '-'],
      list(objects.map(o => ({ ...o, status: undefined }))),
    );
}

const documents: readonly unknown[] = globSync(join(folder, '**/*.{yaml,yml}'))
  .sort()
  .flatMap(file => parseAllDocuments(readFileSync(file, 'utf8')).map((d): unknown => d.toJS()));
const mesh = documents.find(d => isRecord(d) && !('kind' in d));
if (mesh) writeFileSync(join(dir, 'mesh.yaml'), stringify(mesh));

const objects = documents.filter(isObject);
const of = (kind: string): readonly KubernetesObject[] => objects.filter(o => o.kind === kind);
const namespaceOf = (o: KubernetesObject): string => o.metadata.namespace ?? 'default';
const key = (namespace: string, name: string | undefined): string => `${namespace}/${name ?? ''}`;
const clusterScoped = new Set(['Namespace', 'Node']);
const pods = of('Pod');
const selecting = new Set(
  of('Service')
    .filter(s => s.spec?.['selector'])
    .map(s => key(namespaceOf(s), s.metadata.name)),
);

const namespaces = new Set(objects.filter(o => !clusterScoped.has(o.kind)).map(namespaceOf));
for (const { metadata } of of('Namespace')) namespaces.delete(metadata.name);
const bare = (kind: string, name: string, namespace?: string): KubernetesObject => ({
  apiVersion: 'v1',
  kind,
  metadata: namespace === undefined ? { name } : { name, namespace },
});
apply([...of('Namespace'), ...[...namespaces].sort().map(name => bare('Namespace', name)), ...of('Node')]);

const accountOf = (pod: KubernetesObject): string => String(pod.spec?.['serviceAccountName'] ?? 'default');
const accounts = new Map(
  pods.map(p => [key(namespaceOf(p), accountOf(p)), bare('ServiceAccount', accountOf(p), namespaceOf(p))]),
);
apply([...accounts.values()]);
apply(pods);
for (const pod of pods) {
  const at = ['-n', namespaceOf(pod), `pod/${pod.metadata.name}`];
  kubectl(['wait', '--for=jsonpath={.status.phase}=Running', ...at, '--timeout=60s']); // kwok writes a status of its own first
  if (pod.status)
    kubectl(['patch', ...at, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status: pod.status })]);
}

apply(
  objects.filter(o => {
    if (clusterScoped.has(o.kind) || o.kind === 'Pod') return false;
    return (
      o.kind !== 'EndpointSlice' ||
      !selecting.has(key(namespaceOf(o), o.metadata.labels?.['kubernetes.io/service-name']))
    );
  }),
);

/** Pods of the folder whose EndpointSlices name another address than theirs: the controller has not caught up. */
function stalePods(): readonly string[] {
  const addressesOf = ({ status }: KubernetesObject): readonly unknown[] => {
    const ips: readonly unknown[] = Array.isArray(status?.['podIPs']) ? status['podIPs'] : [];
    return [status?.['podIP'], ...ips.map(ip => (isRecord(ip) ? ip['ip'] : undefined))].filter(ip => ip !== undefined);
  };
  const given = new Map(pods.map(p => [key(namespaceOf(p), p.metadata.name), addressesOf(p)]));
  const slices: unknown = JSON.parse(kubectl(['get', 'endpointslices', '-A', '-o', 'json']));
  const items: readonly unknown[] = isRecord(slices) && Array.isArray(slices['items']) ? slices['items'] : [];
  const stale: string[] = [];
  for (const slice of items) {
    const endpoints: readonly unknown[] =
      isRecord(slice) && Array.isArray(slice['endpoints']) ? slice['endpoints'] : [];
    for (const endpoint of endpoints) {
      if (!isRecord(endpoint) || !isRecord(endpoint['targetRef']) || !Array.isArray(endpoint['addresses'])) continue;
      const pod = key(String(endpoint['targetRef']['namespace']), String(endpoint['targetRef']['name']));
      const addresses = given.get(pod) ?? [];
      const named: readonly unknown[] = endpoint['addresses'];
      if (addresses.length > 0 && !named.some(address => addresses.includes(address))) stale.push(pod);
    }
  }
  return stale;
}

const deadline = Date.now() + 30_000;
for (let stale = stalePods(); stale.length > 0; stale = stalePods()) {
  if (Date.now() > deadline) {
    process.stderr.write(`EndpointSlices do not follow the status of ${stale.join(', ')}\n`);
    process.exit(1);
  }
  await sleep(200);
}
