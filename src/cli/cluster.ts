import { type Arguments, UsageError } from '../command.ts';
import { ApiClient } from '../kubernetes/api-client.ts';
import { ApiError, failureLine } from '../kubernetes/api-error.ts';
import { NO_CLUSTER } from '../kubernetes/credentials.ts';
import { kubeconfigError } from './os-error.ts';

/** A client of the cluster that the kubeconfig names. Throws a UsageError: it says `nothing` where no cluster is named anywhere. */
export const connect = ({ options: { kubeconfig, context } }: Arguments, nothing: string): Promise<ApiClient> =>
  ApiClient.create({ kubeconfig, context }).catch((error: Error) => {
    throw error.message === NO_CLUSTER ? new UsageError(nothing) : kubeconfigError(kubeconfig, error);
  });

/** How kubectl asks whether its user may read what is at a path: `/api/v1/namespaces/shop/pods` and `/api/v1/namespaces/shop/pods/web`. */
function mayRead(path: string): string {
  const [, namespace, resource, name] = /\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/?]+))?/.exec(path) ?? [];
  if (resource) return `kubectl auth can-i ${name ? 'get' : 'list'} ${resource} -n ${namespace}`;
  const of = /^\/(?:api|apis\/[^/]+)\/[^/]+\/([^/?]+)/.exec(path)?.[1];
  return `kubectl auth can-i list ${of ?? 'pods'} --all-namespaces`;
}

/** What to do where a server cannot be asked. */
function remedyFor(error: unknown, path: string): string {
  const isAnswer = error instanceof ApiError;
  if (isAnswer && error.code === 401)
    return "; it does not know the kubeconfig's user: log in again, or name another with --context";
  if (isAnswer && error.code === 403)
    return `; give the user the right, or name another user with --context (${mayRead(path)})`;
  // Whatever an API server refuses it gives a reason for.
  if (isAnswer && !error.reason && error.code < 500)
    return '; is this the address of an API server? (kubectl config view --minify)';
  if (/certificate|altnames/i.test(failureLine(error)))
    return "; its certificate is none that the kubeconfig's certificate-authority vouches for at this address (kubectl config view --minify)";
  return isAnswer ? '' : '; is the cluster up, and is this its address? (kubectl config view --minify)';
}

/** Why what is at a path of the server cannot be read, and what to do. */
export const requestError = ({ server }: ApiClient, path: string, error: unknown): UsageError => {
  const [line] = failureLine(error).split('\n', 1);
  return new UsageError(`${server}${path}: ${line}${remedyFor(error, path)}`);
};
