import { type CertificateAuthority, readAuthority } from './authority.ts';
import type { Fault, Read } from './fault.ts';
import { type SecretData, textOf } from './secret-data.ts';

/** The Secret that brings an authority along. */
export const cacertsSecret = 'cacerts';

/** Its fields in istiod's own form. */
const istioForm = { certificate: 'ca-cert.pem', key: 'ca-key.pem', chain: 'cert-chain.pem', roots: 'root-cert.pem' };
/** Those of a Secret of type kubernetes.io/tls; `tls.crt` may have intermediates behind the certificate that signs. */
const tlsForm = { certificate: 'tls.crt', key: 'tls.key', roots: 'ca.crt' };

/** Reads `cacerts` in either form; `tls.crt` decides which (istio: detectSigningCABundleAndCRL). Every field has to be there, as with istiod. */
export function readCacerts(data: SecretData, now: number): Read<CertificateAuthority> {
  const form: { certificate: string; key: string; chain?: string; roots: string } =
    tlsForm.certificate in data ? tlsForm : istioForm;
  const missing = Object.values(form).filter(field => !(field in data));
  if (missing.length)
    return {
      ok: false,
      faults: missing.map((field): Fault => {
        const message = `is missing: ${cacertsSecret} is to have ${Object.values(form).join(', ')}`;
        return { field, message, severity: 'error' };
      }),
    };
  const part = (field: string) => ({ field, pem: textOf(data, field) });
  return readAuthority(
    {
      certificate: part(form.certificate),
      key: part(form.key),
      roots: part(form.roots),
      ...(form.chain !== undefined && { chain: part(form.chain) }),
    },
    now,
  );
}
