/**
 * `Kind/namespace/name`, or `Kind/name` for what has no namespace: names an object in problems, sources and logs. Kinds of two groups that share
 * a name have different ones here (`KindRow.kind`), so that no two objects share a key.
 */
export type ObjectKey = string & { readonly __brand: 'ObjectKey' };

/** The key of an object. */
export const objectKey = (kind: string, namespace: string, name: string): ObjectKey =>
  (namespace ? `${kind}/${namespace}/${name}` : `${kind}/${name}`) as ObjectKey;
