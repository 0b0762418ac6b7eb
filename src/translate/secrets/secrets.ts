import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Problem } from '../../config/problem.ts';
import { credentialsOf, secretName } from '../../istio/gateway-secrets.ts';
import type { KubeSecret } from '../../istio/kubernetes.ts';
import { memo } from '../../memo.ts';
import type { GatewayBinding } from '../../model/routing/merged-gateway.ts';
import { type ObjectKey, objectKey } from '../../object-key.ts';
import type { Secret } from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import { credentialResource } from '../clusters/sds.ts';
import { type Resource, resource, type Translated } from '../resource.ts';

export type SecretResource = Resource<Secret>;
export type SecretIndex = ReadonlyMap<ObjectKey, KubeSecret>;

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';

/** The suffix of the resource that holds the roots for clients' certificates. */
const CA = '-cacert';

type Made = { readonly resource: SecretResource } | { readonly problem: Problem };

/** The first of the fields that has something in it; Istio takes the names of kubernetes.io/tls Secrets and its own generic ones. */
const field = ({ data }: KubeSecret, ...names: readonly string[]): Uint8Array | undefined =>
  names.map(name => data[name]).find(value => value !== undefined && value.length > 0);

const refusal = (secret: KubeSecret, path: string, message: string): Made => ({
  problem: { object: secret.meta.key, path, message, severity: 'error' },
});

/** Why Envoy would not take the pair; undefined where it would. */
function mismatch(certificate: Uint8Array, key: Uint8Array): string | undefined {
  try {
    const leaf = new X509Certificate(certificate);
    return leaf.checkPrivateKey(createPrivateKey({ key: Buffer.from(key), format: 'pem' }))
      ? undefined
      : 'the private key is not that of the certificate';
  } catch {
    return 'the certificate and its private key must be valid PEM';
  }
}

const serverCertificate = memo((secret: KubeSecret, name: string): Made => {
  const certificate = field(secret, 'cert', 'tls.crt');
  const key = field(secret, 'key', 'tls.key');
  if (!certificate || !key)
    return refusal(secret, 'data', 'expected tls.crt and tls.key (or cert and key), neither of them empty');
  const wrong = mismatch(certificate, key);
  if (wrong) return refusal(secret, 'data', wrong);
  const message: Secret = {
    name,
    tls_certificate: { certificate_chain: { inline_bytes: certificate }, private_key: { inline_bytes: key } },
  };
  return { resource: resource(SECRET, name, message, [secret.meta.key]) };
});

const clientRoots = memo((secret: KubeSecret, name: string): Made => {
  const roots = field(secret, 'cacert', 'ca.crt');
  if (!roots)
    return refusal(secret, 'data', 'expected ca.crt (or cacert) with the roots of the clients that are let in');
  try {
    new X509Certificate(roots);
  } catch {
    return refusal(secret, 'data', 'ca.crt must be valid PEM');
  }
  const crl = field(secret, 'crl', 'ca.crl');
  const message: Secret = {
    name,
    validation_context: { trusted_ca: { inline_bytes: roots }, ...(crl && { crl: { inline_bytes: crl } }) },
  };
  return { resource: resource(SECRET, name, message, [secret.meta.key]) };
});

function credentialSecret(credential: string, namespace: string, secrets: SecretIndex): Made | undefined {
  const find = (name: string): KubeSecret | undefined => {
    const at = secretName(name, namespace);
    // A gateway gets no Secret of another namespace: whoever writes Gateways there would have all its keys.
    return at?.namespace === namespace ? secrets.get(objectKey('Secret', at.namespace, at.name)) : undefined;
  };
  const name = credentialResource(credential);
  const secret = find(credential);
  if (!credential.endsWith(CA)) return secret && serverCertificate(secret, name);
  const holder = secret ?? find(credential.slice(0, -CA.length));
  return holder && clientRoots(holder, name);
}

const secretList = memo((...made: readonly (Made | undefined)[]): Translated<Secret> => {
  const found = made.filter(m => m !== undefined);
  return {
    resources: found.flatMap(m => ('resource' in m ? [m.resource] : [])),
    problems: found.flatMap(m => ('problem' in m ? [m.problem] : [])),
  };
});

const credentialNames = memo((gateways: readonly GatewayBinding[]): readonly string[] => [
  ...new Set(gateways.flatMap(({ gateway }) => (gateway.spec.servers ?? []).flatMap(({ tls }) => credentialsOf(tls)))),
]);

/**
 * The Secrets that the Gateways of a proxy name by `credentialName`, as SDS resources: `kubernetes://name` for the server's certificate,
 * `kubernetes://name-cacert` for the roots of its clients. A Secret that is missing or unusable has no resource, and its listener waits.
 */
export function secrets(
  namespace: string,
  gateways: readonly GatewayBinding[],
  index: SecretIndex,
): Translated<Secret> {
  return secretList(...credentialNames(gateways).map(name => credentialSecret(name, namespace, index)));
}
