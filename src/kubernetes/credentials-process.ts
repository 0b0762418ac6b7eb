import { existsSync, readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { messageOf } from '../unknown.ts';
import { parseYaml } from '../yaml/documents.ts';
import { type ApiServerSettings, type Credentials, type CredentialsReply, NO_CLUSTER } from './credentials.ts';

// Runs as a child process of credentials.ts, which says why.

const IN_CLUSTER_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

function load(settings: ApiServerSettings): KubeConfig {
  const config = new KubeConfig();
  if (settings.kubeconfig) config.loadFromFile(settings.kubeconfig);
  else if (process.env['KUBERNETES_SERVICE_HOST'] && existsSync(IN_CLUSTER_TOKEN)) config.loadFromCluster();
  else if (process.env['KUBECONFIG'] || existsSync(join(homedir(), '.kube', 'config'))) config.loadFromDefault();
  // The package would take what is on port 8080 of this machine for a cluster.
  else throw new Error(NO_CLUSTER);
  if (settings.context) {
    const known = config.getContexts().map(({ name }) => name);
    if (!known.includes(settings.context))
      throw new Error(`the kubeconfig has no context ${settings.context}; it has ${known.join(', ') || 'none'}`);
    config.setCurrentContext(settings.context);
  }
  return config;
}

// kubectl's `tokenFile` of a user, which the package does not read.
function userTokenFile(kubeconfig: string | undefined, user: string): string | undefined {
  if (!kubeconfig) return undefined;
  const users = (
    parseYaml(readFileSync(kubeconfig, 'utf8')) as { users?: { name?: string; user?: { tokenFile?: string } }[] }
  ).users;
  const file = users?.find(u => u.name === user)?.user?.tokenFile;
  return file && resolve(dirname(kubeconfig), file);
}

async function credentials(settings: ApiServerSettings): Promise<Credentials> {
  const config = load(settings);
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
  await config.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value).trim();
  if (options.auth) headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  const text = (value: unknown) => (value === undefined || value === null ? undefined : String(value));
  const [ca, cert, key] = [text(options.ca), text(options.cert), text(options.key)];
  const inClusterToken: unknown = user?.authProvider?.config?.tokenFile;
  const tokenFile =
    typeof inClusterToken === 'string' ? inClusterToken : userTokenFile(settings.kubeconfig, user?.name ?? '');
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
