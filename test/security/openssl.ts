import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs the machine's openssl in an empty folder with these files; gives what it prints, or the file that it is to write. */
export function openssl(args: readonly string[], files: Readonly<Record<string, string>> = {}, written = ''): string {
  const folder = mkdtempSync(join(tmpdir(), 'openssl-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const printed = execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return written ? readFileSync(join(folder, written), 'utf8') : printed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** When tests look at what openssl makes: it is valid from then on, which on a slow machine may be minutes after its test has begun. */
export const now = Date.now() + 3_600_000;

/** What kind of key openssl is to make. */
export type KeyKind = 'rsa:512' | 'rsa:1024' | 'rsa:2048' | 'rsa:3072' | 'P-256' | 'P-384' | 'P-521' | 'secp256k1';

const RSA = /^rsa:(\d+)$/;

/** A new key, PKCS#8 in PEM. */
export function newKey(kind: KeyKind | 'ed25519'): string {
  if (kind === 'ed25519') return openssl(['genpkey', '-algorithm', 'ed25519']);
  const bits = RSA.exec(kind)?.[1];
  return bits
    ? openssl(['genpkey', '-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${bits}`])
    : openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${kind}`]);
}

/** A CSR that openssl makes; `names` is its subjectAltName. */
export const newCsr = (key: string, names = '', subject = '/', ...more: readonly string[]): string =>
  openssl(
    [
      ...['req', '-new', '-key', 'key.pem', '-subj', subject, ...more],
      ...(names ? ['-addext', `subjectAltName=${names}`] : []),
    ],
    { 'key.pem': key },
  );

/** Who signs, for openssl. */
export interface Signer {
  readonly certificate: string;
  readonly key: string;
}

/** What openssl's certificate is to be like. */
export interface Wanted {
  readonly kind?: KeyKind;
  readonly subject?: string;
  /** Lines of an openssl extension section; the default is that of a CA. */
  readonly extensions?: readonly string[];
  readonly signer?: Signer;
  /** `-days`; beside it `-not_before` does not exist in every openssl, so what is over has a negative life. */
  readonly days?: number;
  readonly key?: string;
}

export const caExtensions: readonly string[] = [
  'basicConstraints=critical,CA:TRUE',
  'keyUsage=critical,keyCertSign',
  'subjectKeyIdentifier=hash',
];

/** A certificate that openssl makes, self-signed where there is no signer, with its key. */
export function newCertificate(wanted: Wanted = {}): Signer {
  const { kind = 'P-256', subject = '/O=cluster.local', extensions = caExtensions, signer, days = 30 } = wanted;
  const key = wanted.key ?? newKey(kind);
  const csr = newCsr(key, '', subject);
  const made = openssl(
    [
      ...['x509', '-req', '-in', 'csr.pem', '-days', `${days}`, '-extfile', 'extensions', '-extensions', 'section'],
      ...(signer ? ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial'] : ['-signkey', 'key.pem']),
    ],
    {
      'csr.pem': csr,
      'key.pem': key,
      extensions: `[section]\n${extensions.join('\n')}\n`,
      ...(signer && { 'ca.pem': signer.certificate, 'ca-key.pem': signer.key }),
    },
  );
  return { certificate: made, key };
}

/** What openssl says about a certificate, from its version to its extensions. */
export const textOfCertificate = (pem: string): string =>
  openssl(['x509', '-in', 'it.pem', '-noout', '-text', '-nameopt', 'RFC2253', '-certopt', 'no_sigdump'], {
    'it.pem': pem,
  });

/** Verifies a leaf for clients and servers; throws with openssl's reason where it does not lead to the roots. */
export function verify(leaf: string, intermediates: string, roots: string): void {
  for (const purpose of ['sslserver', 'sslclient'])
    openssl(
      [
        ...['verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'roots.pem'],
        ...(intermediates ? ['-untrusted', 'intermediates.pem'] : []),
        'leaf.pem',
      ],
      { 'leaf.pem': leaf, 'intermediates.pem': intermediates, 'roots.pem': roots },
    );
}
