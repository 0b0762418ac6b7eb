import { compare } from './object.ts';

/** The SPIFFE id of a service account. */
export const spiffeId = (trustDomain: string, namespace: string, account: string): string =>
  `spiffe://${trustDomain}/ns/${namespace}/sa/${account}`;

/**
 * The ids, sorted, each also in every other trust domain that the mesh is known by. Ids that are no SPIFFE ids of service accounts stay as
 * they are (istio: spiffe.ExpandWithTrustDomains).
 */
export function expandTrustDomains(ids: Iterable<string>, aliases: readonly string[]): readonly string[] {
  const all = new Set(ids);
  if (aliases.length) {
    for (const id of [...all]) {
      const match = /^spiffe:\/\/[^/]*(\/ns\/[^/]+\/sa\/[^/]+)$/.exec(id);
      if (match) for (const alias of aliases) all.add(`spiffe://${alias}${match[1]}`);
    }
  }
  return [...all].sort(compare);
}

/** The SPIFFE id of a service account, taken apart. */
export interface SpiffeId {
  /** `spiffe://cluster.local/ns/default/sa/bookinfo` */
  readonly uri: string;
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** The SPIFFE id of a service account, with its parts. */
export const spiffeIdOf = (trustDomain: string, namespace: string, serviceAccount: string): SpiffeId => ({
  uri: spiffeId(trustDomain, namespace, serviceAccount),
  trustDomain,
  namespace,
  serviceAccount,
});

/** Takes an id apart (istio: spiffe.ParseIdentity); undefined where it is none of a service account. */
export function parseSpiffeId(uri: string): SpiffeId | undefined {
  const [, trustDomain, namespace, account] = /^spiffe:\/\/([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(uri) ?? [];
  return trustDomain && namespace && account ? spiffeIdOf(trustDomain, namespace, account) : undefined;
}
