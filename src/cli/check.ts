import { type Arguments, type Io, UsageError } from '../command.ts';
import { isDnsLabel } from '../config/host.ts';
import { kinds } from '../config/kinds.ts';
import { problemLine } from '../config/problem.ts';
import { readSettings } from '../injection/settings.ts';
import { isObject } from '../injection/strategic-merge.ts';
import { inRevision } from '../injector.ts';
import type { KubePod } from '../istio/kubernetes.ts';
import { ApiClient } from '../kubernetes/api-client.ts';
import { failureLine } from '../kubernetes/api-error.ts';
import type { LabelSelector } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { readMeshOptions } from '../settings/settings.ts';
import { project } from '../sources/kubernetes/projection.ts';
import { textOf } from '../unknown.ts';
import { VERSION } from '../version.ts';
import { type ClusterState, checkCluster, type Unpulled, type WebhookConfiguration } from './cluster-check.ts';
import { meshOf } from './inject.ts';
import { clusterSettings } from './injection-settings.ts';
import { kubeconfigError } from './os-error.ts';

type Fields = { readonly [field: string]: unknown };

const fields = (value: unknown): Fields => (isObject(value as never) ? (value as Fields) : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const nameOf = (object: Fields): string => textOf(fields(object['metadata'])['name']);

/** So many objects are asked for at once. */
const PAGE = '500';

/** Every object at a path. Throws a UsageError where it cannot be read. */
async function all(
  client: ApiClient,
  path: string,
  query: Readonly<Record<string, string>> = {},
): Promise<readonly Fields[]> {
  const found: Fields[] = [];
  let next = '';
  do {
    const page = await client
      .json(path, { query: { ...query, limit: PAGE, ...(next && { continue: next }) } })
      .catch((error: unknown) => {
        throw new UsageError(`${client.server}${path}: ${failureLine(error)}`);
      });
    found.push(...list(fields(page)['items']).map(fields));
    next = textOf(fields(fields(page)['metadata'])['continue']);
  } while (next);
  return found;
}

function podOf(object: Fields): readonly KubePod[] {
  const parsed = kinds.Pod.parse(project(object, 'Pod', 'v1'));
  return parsed.ok ? [parsed.value] : [];
}

const webhooksIn = (object: Fields): WebhookConfiguration => ({
  name: nameOf(object),
  webhooks: list(object['webhooks'])
    .map(fields)
    .filter(({ name }) => textOf(name).endsWith('sidecar-injector.istio.io'))
    .map(webhook => {
      const { caBundle, service } = fields(webhook['clientConfig']);
      return {
        name: textOf(webhook['name']),
        namespaceSelector: fields(webhook['namespaceSelector']) as LabelSelector,
        objectSelector: fields(webhook['objectSelector']) as LabelSelector,
        caBundle: Buffer.from(textOf(caBundle), 'base64').toString(),
        service: textOf(fields(service)['name']),
        failurePolicy: textOf(webhook['failurePolicy']),
      };
    }),
});

const servicesAsked = (object: Fields, namespace: string): readonly string[] =>
  list(object['webhooks'])
    .map(webhook => fields(fields(fields(webhook)['clientConfig'])['service']))
    .filter(service => service['namespace'] === namespace)
    .map(({ name }) => textOf(name));

/** Reasons of the kubelet for which a container waits: its image does not come. */
const UNPULLED = /^(ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName|RegistryUnavailable)$/;

function unpulledIn(object: Fields): readonly Unpulled[] {
  const status = fields(object['status']);
  const { name, namespace } = fields(object['metadata']);
  return [...list(status['initContainerStatuses']), ...list(status['containerStatuses'])]
    .map(fields)
    .filter(({ state }) => UNPULLED.test(textOf(fields(fields(state)['waiting'])['reason'])))
    .map(container => ({
      namespace: textOf(namespace),
      pod: textOf(name),
      container: textOf(container['name']),
      image: textOf(container['image']),
    }));
}

/** Reads what is looked at. Throws a UsageError where the cluster cannot be read. */
async function stateOf(args: Arguments): Promise<ClusterState> {
  const { kubeconfig, context, revision = 'default' } = args.options;
  const { rootNamespace } = readMeshOptions(args);
  if (!isDnsLabel(revision) || revision !== revision.toLowerCase())
    throw new UsageError(`--revision: '${revision}' cannot be a revision; expected one such as canary or 1-31`);
  const client = await ApiClient.create({ kubeconfig, context }).catch((error: Error) => {
    if (kubeconfig === undefined && !('code' in error))
      throw new UsageError('there is no cluster to check: name one with --kubeconfig FILE or $KUBECONFIG');
    throw kubeconfigError(kubeconfig, error);
  });
  const configurations = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
  const validators = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  const [namespaces, pods, webhooks, validating, services, maps, texts] = await Promise.all([
    all(client, '/api/v1/namespaces'),
    all(client, '/api/v1/pods'),
    all(client, configurations, { labelSelector: `istio.io/rev=${revision}` }),
    all(client, validators),
    all(client, `/api/v1/namespaces/${rootNamespace}/services`),
    all(client, '/api/v1/configmaps', { fieldSelector: 'metadata.name=istio-ca-root-cert' }),
    clusterSettings(args),
  ]);
  const mistakes: { object: string; message: string }[] = [];
  const meshMap = `ConfigMap/${rootNamespace}/${inRevision('istio', revision)}`;
  const tell = (object: string) => (problems: Parameters<Parameters<typeof meshOf>[2]>[0]) => {
    for (const { path, message } of problems) mistakes.push({ object, message: `${path}: ${message}` });
  };
  const meshIn = (source: string | undefined) => meshOf(source, args, tell(meshMap));
  let mesh: ReturnType<typeof meshOf>;
  try {
    mesh = meshIn(texts.mesh);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    mistakes.push({ object: meshMap, message: error.message });
    mesh = meshIn(undefined);
  }
  const { config, values } = texts;
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
  const rootIn = (map: Fields): readonly [string, string] => [
    textOf(fields(map['metadata'])['namespace']),
    textOf(fields(map['data'])['root-cert.pem']),
  ];
  const staying = pods.filter(object => !fields(object['metadata'])['deletionTimestamp']);
  return {
    rootNamespace,
    revision,
    version: VERSION,
    namespaces: new Map(
      namespaces
        // What is going has no need of anything.
        .filter(({ status }) => fields(status)['phase'] !== 'Terminating')
        .map(object => [
          nameOf(object),
          fields(fields(object['metadata'])['labels']) as Readonly<Record<string, string>>,
        ]),
    ),
    pods: staying.flatMap(podOf),
    unpulled: staying.flatMap(unpulledIn),
    validators: new Map(validating.map(object => [nameOf(object), servicesAsked(object, rootNamespace)])),
    webhooks: webhooks.map(webhooksIn).filter(one => one.webhooks.length > 0),
    services: new Set(services.map(nameOf)),
    roots: new Map(maps.map(rootIn).filter(([, root]) => root !== '')),
    settings,
    mistakes,
  };
}

/** `pilotlight check`. Resolves to the exit code; rejects with a UsageError. */
export async function run(args: Arguments, io: Io): Promise<number> {
  const state = await stateOf(args);
  const findings = checkCluster(state);
  for (const { about, message, command } of findings) io.out(`${about}: ${message}\n    ${command}\n`);
  const { pods, namespaces, revision } = state;
  const looked = `${pods.length} pods of ${namespaces.size} namespaces, revision ${revision}`;
  io.out(findings.length ? `\n${findings.length} findings; ${looked}\n` : `all in order: ${looked}\n`);
  return findings.length ? 1 : 0;
}
