import { type Arguments, type Io, UsageError } from '../command.ts';
import { kinds } from '../config/kinds.ts';
import { type Problem, problemLine } from '../config/problem.ts';
import { readSettings } from '../injection/settings.ts';
import { webhooksIn } from '../injection/webhooks.ts';
import type { KubePod } from '../istio/kubernetes.ts';
import { inRevision } from '../istio/revision.ts';
import type { ApiClient } from '../kubernetes/api-client.ts';
import { revisionName } from '../settings/option-values.ts';
import { readMeshOptions } from '../settings/settings.ts';
import { project } from '../sources/kubernetes/projection.ts';
import { fieldsOf, type JsonObject, listOf, textOf } from '../unknown.ts';
import { VERSION } from '../version.ts';
import { connect, requestError } from './cluster.ts';
import { type ClusterState, checkCluster, type Unpulled, type WebhookConfiguration } from './cluster-check.ts';
import { meshOf } from './inject.ts';
import { type ClusterSettings, settingsFrom } from './injection-settings.ts';

const nameOf = (object: JsonObject): string => textOf(fieldsOf(object['metadata'])['name']);

/** So many objects are asked for at once. */
const PAGE = '500';

/** What `read` takes of every object at a path, page by page: of a pod little is kept. Throws a UsageError where it cannot be read. */
async function all<T>(
  client: ApiClient,
  path: string,
  read: (object: JsonObject) => readonly T[],
  query: Readonly<Record<string, string>> = {},
): Promise<readonly T[]> {
  const found: T[] = [];
  let next = '';
  do {
    const page = await client
      .json(path, { query: { ...query, limit: PAGE, ...(next && { continue: next }) } })
      .catch((error: unknown) => {
        throw requestError(client, path, error);
      });
    for (const object of listOf(fieldsOf(page)['items'])) found.push(...read(fieldsOf(object)));
    next = textOf(fieldsOf(fieldsOf(page)['metadata'])['continue']);
  } while (next);
  return found;
}

function podOf(object: JsonObject): readonly KubePod[] {
  const parsed = kinds.Pod.parse(project(object, 'Pod', 'v1'));
  return parsed.ok ? [parsed.value] : [];
}

const configurationOf = (object: JsonObject): WebhookConfiguration => ({
  name: nameOf(object),
  webhooks: webhooksIn(object, webhook => {
    const { caBundle, service } = fieldsOf(webhook['clientConfig']);
    return {
      caBundle: Buffer.from(textOf(caBundle), 'base64').toString(),
      service: textOf(fieldsOf(service)['name']),
      failurePolicy: textOf(webhook['failurePolicy']),
    };
  }),
});

/** The revision that a configuration brings pods to. */
const revisionOf = (object: JsonObject): readonly string[] => [
  textOf(fieldsOf(fieldsOf(object['metadata'])['labels'])['istio.io/rev']),
];

const servicesAsked = (object: JsonObject, namespace: string): readonly string[] =>
  listOf(object['webhooks'])
    .map(webhook => fieldsOf(fieldsOf(fieldsOf(webhook)['clientConfig'])['service']))
    .filter(service => service['namespace'] === namespace)
    .map(({ name }) => textOf(name));

/** Reasons of the kubelet for which a container waits: its image does not come. */
const UNPULLED = /^(ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName|RegistryUnavailable)$/;

function unpulledIn(object: JsonObject): readonly Unpulled[] {
  const status = fieldsOf(object['status']);
  const { name, namespace } = fieldsOf(object['metadata']);
  return [...listOf(status['initContainerStatuses']), ...listOf(status['containerStatuses'])]
    .map(fieldsOf)
    .filter(({ state }) => UNPULLED.test(textOf(fieldsOf(fieldsOf(state)['waiting'])['reason'])))
    .map(container => ({
      namespace: textOf(namespace),
      pod: textOf(name),
      container: textOf(container['name']),
      image: textOf(container['image']),
    }));
}

/** What is kept of a pod that is not going. */
const staying = (object: JsonObject) =>
  fieldsOf(object['metadata'])['deletionTimestamp'] ? [] : [{ pod: podOf(object), unpulled: unpulledIn(object) }];

/** A namespace and its labels; what is going has no need of anything. */
function namespaceOf(object: JsonObject): readonly (readonly [string, Readonly<Record<string, string>>])[] {
  if (fieldsOf(object['status'])['phase'] === 'Terminating') return [];
  return [[nameOf(object), fieldsOf(fieldsOf(object['metadata'])['labels']) as Readonly<Record<string, string>>]];
}

/** The roots in a ConfigMap, by its namespace. */
function rootIn(map: JsonObject): readonly (readonly [string, string])[] {
  const root = textOf(fieldsOf(map['data'])['root-cert.pem']);
  return root === '' ? [] : [[textOf(fieldsOf(map['metadata'])['namespace']), root]];
}

/** The settings as far as they can be read, and what is wrong with the rest. */
function settingsIn(
  { config, values, mesh: text }: ClusterSettings,
  args: Arguments,
): Pick<ClusterState, 'settings' | 'mistakes'> {
  const { revision = 'default' } = args.options;
  const mistakes: { object: string; message: string }[] = [];
  const object = `ConfigMap/${readMeshOptions(args).rootNamespace}/${inRevision('istio', revision)}`;
  const meshIn = (source: string | undefined) =>
    meshOf(source, args, (problems: readonly Problem[]) => {
      for (const { path, message } of problems) mistakes.push({ object, message: `${path}: ${message}` });
    });
  let mesh: ReturnType<typeof meshOf>;
  try {
    mesh = meshIn(text);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    mistakes.push({ object, message: error.message });
    mesh = meshIn(undefined);
  }
  const { settings, problems } = readSettings({
    config,
    values,
    mesh,
    proxyConfigs: [],
    revision,
    compliancePolicy: '',
  });
  for (const problem of problems)
    mistakes.push({ object: problem.object, message: problemLine(problem).replace(`${problem.object} `, '') });
  return { settings, mistakes };
}

/** Reads what is looked at. Throws a UsageError where the cluster cannot be read. */
async function stateOf(args: Arguments): Promise<ClusterState> {
  const { rootNamespace } = readMeshOptions(args);
  const revision = revisionName(args.options['revision'] ?? 'default');
  const client = await connect(args, 'there is no cluster to check: name one with --kubeconfig FILE or $KUBECONFIG');
  const configurations = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
  const validators = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  const [namespaces, pods, webhooks, validating, services, roots, texts] = await Promise.all([
    all(client, '/api/v1/namespaces', namespaceOf),
    all(client, '/api/v1/pods', staying),
    all(client, configurations, object => [configurationOf(object)], { labelSelector: `istio.io/rev=${revision}` }),
    all(client, validators, object => [[nameOf(object), servicesAsked(object, rootNamespace)] as const]),
    all(client, `/api/v1/namespaces/${rootNamespace}/services`, object => [nameOf(object)]),
    all(client, '/api/v1/configmaps', rootIn, { fieldSelector: 'metadata.name=istio-ca-root-cert' }),
    settingsFrom(client, args),
  ]);
  if (!webhooks.length) {
    const [tagged] = await all(client, configurations, revisionOf, { labelSelector: `istio.io/tag=${revision}` });
    if (tagged)
      throw new UsageError(
        `--revision: '${revision}' is a tag of the revision ${tagged}; expected --revision ${tagged}`,
      );
  }
  return {
    rootNamespace,
    revision,
    version: VERSION,
    namespaces: new Map(namespaces),
    pods: pods.flatMap(({ pod }) => pod),
    unpulled: pods.flatMap(({ unpulled }) => unpulled),
    validators: new Map(validating),
    webhooks: webhooks.filter(one => one.webhooks.length > 0),
    services: new Set(services),
    roots: new Map(roots),
    ...settingsIn(texts, args),
  };
}

/** So many are read by a person. */
const MOST_FINDINGS = 100;

/** `pilotlight check`. Resolves to the exit code; rejects with a UsageError. */
export async function run(args: Arguments, io: Io): Promise<number> {
  const state = await stateOf(args);
  const findings = checkCluster(state);
  for (const { about, message, command } of findings.slice(0, MOST_FINDINGS))
    io.out(`${about}: ${message}\n    ${command}\n`);
  const more = findings.length - MOST_FINDINGS;
  if (more > 0) io.out(`and ${more} more: they are told when some of these are mended\n`);
  const { pods, namespaces, revision } = state;
  const looked = `${pods.length} pods of ${namespaces.size} namespaces, revision ${revision}`;
  io.out(findings.length ? `\n${findings.length} findings; ${looked}\n` : `all in order: ${looked}\n`);
  return findings.length ? 1 : 0;
}
