import { lstat } from 'node:fs/promises';
import { messageOf } from '../unknown.ts';

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  ELOOP: 'the link leads in a circle',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open on this machine',
  ENOENT: 'the link leads nowhere',
  ENOSPC: 'too many folders are watched on this machine (fs.inotify.max_user_watches)',
};

/** The operating system's word for an error; empty where it is none of its. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** Why a file or folder cannot be read, for people. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  const reason = reasons[code];
  if (reason) return `${reason} (${code})`;
  return messageOf(error);
}

/** How long until what failed to be read is tried again, in milliseconds: no event says that it can be read now. */
export const retryAfter = (failures: number): number => Math.min(1000 * 2 ** (failures - 1), 30_000);

/** A file that has not changed for so long, in milliseconds, is no longer being written. */
export const rest = 100;

export const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    error => codeOf(error) !== 'ENOENT',
  );
