import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Which API server, and as whom. Without a kubeconfig: the pod's own service account, else `$KUBECONFIG` or `~/.kube/config`. */
export interface ApiServerSettings {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** What a request to the API server needs, resolved: exec plugins have run, files have been read. */
export interface Credentials {
  /** The server's URL, which may have a path of its own. */
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly servername?: string;
    readonly rejectUnauthorized?: boolean;
  };
  readonly proxyUrl?: string;
  /** A file with the bearer token, which the kubelet replaces from time to time: to be read again and again. */
  readonly tokenFile?: string;
}

/** Why there are none where no cluster is named anywhere. */
export const NO_CLUSTER =
  'there is no cluster to watch: this is no pod of one, and there is neither $KUBECONFIG nor ~/.kube/config; name a folder of objects with --config DIR, or a cluster with --kubeconfig FILE';

/** What the child process answers. */
export type CredentialsReply =
  | { readonly credentials: Credentials }
  /** `system` where the operating system refused a file. */
  | {
      readonly error: string;
      readonly system?: { readonly code: string; readonly syscall: string; readonly path: string };
    };

/**
 * Loads the kubeconfig with `@kubernetes/client-node` in a process that ends afterwards: importing the package costs 85 MB of resident
 * memory that is never given back (its generated models come along), about as much as all the rest of the control plane, and credentials
 * are loaded at the start and after a 401 only. Rejects with what is wrong with the kubeconfig or with its exec plugin.
 */
export function loadCredentials(settings: ApiServerSettings): Promise<Credentials> {
  const { promise, resolve, reject } = Promise.withResolvers<Credentials>();
  const script = fileURLToPath(new URL(`./credentials-process${extname(import.meta.filename)}`, import.meta.url));
  const child = fork(script, [], { execArgv: [], timeout: 60_000, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-2000);
  });
  child.on('message', reply => {
    const answer = reply as CredentialsReply;
    if ('credentials' in answer) resolve(answer.credentials);
    else reject(Object.assign(new Error(answer.error), answer.system));
  });
  child.on('error', reject);
  child.on('exit', code =>
    reject(
      new Error(
        code === null
          ? 'it was not loaded within 60 s: is its exec plugin waiting for somebody to log in?'
          : `loading the kubeconfig failed (exit ${code}): ${stderr.trim()}`,
      ),
    ),
  );
  child.send(settings);
  return promise;
}
