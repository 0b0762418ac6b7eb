import { apiKind, type Kind, type KindRow, kinds } from '../config/kinds.ts';

/** Why an object is not read: nothing to say, a word for its user, or a mistake: there is no such kind. */
export type Unread = { readonly silent: true } | { readonly skipped: string } | { readonly mistake: string };

/** The kinds of the groups that are read which are not: others of these groups do not exist. */
const alsoThere: Readonly<Record<string, ReadonlySet<string>>> = {
  '': new Set([
    'Binding',
    'ComponentStatus',
    'ConfigMap',
    'Event',
    'LimitRange',
    'List',
    'PersistentVolume',
    'PersistentVolumeClaim',
    'PodTemplate',
    'ReplicationController',
    'ResourceQuota',
    'ServiceAccount',
  ]),
  'discovery.k8s.io': new Set(),
  'networking.istio.io': new Set(),
  'security.istio.io': new Set(),
  'telemetry.istio.io': new Set(),
};

const groupOf = (apiVersion: string): string => apiVersion.slice(0, Math.max(apiVersion.lastIndexOf('/'), 0));

type Row = Pick<KindRow<Kind>, 'kind' | 'group' | 'versions'>;
const rows: readonly Row[] = Object.values(kinds);
const apiVersions = (row: Row): readonly string[] =>
  row.versions.map(version => (row.group ? `${row.group}/${version}` : version));

/** Who expects an effect of these has to be told that there is none. */
function withoutEffect(group: string, kind: string): string {
  if (group === 'gateway.networking.k8s.io' || group.endsWith('.x-k8s.io'))
    return ': the Gateway API is not read yet, so it has no effect';
  if (group === 'networking.k8s.io' && kind.startsWith('Ingress'))
    return ': Ingress is not read, so it has no effect; a Gateway and a VirtualService do what it would';
  if (group === 'extensions.istio.io') return ': it is not read yet, so it has no effect';
  if (group === 'install.istio.io')
    return ': it is what installs istiod; the settings below meshConfig belong into meshconfig.yaml';
  if (group.endsWith('.istio.io')) return ': it is not read, so it has no effect';
  return ': not a kind that is read';
}

/** What to say of an object whose kind is not read. */
export function unread(apiVersion: string, kind: string): Unread {
  const group = groupOf(apiVersion);
  // These say what a folder is made of, to kubectl.
  if (group === 'kustomize.config.k8s.io') return { silent: true };
  const known = alsoThere[group];
  if (!known || known.has(kind))
    return { skipped: `of kind ${kind} (${apiVersion}) skipped${withoutEffect(group, kind)}` };
  const meant = rows.find(row => apiKind(row.kind).toLowerCase() === kind.toLowerCase() && row.kind !== 'MeshConfig');
  const advice = meant ? `; ${apiKind(meant.kind)} is of ${apiVersions(meant).join(', ')}` : '';
  return { mistake: `there is no kind ${kind} in ${apiVersion}${advice}` };
}
