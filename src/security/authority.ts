import type { X509Certificate } from 'node:crypto';
import {
  distinct,
  isSame,
  isSelfSigned,
  keyIdOf,
  pemOf,
  readCertificates,
  timeText,
  unfitSigner,
  untimely,
  validityOf,
} from './certificate.ts';
import { pathToRoot } from './certificate-path.ts';
import type { Fault, Read } from './fault.ts';
import { PrivateKey } from './private-key.ts';

/** Who signs certificates, and whom proxies trust. */
export interface CertificateAuthority {
  /** The certificate that signs: a root or an intermediate. */
  readonly certificate: X509Certificate;
  readonly key: PrivateKey;
  /** What a peer sends behind its leaf: the signer and what leads from it towards a root; empty where the signer is a root. */
  readonly intermediates: readonly X509Certificate[];
  /** The root that the signer leads to; itself where it is one. */
  readonly root: X509Certificate;
  /** The roots that proxies trust, `root` among them; several while one takes over from another. */
  readonly roots: readonly X509Certificate[];
  /** The end of the signer and of all that vouches for it, in milliseconds since 1970. A leaf ends no later. */
  readonly notAfter: number;
  /** The step of a rotation that it is the authority of; absent where it is not in force. */
  readonly step?: string;
}

/** Two PEM texts as one; the second may be empty. */
export const joinedPem = (one: string, other: string): string => (other ? `${one.trimEnd()}\n${other}` : one);

/** The roots as one PEM text: what a proxy has as `ROOTCA`, and the ConfigMap `istio-ca-root-cert` as `root-cert.pem`. */
export const rootBundle = ({ roots }: CertificateAuthority): string => pemOf(roots);

/** Whether both sign with the same certificate and trust the same roots. */
export const isSameAuthority = (a: CertificateAuthority, b: CertificateAuthority): boolean =>
  isSame(a.certificate, b.certificate) &&
  pemOf(a.intermediates) === pemOf(b.intermediates) &&
  rootBundle(a) === rootBundle(b);

/** An authority as PEM texts, each with the field that it was read from. */
export interface AuthorityFields {
  readonly certificate: { readonly field: string; readonly pem: string };
  readonly key: { readonly field: string; readonly pem: string };
  /** What leads from the certificate to a root; absent where the certificate is the root. */
  readonly chain?: { readonly field: string; readonly pem: string };
  /** Absent where the certificate is the root. */
  readonly roots?: { readonly field: string; readonly pem: string };
}

/** Reads an authority and checks that Envoy, pilot-agent and istiod would take what it signs. `now` is in milliseconds since 1970. */
export function readAuthority(fields: AuthorityFields, now: number): Read<CertificateAuthority> {
  const faults: Fault[] = [];
  const fail = (field: string, message: string): undefined => void faults.push({ field, message, severity: 'error' });

  const certificatesOf = (part: AuthorityFields['chain'], what: string): readonly X509Certificate[] | undefined => {
    if (!part) return [];
    const read = readCertificates(part.pem);
    return typeof read === 'string' ? fail(part.field, `${read}; it is to be ${what}`) : read;
  };

  const keyField = fields.key.field;
  const own = fields.certificate.field;
  const signers = certificatesOf(fields.certificate, 'the certificate that signs, in PEM');
  const chain = certificatesOf(fields.chain, 'what leads from the signing certificate to its root, in PEM');
  const given = certificatesOf(fields.roots, 'the roots that proxies are to trust, in PEM');
  const key = PrivateKey.read(fields.key.pem);
  if (typeof key === 'string') fail(keyField, `${key}; it is to be the key of the certificate in ${own}`);

  const [certificate, ...more] = signers ?? [];
  if (signers && !certificate) fail(own, 'is missing or empty: it is to be the certificate that signs, in PEM');
  if (fields.roots && given?.length === 0)
    fail(fields.roots.field, 'is missing or empty: it is to be the roots that proxies are to trust, in PEM');
  if (!certificate || !chain || !given || typeof key === 'string') return { ok: false, faults };

  if (!key.matches(certificate))
    fail(keyField, `is not the key of the certificate in ${own}: put the two together that were made together`);
  const unfit = unfitSigner(certificate);
  if (unfit) fail(own, `the certificate ${unfit}: workloads need certificates from a CA`);
  const late = untimely(certificate, now);
  if (late) fail(own, `the certificate ${late}: put one that is valid now`);
  if (faults.length) return { ok: false, faults };

  const roots = fields.roots ? usableRoots(given, fields.roots.field, now, faults) : [certificate];
  const between = distinct([...more, ...chain]);
  const path = pathToRoot(certificate, between, roots, now);
  if (!path) {
    const at = fields.chain && !between.length ? fields.chain.field : (fields.roots?.field ?? own);
    fail(
      at,
      `the certificate in ${own} (issued by ${certificate.issuer.replaceAll('\n', ', ')}) does not lead to a root that is valid: ` +
        `${fields.roots?.field ?? own} is to have the root that it comes from, and ${fields.chain?.field ?? own} all that is between them${between.map(c => lateness(c, now)).join('')}`,
    );
    return { ok: false, faults };
  }

  // A root behind a leaf helps nobody: who trusts it has it. What is cross-signed does, for who trusts only the older root.
  const beside = between.filter(c => !isSame(c, certificate) && !isSelfSigned(c));
  const isRoot = roots.some(root => isSame(root, certificate));
  return {
    ok: true,
    faults,
    value: {
      certificate,
      key,
      root: path.at(-1) ?? certificate,
      intermediates: isRoot ? beside : [certificate, ...beside],
      roots,
      notAfter: Math.min(...path.map(c => validityOf(c).notAfter)),
    },
  };
}

/** What to say of a certificate on the way to a root whose time is over, or has not come. */
function lateness(certificate: X509Certificate, now: number): string {
  const late = untimely(certificate, now);
  return late ? `; ${nameOf(certificate)} ${late}` : '';
}

const nameOf = (certificate: X509Certificate): string =>
  `${certificate.subject.replaceAll('\n', ', ')} (${keyIdOf(certificate) ?? certificate.serialNumber})`;

/** The roots that are valid; the others are left out with a warning, since the mesh does not need them. */
function usableRoots(
  given: readonly X509Certificate[],
  field: string,
  now: number,
  faults: Fault[],
): readonly X509Certificate[] {
  return distinct(given).filter(root => {
    const { notAfter } = validityOf(root);
    if (now < notAfter) return true;
    const message = `the root ${nameOf(root)} expired at ${timeText(notAfter)} and is not given to proxies: take it out`;
    faults.push({ field, message, severity: 'warning' });
    return false;
  });
}
