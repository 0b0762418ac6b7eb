/** The names by which objects refer to certificates and keys in Secrets and ConfigMaps. */

/** An object of the API server that is read by itself. */
export interface NamedObject {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly namespace: string;
  readonly name: string;
}

/** What an SDS resource is named that has the roots of a credential. */
export const ROOTS_SUFFIX = '-cacert';

/** What the name of an SDS resource stands for. */
export interface Credential {
  readonly scheme: 'kubernetes' | 'kubernetes-gateway' | 'configmap';
  readonly namespace: string;
  readonly name: string;
  /** Whether it is for the roots alone: no private key comes of it, whatever the Secret has. */
  readonly roots: boolean;
}

/**
 * What `kubernetes://NAME`, `kubernetes://NAMESPACE/NAME`, `kubernetes-gateway://NAMESPACE/NAME` or `configmap://NAMESPACE/NAME` stands for, asked
 * for by a proxy of `namespace` (istio: credentials.ParseResourceName). Undefined: it is none of these.
 */
export function parseCredential(resource: string, namespace: string): Credential | undefined {
  const [, scheme, rest = ''] = /^(kubernetes|kubernetes-gateway|configmap):\/\/(.*)$/s.exec(resource) ?? [];
  const [first = '', second] = rest.split('/');
  const at = second === undefined ? { namespace, name: first } : { namespace: first, name: second };
  if (!at.name) return undefined;
  if (scheme === 'kubernetes') return { scheme, ...at, roots: at.name.endsWith(ROOTS_SUFFIX) };
  if (second === undefined || !first) return undefined;
  if (scheme === 'kubernetes-gateway') return { scheme, ...at, roots: at.name.endsWith(ROOTS_SUFFIX) };
  return scheme === 'configmap' ? { scheme, ...at, roots: true } : undefined;
}

/**
 * Where a credential is: the first of these that exists. Roots may be in a Secret of their own, or in that of the certificate; in a ConfigMap the
 * suffix is no part of the name.
 */
export function placesOf({ scheme, namespace, name, roots }: Credential): readonly NamedObject[] {
  const plain = name.endsWith(ROOTS_SUFFIX) ? name.slice(0, -ROOTS_SUFFIX.length) : name;
  if (scheme === 'configmap') return plain ? [{ kind: 'ConfigMap', namespace, name: plain }] : [];
  const own: NamedObject = { kind: 'Secret', namespace, name };
  return roots && plain ? [own, { kind: 'Secret', namespace, name: plain }] : [own];
}
