/** An object as the API server takes and gives it. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** A kind of object, as URLs have it: `{ apiVersion: 'coordination.k8s.io/v1', plural: 'leases' }`. */
export interface Resource {
  readonly apiVersion: string;
  readonly plural: string;
}

export const CONFIG_MAPS: Resource = { apiVersion: 'v1', plural: 'configmaps' };
export const LEASES: Resource = { apiVersion: 'coordination.k8s.io/v1', plural: 'leases' };
export const SECRETS: Resource = { apiVersion: 'v1', plural: 'secrets' };

/** Kubernetes' MicroTime of a moment in milliseconds since 1970. */
export const microTime = (ms = Date.now()): string => new Date(ms).toISOString().replace('Z', '000Z');

/** Which object of a kind; without a namespace where the kind has none. */
export interface ObjectName {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** The URL path of the objects of a namespace, or of a kind that has none. */
export const collectionOf = ({ apiVersion, plural }: Resource, namespace: string | undefined): string => {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return `${root}${namespace ? `/namespaces/${encodeURIComponent(namespace)}` : ''}/${plural}`;
};

/** The URL path of an object. */
export const pathOf = (resource: Resource, { namespace, name }: ObjectName): string =>
  `${collectionOf(resource, namespace)}/${encodeURIComponent(name)}`;
