import { lstat, mkdir, mkdtemp, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../command.ts';
import { type CertificateAuthority, readAuthority } from '../security/authority.ts';
import { pemOf } from '../security/certificate.ts';
import { PrivateKey } from '../security/private-key.ts';
import { makeRoot } from '../security/root.ts';
import { orOsError, osError } from './os-error.ts';

/** An authority in a folder of this machine: the root that signs, and the key that callers' tokens are signed with. */
export interface FolderAuthority {
  readonly authority: CertificateAuthority;
  readonly tokenKey: PrivateKey;
}

const FILES = { certificate: 'ca-cert.pem', key: 'ca-key.pem', tokenKey: 'token-key.pem' } as const;

/** No certificate or key comes near it. */
const MOST_BYTES = 64 * 1024;

const wrong = (path: string, message: string): UsageError => new UsageError(`--ca: ${path}: ${message}`);

const isCode = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

/** What is wrong with who may read a file or folder: its owner alone, who runs this. */
function checkAccess(path: string, { uid, mode }: { readonly uid: number; readonly mode: number }, fit: string): void {
  if (uid !== (process.getuid?.() ?? uid))
    throw wrong(path, `it belongs to another user (uid ${uid}), who could read the keys: name a folder of your own`);
  if (mode & 0o077)
    throw wrong(path, `others may read or change it (mode ${(mode & 0o777).toString(8)}): chmod ${fit} it`);
}

async function readOwn(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  const found = await lstat(path).catch((error: unknown) => {
    if (!isCode(error, 'ENOENT')) throw osError(`--ca: ${path}`, error);
    throw wrong(path, 'it is missing: restore the folder, or name one that is empty or not there yet');
  });
  if (!found.isFile()) throw wrong(path, 'it is no file: restore the folder');
  checkAccess(path, found, '600');
  if (found.size > MOST_BYTES) throw wrong(path, `it has ${found.size} bytes, at most ${MOST_BYTES} are read`);
  const file = await orOsError(`--ca: ${path}`, open(path));
  try {
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

async function read(folder: string, now: number): Promise<FolderAuthority> {
  const { certificate, key, tokenKey } = FILES;
  const fields = {
    certificate: { field: certificate, pem: await readOwn(folder, certificate) },
    key: { field: key, pem: await readOwn(folder, key) },
  };
  const authority = readAuthority(fields, now);
  const ownKey = PrivateKey.read(await readOwn(folder, tokenKey));
  const [fault] = authority.faults;
  if (!authority.ok) throw wrong(join(folder, fault?.field ?? ''), fault?.message ?? 'it cannot be read');
  if (typeof ownKey === 'string') throw wrong(join(folder, tokenKey), ownKey);
  if (ownKey.algorithm.name !== 'ECDSA' || ownKey.algorithm.namedCurve !== 'P-256')
    throw wrong(join(folder, tokenKey), 'expected an EC key on P-256, which tokens are signed with');
  return { authority: authority.value, tokenKey: ownKey };
}

/** Whether the folder is there and has something in it; who else could read it is a mistake even while it is empty. */
async function isFilled(folder: string): Promise<boolean> {
  try {
    checkAccess(folder, await stat(folder), '700');
    return (await readdir(folder)).length > 0;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error instanceof UsageError ? error : osError(`--ca: ${folder}`, error);
  }
}

async function write(folder: string, name: string, text: string): Promise<void> {
  const file = await open(join(folder, name), 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the files beside the folder and moves them there in one step: it has all of them or none, and who comes second finds the first one's. */
async function make(folder: string, trustDomain: string, now: number): Promise<void> {
  const { certificate, key } = await makeRoot(trustDomain, now);
  await mkdir(dirname(folder), { recursive: true });
  const made = await mkdtemp(join(dirname(folder), `.${basename(folder)}-`));
  try {
    await write(made, FILES.certificate, pemOf([certificate]));
    await write(made, FILES.key, key.revealPem());
    await write(made, FILES.tokenKey, PrivateKey.generate().revealPem());
    await rename(made, folder);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    if (!isCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
}

/** Where the folder is, behind links. */
const placeOf = (folder: string): Promise<string> => realpath(folder).catch(() => resolve(folder));

/**
 * Reads the authority of the folder that `--ca` names; where there is nothing yet it is made. What is there is never written again. Throws a
 * UsageError for what cannot be read, and for what others could.
 */
export async function openFolderAuthority(folder: string, trustDomain: string, now: number): Promise<FolderAuthority> {
  const place = await placeOf(folder);
  if (!(await isFilled(place))) await orOsError(`--ca: ${folder}`, make(place, trustDomain, now));
  return readFolderAuthority(folder, now);
}

/** Reads the authority of the folder that `--ca` names. Throws a UsageError. */
export async function readFolderAuthority(folder: string, now: number): Promise<FolderAuthority> {
  const place = await placeOf(folder);
  if (await isFilled(place)) return read(place, now);
  throw wrong(folder, 'there is no authority yet; it is made by: pilotlight serve --config DIR --ca DIR');
}
