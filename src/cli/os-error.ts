import { UsageError } from '../command.ts';

/** What the operating system's errors mean to who typed the path or address. */
const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'this machine has no such address',
  EAI_AGAIN: 'the host cannot be looked up now',
  EISDIR: 'it is a folder',
  ELOOP: 'its links lead in a circle',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'there is no such file or folder',
  ENOSPC: 'no space is left',
  ENOTDIR: 'it is not a folder, or is said to be within what is none',
  ENOTFOUND: 'there is no such host',
  EPERM: 'the system does not permit it',
  EROFS: 'the file system is read-only',
};

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && 'syscall' in error && typeof error.code === 'string'
    ? error.code
    : undefined;

/** Whether the other end of a pipe has gone. */
export const isClosedPipe = (error: unknown): boolean => codeOf(error) === 'EPIPE';

/**
 * An error of the operating system as one sentence about what was typed (`--config: deploy/x: there is no such file or folder`). Any other
 * error is a mistake of the program: it is thrown as it is, so that it says where.
 */
export function osError(subject: string, error: unknown): UsageError {
  const code = codeOf(error);
  if (code === undefined) throw error;
  return new UsageError(`${subject}: ${reasons[code] ?? (error as Error).message}`);
}

/** What the work comes to; an error of the operating system as {@link osError}. */
export const orOsError = <T>(subject: string, work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    throw osError(subject, error);
  });

/** As osError, for an address to listen on. */
export function listenError(
  option: string,
  address: { readonly host: string; readonly port: number },
  error: unknown,
): UsageError {
  const code = codeOf(error);
  const { host, port } = address;
  if (code === 'EADDRINUSE') return new UsageError(`--${option}: port ${port} is in use`);
  if (code === 'EACCES') return new UsageError(`--${option}: port ${port} is for privileged processes`);
  return osError(`--${option}: ${host}`, error);
}

/** What is wrong with the kubeconfig: a file that it is or names, or what it says. */
export function kubeconfigError(kubeconfig: string | undefined, error: Error & { readonly path?: string }): UsageError {
  const subject = kubeconfig === undefined ? 'kubeconfig' : '--kubeconfig';
  const path = error.path || kubeconfig;
  if ('code' in error) return osError(path ? `${subject}: ${path}` : subject, error);
  return new UsageError(kubeconfig === undefined ? error.message : `${subject}: ${kubeconfig}: ${error.message}`);
}
