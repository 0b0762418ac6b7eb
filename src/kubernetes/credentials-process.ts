import { accessSync, existsSync, readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { messageOf } from '../unknown.ts';
import { parseYaml } from '../yaml/documents.ts';
import { type ApiServerSettings, type Credentials, type CredentialsReply, NO_CLUSTER } from './credentials.ts';

// Runs as a child process of credentials.ts, which says why.

const IN_CLUSTER_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** The files that kubectl reads: what is typed, else those of $KUBECONFIG, some of which may be missing, else the user's own. */
function kubeconfigs({ kubeconfig }: ApiServerSettings): readonly string[] {
  if (kubeconfig) return [kubeconfig];
  const [first, ...others] = (process.env['KUBECONFIG'] ?? '').split(delimiter).filter(Boolean);
  const own = join(homedir(), '.kube', 'config');
  if (first === undefined) return existsSync(own) ? [own] : [];
  const there = [first, ...others].filter(file => existsSync(file));
  return there.length > 0 ? there : [first];
}

/** Several files as one, as kubectl has it: of what has the same name, and of current contexts, the first counts. (The package takes the last context.) */
function merged(files: readonly string[]): KubeConfig {
  const all = files.map(file => {
    const config = new KubeConfig();
    config.loadFromFile(file);
    return config;
  });
  const first = <T extends { readonly name: string }>(lists: readonly T[][]): T[] => [
    ...new Map(
      lists
        .flat()
        .reverse()
        .map(item => [item.name, item]),
    ).values(),
  ];
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: first(all.map(({ clusters }) => clusters)),
    users: first(all.map(({ users }) => users)),
    contexts: first(all.map(({ contexts }) => contexts)),
    currentContext: all.map(({ currentContext }) => currentContext).find(Boolean),
  });
  return config;
}

function load(settings: ApiServerSettings, files: readonly string[]): KubeConfig {
  const config = files.length > 0 ? merged(files) : new KubeConfig();
  if (isInCluster(settings)) config.loadFromCluster();
  // The package would take what is on port 8080 of this machine for a cluster.
  else if (files.length === 0) throw new Error(NO_CLUSTER);
  if (settings.context) {
    const known = config.getContexts().map(({ name }) => name);
    if (!known.includes(settings.context))
      throw new Error(`the kubeconfig has no context ${settings.context}; it has ${known.join(', ') || 'none'}`);
    config.setCurrentContext(settings.context);
  }
  return config;
}

const isInCluster = ({ kubeconfig }: ApiServerSettings): boolean =>
  !kubeconfig && !!process.env['KUBERNETES_SERVICE_HOST'] && existsSync(IN_CLUSTER_TOKEN);

/** kubectl's `tokenFile` of a user, which the package does not read. Throws where it is not there. */
function userTokenFile(files: readonly string[], user: string): string | undefined {
  for (const kubeconfig of files) {
    const { users } = parseYaml(readFileSync(kubeconfig, 'utf8')) as {
      users?: { name?: string; user?: { tokenFile?: string } }[];
    };
    const found = users?.find(({ name }) => name === user);
    const file = found?.user?.tokenFile && resolve(dirname(kubeconfig), found.user.tokenFile);
    if (file) accessSync(file);
    if (found) return file;
  }
  return undefined;
}

async function credentials(settings: ApiServerSettings): Promise<Credentials> {
  const files = isInCluster(settings) ? [] : kubeconfigs(settings);
  const config = load(settings, files);
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (!cluster?.server) throw new Error('the kubeconfig names no cluster for its current context');
  if (!/^https?:\/\//.test(cluster.server) || !URL.canParse(cluster.server))
    throw new Error(
      `the server of cluster ${cluster.name}, '${cluster.server}', is no URL such as https://10.0.0.1:6443`,
    );
  const options: RequestOptions = { headers: {} };
  // The package refuses to make an agent for plain http without it; the agent is not used here.
  if (cluster.server.startsWith('http:')) Object.assign(cluster, { skipTLSVerify: true });
  await config.applyToHTTPSOptions(options).catch((error: unknown) => {
    const provider = user?.authProvider?.name;
    // The package takes for granted what a provider that never logged in does not say.
    if (provider === undefined || !(error instanceof TypeError)) throw error;
    throw new Error(
      `user ${user?.name}: its auth-provider ${provider} cannot be used; expected exec, a token or a client certificate`,
    );
  });
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value).trim();
  if (options.auth) headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  const text = (value: unknown) => (value === undefined || value === null ? undefined : String(value));
  const [ca, cert, key] = [text(options.ca), text(options.cert), text(options.key)];
  const inClusterToken: unknown = user?.authProvider?.config?.tokenFile;
  const tokenFile = typeof inClusterToken === 'string' ? inClusterToken : userTokenFile(files, user?.name ?? '');
  return {
    server: cluster.server,
    headers,
    tls: {
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      ...(options.servername && { servername: options.servername }),
      ...(options.rejectUnauthorized === false && { rejectUnauthorized: false }),
    },
    ...(cluster.proxyUrl && { proxyUrl: cluster.proxyUrl }),
    ...(tokenFile && { tokenFile }),
  };
}

function replyOf(error: unknown): CredentialsReply {
  // A parser shows the place below its message.
  const [message = ''] = messageOf(error).split('\n', 1);
  const { code, syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  return { error: message.replace(/:$/, ''), ...(code && syscall && { system: { code, syscall, path: path ?? '' } }) };
}

process.once('message', async settings => {
  let reply: CredentialsReply;
  try {
    reply = { credentials: await credentials(settings as ApiServerSettings) };
  } catch (error) {
    reply = replyOf(error);
  }
  process.send?.(reply, () => process.exit(0));
});
