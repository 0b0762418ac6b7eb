import { createPrivateKey } from 'node:crypto';
import type { Problem } from '../../config/problem.ts';
import { certificatesIn } from '../../istio/certificates.ts';
import type { KubeConfigMap, KubeSecret } from '../../istio/kubernetes.ts';
import { memo } from '../../memo.ts';
import type { Secret } from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import { type Resource, resource } from '../resource.ts';

export type SecretResource = Resource<Secret>;

/** A resource, or what is wrong with the object. */
export type Material = { readonly resource: SecretResource } | { readonly problem: Problem };

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';

type Holder = KubeSecret | KubeConfigMap;

const unusable = (holder: Holder, message: string): Material => ({
  problem: { object: holder.meta.key, path: 'data', message, severity: 'error' },
});

/** The first group of fields of which none is empty: Istio's own names, or those of kubernetes.io/tls, and never some of each. */
function fields<const N extends readonly (readonly [string, ...string[]])[]>({ data }: Holder, ...groups: N) {
  const group = groups.find(names => names.every(name => data[name]?.length));
  return group?.map(name => data[name] ?? new Uint8Array());
}

const curves = ['prime256v1', 'secp384r1', 'secp521r1'];

/** Why Envoy would not take the pair; undefined where it would. */
function mismatch(chain: Uint8Array, key: Uint8Array): string | undefined {
  try {
    const [leaf] = certificatesIn(chain);
    const privateKey = createPrivateKey({ key: Buffer.from(key), format: 'pem' });
    if (!leaf?.checkPrivateKey(privateKey)) return 'the private key is not that of the certificate';
    const { asymmetricKeyType: type, asymmetricKeyDetails: { modulusLength = 0, namedCurve = '' } = {} } = privateKey;
    if (type === 'rsa' && modulusLength < 2048)
      return `its RSA key has ${modulusLength} bits, less than the 2048 that Envoy takes`;
    if (type === 'ec' && !curves.includes(namedCurve))
      return `its key is on ${namedCurve}; Envoy takes P-256, P-384 and P-521`;
    return undefined;
  } catch {
    return 'the certificate and its private key must be valid PEM, the key without a password';
  }
}

/** The certificate and private key of a Secret (istio: ExtractCertInfo). */
export const certificateAndKey = memo((secret: Holder, name: string): Material => {
  const [certificate, key] = fields(secret, ['cert', 'key'], ['tls.crt', 'tls.key']) ?? [];
  if (!certificate || !key)
    return unusable(secret, 'expected tls.crt and tls.key (or cert and key), neither of them empty');
  const wrong = mismatch(certificate, key);
  if (wrong) return unusable(secret, wrong);
  const staple = certificate === secret.data['tls.crt'] ? secret.data['tls.ocsp-staple'] : undefined;
  const message: Secret = {
    name,
    tls_certificate: {
      certificate_chain: { inline_bytes: certificate },
      private_key: { inline_bytes: key },
      ...(staple?.length && { ocsp_staple: { inline_bytes: staple } }),
    },
  };
  return { resource: resource(SECRET, name, message, [secret.meta.key]) };
});

/** The roots in a Secret or ConfigMap, and what they have revoked (istio: ExtractRoot). */
export const roots = memo((holder: Holder, name: string): Material => {
  const { data } = holder;
  const own = data['cacert']?.length;
  const [found, crl] = own ? [data['cacert'], data['crl']] : [data['ca.crt'], data['ca.crl']];
  if (!found?.length) return unusable(holder, 'expected ca.crt (or cacert) with the roots of those that are believed');
  try {
    certificatesIn(found);
  } catch {
    return unusable(holder, `${own ? 'cacert' : 'ca.crt'} must be valid PEM`);
  }
  const message: Secret = {
    name,
    validation_context: {
      trusted_ca: { inline_bytes: found },
      ...(crl?.length && { crl: { inline_bytes: crl } }),
    },
  };
  return { resource: resource(SECRET, name, message, [holder.meta.key]) };
});
