import { readFile } from 'node:fs/promises';
import { readJwtRule } from '../access/jwt-rule.ts';
import type { Security } from '../access/security.ts';
import type { Cluster } from '../authority/cluster.ts';
import { systemClock } from '../clock.ts';
import { type Io, UsageError } from '../command.ts';
import type { RawObject } from '../config/raw.ts';
import { type ControlPlane, type Dependencies, startControlPlane } from '../control-plane.ts';
import { collectWhenIdle } from '../idle-collection.ts';
import { type Webhook, webhooksIn } from '../injection/webhooks.ts';
import type { FollowInjector, FollowWebhooks } from '../injector.ts';
import type { KubePod } from '../istio/kubernetes.ts';
import { compare } from '../istio/object.ts';
import { inRevision } from '../istio/revision.ts';
import { accessBy } from '../kubernetes/access-review.ts';
import { ApiClient } from '../kubernetes/api-client.ts';
import { reviewBy } from '../kubernetes/token-review.ts';
import { Writer } from '../kubernetes/writer.ts';
import { createLog, type Log } from '../log/log.ts';
import { LogScopes } from '../log/log-scopes.ts';
import { ListenError } from '../ports/ports.ts';
import type { Pace } from '../security/rotation.ts';
import type { Settings } from '../settings/settings.ts';
import { directorySource } from '../sources/directory.ts';
import { readCertificates } from '../sources/jwks/remote-keys.ts';
import { KubernetesSource } from '../sources/kubernetes/kubernetes.ts';
import { meshConfigFile } from '../sources/mesh-config-file.ts';
import { isObject } from '../unknown.ts';
import { VERSION } from '../version.ts';
import { checkFolder } from './folder.ts';
import { kubeconfigError, listenError, orOsError, osError } from './os-error.ts';

/** What the control plane is fed with. Throws a UsageError where that cannot be read. */
async function inputsOf(
  { source, meshConfig, mesh, revision, jwks, rotationPace }: Settings,
  scopes: LogScopes,
): Promise<Omit<Dependencies, 'log' | 'jwtRule' | 'scopes'>> {
  if (meshConfig !== undefined) await orOsError(`--mesh-config: ${meshConfig}`, readFile(meshConfig));
  if (jwks.ca !== undefined)
    await readCertificates(jwks.ca).catch((error: Error) => {
      throw 'code' in error && 'syscall' in error
        ? osError(`--jwks-ca: ${jwks.ca}`, error)
        : new UsageError(`--jwks-ca: ${jwks.ca}: ${error.message}`);
    });
  const file = meshConfig === undefined ? [] : [meshConfigFile({ file: meshConfig, log: scopes.of('file') })];
  if (source.kind === 'directory') {
    const { folder, ca } = source;
    await checkFolder(folder);
    const sources = [...file, directorySource({ folder, log: scopes.of('file') })];
    return ca === undefined ? { sources } : { sources, security: await folderSecurity(ca, mesh.domain) };
  }
  const { kubeconfig, context } = source;
  const client = await ApiClient.create({ kubeconfig, context }).catch((error: Error) => {
    throw kubeconfigError(kubeconfig, error);
  });
  const kubernetes = new KubernetesSource({
    client,
    log: scopes.of('kube'),
    meshConfigMap: file.length ? undefined : { namespace: mesh.rootNamespace, name: inRevision('istio', revision) },
  });
  return {
    sources: [...file, kubernetes],
    watches: () => kubernetes.status(),
    security: clusterSecurity(kubernetes, client, mesh.rootNamespace, rotationPace, scopes.of('ca')),
    follow: objects => void kubernetes.followNamed(objects),
    followInjector: (name, heard, signal) => followConfigMap(kubernetes, mesh.rootNamespace, name, heard, signal),
    followWebhooks: (...of) => followWebhooks(kubernetes, ...of),
  };
}

const MUTATING_WEBHOOKS = {
  group: 'admissionregistration.k8s.io',
  versions: ['v1'],
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
};

/** Follows the data of a ConfigMap; undefined where there is none. */
function followConfigMap(
  kubernetes: KubernetesSource,
  namespace: string,
  name: string,
  heard: Parameters<FollowInjector>[1],
  signal: AbortSignal,
): Promise<void> {
  const data = (object: RawObject | undefined) => heard(isObject(object?.['data']) ? object['data'] : undefined);
  const collection = { group: '', versions: ['v1'], kind: 'ConfigMap', plural: 'configmaps' };
  return kubernetes.follow(
    `ConfigMap/${namespace}/${name}`,
    { ...collection, namespace, fieldSelector: `metadata.name=${name}` },
    { listed: ([object]) => data(object), changed: data, gone: () => data(undefined) },
    signal,
  );
}

/** Follows the webhooks of a revision, those of its tags too. */
function followWebhooks(kubernetes: KubernetesSource, ...[revision, heard, signal]: Parameters<FollowWebhooks>) {
  const known = new Map<string, readonly Webhook[]>();
  const tell = () => heard([...known.values()].flat());
  const add = (object: RawObject) =>
    known.set(
      object.metadata.name,
      webhooksIn(object, () => ({})),
    );
  return kubernetes.follow(
    `webhooks of ${revision}`,
    { ...MUTATING_WEBHOOKS, labelSelector: `istio.io/rev=${revision}` },
    {
      listed(objects) {
        known.clear();
        for (const object of objects) add(object);
        tell();
      },
      changed(object) {
        add(object);
        tell();
      },
      gone(_, name) {
        known.delete(name);
        tell();
      },
    },
    signal,
  );
}

/** The cluster vouches for proxies, and keeps the mesh's certificate authority. */
function clusterSecurity(
  kubernetes: KubernetesSource,
  client: ApiClient,
  namespace: string,
  pace: Pace,
  log: Log,
): Security {
  const cluster: Cluster = {
    follow: (...args) => kubernetes.follow(...args),
    writer: permit => new Writer({ client, fieldManager: 'pilotlight', permit }),
    namespace,
    clock: systemClock,
    log,
  };
  return {
    async followAuthority(mesh, ...rest) {
      const { clusterAuthority } = await import('../authority/cluster-authority.ts');
      return clusterAuthority(cluster, client, { ...mesh, pace }, ...rest);
    },
    review: reviewBy(client),
    access: accessBy(client),
  };
}

/** The authority in a folder vouches for proxies, by tokens that `pilotlight token` made with its key. */
async function folderSecurity(ca: string, trustDomain: string): Promise<Security> {
  const { openFolderAuthority } = await import('./ca-folder.ts');
  const { issuedTokens } = await import('../security/oidc.ts');
  const { podTokens } = await import('../security/pod-token.ts');
  const { authority, tokenKey } = await openFolderAuthority(ca, trustDomain, systemClock.now());
  return {
    async followAuthority(_, heard) {
      heard.inForce(authority);
    },
    ownTokens: (trustDomain, clock) => issuedTokens(podTokens(tokenKey), trustDomain, clock),
  };
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** A word as a shell takes it. */
const shellWord = (text: string): string =>
  /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** How to attach an Envoy, where there is a pod that it can be; over TLS where the folder has an authority. */
function attaching(
  { folder, ca }: Settings['source'] & { kind: 'directory' },
  tls: string,
  pods: Iterable<KubePod>,
): string {
  const [pod] = [...pods].filter(({ ips }) => ips.length).sort((a, b) => compare(a.meta.key, b.meta.key));
  if (!pod) return '';
  const { name, namespace } = pod.meta;
  const title = namespace === 'default' && !name.includes('.') ? name : `${name}.${namespace}`;
  const command = (...words: readonly string[]): string =>
    ['npm run --silent pilotlight --', ...words.map(shellWord)].join(' ');
  const of = ['--config', folder];
  if (ca === undefined || !tls)
    return `
Attach an Envoy, for example for the pod ${title}:
  ${command('bootstrap', ...of, title)} > envoy.yaml
  envoy -c envoy.yaml --drain-strategy immediate
Over TLS, where it gets a certificate and speaks mutual TLS: start with --ca DIR, the folder for the keys
  npm start -- --ca ~/.pilotlight
`;
  const at = tls.endsWith(':15012') ? [] : ['--xds-address', tls];
  return `
Attach an Envoy over TLS, where it gets a certificate and speaks mutual TLS, for example for the pod ${title}:
  ${command('token', ...of, '--ca', ca, '--out', 'token', title)}
  ${command('bootstrap', ...of, '--secure', '--ca', ca, '--token', 'token', ...at, title)} > envoy.yaml
  envoy -c envoy.yaml --drain-strategy immediate
`;
}

/** What a newcomer wants to know: what is served, and how to see it work. Empty where the control plane was stopped before it served. */
function greeting(plane: ControlPlane, { source }: Settings): string {
  const world = plane.world();
  if (!world) return '';
  const { mesh, problems } = world;
  const attach = source.kind === 'directory' ? attaching(source, plane.tls, mesh.contents.Pod.values()) : '';
  const connect = [
    plane.xds && `${plane.xds}  (ADS, plaintext gRPC)`,
    plane.tls && `${plane.tls}  (ADS and certificates over TLS)`,
  ].filter(line => line);
  return `Pilotlight ${VERSION} serves ${counted(mesh.services.length, 'Service')}, ${counted(problems.length, 'problem')}.
${connect.map(line => `  proxies connect to   ${line}\n`).join('')}  pages                http://${plane.http}/debug
${attach}`;
}

/** An address that cannot be listened on, as one sentence about the option that it came from. */
function startError(error: unknown): never {
  if (!(error instanceof ListenError)) throw error;
  throw listenError(`${error.port}-address`, error.address, error.cause);
}

/** Runs the control plane until it is told to stop. Resolves to the exit code; rejects with a UsageError where it cannot start. */
export async function run(settings: Settings, io: Io): Promise<number> {
  const { log, end } = createLog(settings.logLevel);
  const jwtRule = settings.jwtRule === undefined ? undefined : readJwtRule('jwt-rule', settings.jwtRule);
  const scopes = new LogScopes(log);
  const inputs = await inputsOf(settings, scopes);
  const plane = await startControlPlane(settings, { ...inputs, jwtRule, log, scopes }).catch(startError);
  const stopped = new Promise<void>(resolve => io.signal.addEventListener('abort', () => resolve(), { once: true }));
  try {
    await Promise.race([plane.ready, stopped]);
    collectWhenIdle(systemClock);
    // A suspended function holds its variables for as long as the process lives: no world may be one of them.
    io.out(greeting(plane, settings));
    await Promise.race([stopped, plane.failed.catch(startError)]);
    return 0;
  } finally {
    await plane.stop();
    end();
  }
}
