import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
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

/** A certificate authority of openssl's. */
export interface Authority {
  readonly certificate: Buffer;
  /** A certificate of this authority for a name such as `DNS:localhost` or `URI:spiffe://cluster.local/ns/a/sa/b`. */
  issue(name: string): Promise<KeyPair>;
}

/** Makes a certificate authority; its folder goes when the process does. */
export async function authority(): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), 'authority-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string): string => join(folder, name);
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const extensions = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
  const names = ['-keyout', file('ca-key.pem'), '-out', file('ca.pem')];
  await run('openssl', ['req', '-x509', ...ec, '-days', '1', '-subj', '/O=test', ...extensions, ...names]);
  let issued = 0;
  return {
    certificate: await readFile(file('ca.pem')),
    async issue(name) {
      const id = `${++issued}`;
      const [key, certificate] = [file(`${id}-key.pem`), file(`${id}.pem`)];
      const signer = ['-CA', file('ca.pem'), '-CAkey', file('ca-key.pem')];
      const leaf = ['-addext', `subjectAltName=${name}`, '-addext', 'basicConstraints=critical,CA:false'];
      const out = ['-keyout', key, '-out', certificate];
      await run('openssl', ['req', '-x509', ...signer, ...ec, '-days', '1', '-subj', '/CN=leaf', ...leaf, ...out]);
      return { certificate: await readFile(certificate), key: await readFile(key) };
    },
  };
}
