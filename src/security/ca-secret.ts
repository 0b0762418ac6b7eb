import { type CertificateAuthority, readAuthority, rootBundle } from './authority.ts';
import { pemOf } from './certificate.ts';
import type { Read } from './fault.ts';
import { encoded, type SecretData, textOf } from './secret-data.ts';

/** The Secret that holds a self-signed root, as istiod keeps it. */
export const caSecret = { name: 'istio-ca-secret', type: 'istio.io/ca-root' } as const;

/** Reads the root, which istiod's own is taken over as. As istiod, it does not look at `root-cert.pem`, `cert-chain.pem` and `key.pem`. */
export const readCaSecret = (data: SecretData, now: number): Read<CertificateAuthority> =>
  readAuthority(
    {
      certificate: { field: 'ca-cert.pem', pem: textOf(data, 'ca-cert.pem') },
      key: { field: 'ca-key.pem', pem: textOf(data, 'ca-key.pem') },
    },
    now,
  );

/** What the Secret is to hold, for an istiod that takes over, too. The private key is in it: it goes to the API server alone. */
export function caSecretData(root: CertificateAuthority): SecretData {
  if (root.intermediates.length) throw new Error('only roots of our own are stored');
  return encoded({
    'ca-cert.pem': pemOf([root.certificate]),
    'ca-key.pem': root.key.revealPem(),
    'cert-chain.pem': '',
    'key.pem': '',
    'root-cert.pem': rootBundle(root),
  });
}
