import { UsageError } from '../command.ts';
import type { ApiClient } from '../kubernetes/api-client.ts';
import { ApiError, failureLine } from '../kubernetes/api-error.ts';
import { NO_CLUSTER } from '../kubernetes/credentials.ts';
import { kubeconfigError } from './os-error.ts';

/** Why there is no client: `nothing` where no cluster is named anywhere, else what is wrong with how one is. */
export const clusterError = (kubeconfig: string | undefined, error: Error, nothing: string): UsageError =>
  error.message === NO_CLUSTER ? new UsageError(nothing) : kubeconfigError(kubeconfig, error);

/** What to do where a server cannot be asked. */
function remedyFor(error: unknown, path: string): string {
  if (error instanceof ApiError && error.code === 401)
    return "; it does not know the kubeconfig's user: log in again, or name another with --context";
  if (error instanceof ApiError && error.code === 403) {
    const resource = path
      .split('/')
      .find((part, i, parts) => i > 1 && parts[i - 1] !== 'namespaces' && /^[a-z]{4,}$/.test(part));
    return `; give the user the right, or name another user with --context (kubectl auth can-i list ${resource ?? 'pods'} --all-namespaces)`;
  }
  return error instanceof ApiError
    ? ''
    : '; is the cluster up, and is this its address? (kubectl config view --minify)';
}

/** Why what is at a path of the server cannot be read, and what to do. */
export const requestError = ({ server }: ApiClient, path: string, error: unknown): UsageError =>
  new UsageError(`${server}${path}: ${failureLine(error)}${remedyFor(error, path)}`);
