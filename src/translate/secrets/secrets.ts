import type { Problem } from '../../config/problem.ts';
import type { ConfigContents } from '../../config/store.ts';
import { type Credential, parseCredential, placesOf } from '../../istio/credentials.ts';
import type { KubeConfigMap, KubeSecret } from '../../istio/kubernetes.ts';
import { memo, oneMap } from '../../memo.ts';
import type { Identity } from '../../model/identify.ts';
import { type ObjectKey, objectKey } from '../../object-key.ts';
import { certificateAndKey, type Material, roots, type SecretResource } from './material.ts';
import { type CredentialUse, credentialUses } from './uses.ts';

export type { SecretResource } from './material.ts';

/** The objects that credentials are in, by key. */
export type CredentialObjects = ReadonlyMap<ObjectKey, KubeSecret | KubeConfigMap>;

/**
 * Who may have a credential: every proxy that has proved to be of its namespace, or only those of them whose service account may list the Secrets
 * there.
 */
export type Audience = 'namespace' | 'readers';

/** A credential that a proxy will ask for. */
export interface WantedCredential {
  readonly resource: string;
  readonly credential: Credential;
  readonly audience: Audience;
  /** The fields that name it. */
  readonly uses: readonly CredentialUse[];
}

/** What a proxy is to have of credentials. */
export interface Credentials {
  readonly wanted: readonly WantedCredential[];
  readonly resources: Readonly<Record<Audience, readonly SecretResource[]>>;
  readonly problems: readonly Problem[];
}

/** Why nobody may have what a use names; undefined where someone may (istio: filterAuthorizedResources). */
function refusal(
  namespace: string,
  { scheme, namespace: of, name }: Credential,
  uses: readonly CredentialUse[],
): string | undefined {
  if (scheme === 'configmap') return undefined;
  const elsewhere = of !== namespace;
  if (scheme === 'kubernetes')
    return elsewhere ? `proxies of ${namespace} get no Secret of ${of}: it is to be in ${namespace}` : undefined;
  // What a ReferenceGrant allows is to be let through here.
  const granted = !elsewhere && uses.some(use => use.gatewayIn === namespace);
  return granted
    ? undefined
    : `the Secret ${of}/${name} is not of the Gateway's own namespace, and no grant lets it be used`;
}

/** Private keys of `kubernetes://` names are for who may read them; references of the Gateway API are verified by themselves. */
const audienceOf = ({ scheme, roots: public_ }: Credential): Audience =>
  scheme === 'kubernetes' && !public_ ? 'readers' : 'namespace';

const decided = memo((namespace: string, uses: readonly CredentialUse[]): Pick<Credentials, 'wanted' | 'problems'> => {
  const wanted: WantedCredential[] = [];
  const problems: Problem[] = [];
  for (const [resource, of] of Map.groupBy(uses, use => use.resource)) {
    const credential = parseCredential(resource, namespace);
    if (!credential) continue;
    const message = refusal(namespace, credential, of);
    if (message === undefined) wanted.push({ resource, credential, audience: audienceOf(credential), uses: of });
    else for (const { object, path } of of) problems.push({ object, path, message, severity: 'error' });
  }
  return { wanted, problems };
});

const keysOf = ({ credential }: WantedCredential): readonly ObjectKey[] =>
  placesOf(credential).map(({ kind, namespace, name }) => objectKey(kind, namespace, name));

const NOTHING: CredentialObjects = new Map();

/** The objects that a proxy's credentials are in: while those are the same, so is what is made of them. */
export function credentialObjects(
  identity: Identity,
  { Secret, ConfigMap }: Pick<ConfigContents, 'Secret' | 'ConfigMap'>,
): CredentialObjects {
  const read = new Map<ObjectKey, KubeSecret | KubeConfigMap>();
  for (const key of decided(identity.scope.namespace, credentialUses(identity)).wanted.flatMap(keysOf)) {
    const found = Secret.get(key) ?? ConfigMap.get(key);
    if (found) read.set(key, found);
  }
  return read.size ? oneMap(read) : NOTHING;
}

/**
 * The credentials that a proxy's Gateways, DestinationRules and EnvoyFilters name, as SDS resources. One that is missing or unusable has no resource, and the
 * listener that names it waits.
 */
export const credentials = memo((identity: Identity, objects: CredentialObjects): Credentials => {
  const { wanted, problems } = decided(identity.scope.namespace, credentialUses(identity));
  const made = wanted.flatMap(({ resource, credential, audience }): { audience: Audience; material: Material }[] => {
    const [object] = placesOf(credential).flatMap(
      ({ kind, namespace, name }) => objects.get(objectKey(kind, namespace, name)) ?? [],
    );
    if (!object) return [];
    return [{ audience, material: credential.roots ? roots(object, resource) : certificateAndKey(object, resource) }];
  });
  const resources = (of: Audience): readonly SecretResource[] =>
    made.flatMap(({ audience, material }) => (audience === of && 'resource' in material ? [material.resource] : []));
  return {
    wanted,
    resources: { namespace: resources('namespace'), readers: resources('readers') },
    problems: [...problems, ...made.flatMap(({ material }) => ('problem' in material ? [material.problem] : []))],
  };
});
