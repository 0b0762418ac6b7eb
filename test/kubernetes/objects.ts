import type { RawObject } from '../../src/config/raw.ts';

/** The URL path of the collection an object is in. */
export const resourceOf = (object: RawObject): string => {
  const plural = `${object.kind.toLowerCase().replace(/(?<=[^aeiou])y$/, 'ie')}s`;
  const root = object.apiVersion.includes('/') ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
  return object.metadata.namespace ? `${root}/namespaces/${object.metadata.namespace}/${plural}` : `${root}/${plural}`;
};

/** An object to be sent to the API server. */
export const object = (
  apiVersion: string,
  kind: string,
  name: string,
  namespace: string | undefined,
  rest: object = {},
): RawObject => ({
  apiVersion,
  kind,
  metadata: { name, ...(namespace && { namespace }) },
  ...rest,
});

/** A Service with one port. */
export const service = (name: string, port = 80) =>
  object('v1', 'Service', name, 'default', { spec: { ports: [{ name: 'http', port }] } });

/** A Service's first port. */
export const portOf = (raw: RawObject | undefined) =>
  (raw?.['spec'] as { ports: { port: number }[] } | undefined)?.ports[0]?.port;

/** A Sidecar without meaning. */
export const sidecar = (name: string) =>
  object('networking.istio.io/v1', 'Sidecar', name, 'default', { spec: { egress: [{ hosts: ['./*'] }] } });

/** The right to list and watch resources. */
export const role = (name: string, resources: readonly string[]) =>
  object('rbac.authorization.k8s.io/v1', 'ClusterRole', name, undefined, {
    rules: [{ apiGroups: ['*'], resources, verbs: ['list', 'watch'] }],
  });

/** Gives the user `mesh` the role of the same name. */
export const binding = (name: string) =>
  object('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', name, undefined, {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ kind: 'User', name: 'mesh' }],
  });
