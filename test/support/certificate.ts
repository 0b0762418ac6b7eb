import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A certificate and its private key in PEM. */
export interface KeyPair {
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** Makes a self-signed certificate for a host, valid for a day. */
export async function selfSigned(host: string): Promise<KeyPair> {
  const folder = await mkdtemp(join(tmpdir(), 'certificate-'));
  const file = (name: string): string => join(folder, name);
  try {
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
      ...['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`],
      ...['-keyout', file('key.pem'), '-out', file('certificate.pem')],
    ]);
    return { certificate: await readFile(file('certificate.pem')), key: await readFile(file('key.pem')) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
