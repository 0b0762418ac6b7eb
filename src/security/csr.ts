import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { bounds, sentenceOf } from '../bounds.ts';
import { status } from '../grpc/status.ts';
import { pemBlocks } from './pem.ts';
import { unfitKey } from './private-key.ts';
import { type Refusal, refused } from './refusal.ts';
import { Pkcs10CertificateRequest } from './x509.ts';

/** What is read of a certificate signing request. Its names are not: who it is says the caller's identity. */
export interface Csr {
  readonly ok: true;
  readonly publicKey: KeyObject;
  /** Whether its subject has a CN: then the certificate is to have one, too (istio: dual use). */
  readonly wantsCommonName: boolean;
}

/** The hashes of signatures, as node:crypto calls them. */
const hashes: Readonly<Record<string, string>> = {
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
};

const schemes: ReadonlySet<string> = new Set(['ECDSA', 'RSASSA-PKCS1-v1_5']);

/** istiod's code and words for what is wrong with a request. */
const badCsr = (what: string): Refusal => refused(status.INVALID_ARGUMENT, `CSR signing error (${what})`);

/**
 * Reads a PEM text and checks that it is signed with the key that it is for. Taken are RSA keys of 2,048 bits and more, and P-256, P-384 and
 * P-521: what an Envoy can use.
 */
export function readCsr(pem: string): Csr | Refusal {
  if (pem.length > bounds['csr-bytes'].most) return refused(status.RESOURCE_EXHAUSTED, sentenceOf('csr-bytes'));
  const [block] = pemBlocks(pem);
  if (!block) return badCsr('certificate signing request is not properly encoded');

  // The library reads the request and leaves what comes behind it, which Go's does not.
  if (!isOneValue(block.der)) return badCsr('failed to parse X.509 certificate signing request: trailing data');

  let request: Pkcs10CertificateRequest;
  let publicKey: KeyObject;
  let scheme: { readonly name?: string; readonly hash?: { readonly name?: string } };
  try {
    request = new Pkcs10CertificateRequest(new Uint8Array(block.der));
    publicKey = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
    scheme = request.signatureAlgorithm;
  } catch {
    return badCsr('failed to parse X.509 certificate signing request');
  }
  const unfit = unfitKey(publicKey);
  if (unfit) return badCsr(unfit);
  const hash = hashes[scheme.hash?.name ?? ''];
  if (!schemes.has(scheme.name ?? '') || hash === undefined)
    return badCsr('cannot verify signature: expected ECDSA or RSA (PKCS #1 v1.5) with SHA-256, SHA-384 or SHA-512');
  // The part that is signed is private to the library's type, where its own check is four times as dear as node:crypto's.
  const signed = new Uint8Array(request['tbs']);
  if (!verifies(hash, signed, publicKey, new Uint8Array(request.signature)))
    return badCsr('its signature is not that of its key');
  return { ok: true, publicKey, wantsCommonName: (request.subjectName.getField('CN')[0] ?? '') !== '' };
}

/** Whether bytes in DER are one value and nothing else. */
function isOneValue(der: Buffer): boolean {
  const short = der[1] ?? 0;
  if (short < 0x80) return der.length === 2 + short;
  const bytes = short & 0x7f;
  return bytes > 0 && bytes <= 6 && der.length >= 2 + bytes && der.length === 2 + bytes + der.readUIntBE(2, bytes);
}

function verifies(hash: string, signed: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(hash, signed, key, signature);
  } catch {
    return false;
  }
}
