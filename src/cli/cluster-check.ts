/** What in a cluster keeps sidecars from pods, each with the command that mends it. Pure: what is known of the cluster is given. */

import { PROXY, sidecarContainers } from '../injection/pod.ts';
import { restarts } from '../injection/restarts.ts';
import type { InjectionSettings } from '../injection/settings.ts';
import { type Webhook, webhooksOf } from '../injection/webhooks.ts';
import type { KubePod } from '../istio/kubernetes.ts';
import { inRevision } from '../istio/revision.ts';

/** Something that is not as it should be. */
export interface Finding {
  /** What it is about: `Deployment default/web`. */
  readonly about: string;
  readonly message: string;
  readonly command: string;
}

/** A MutatingWebhookConfiguration, as far as it is read. */
export interface WebhookConfiguration {
  readonly name: string;
  readonly webhooks: readonly (Webhook & {
    /** PEM; empty where there is none. */
    readonly caBundle: string;
    readonly service: string;
    readonly failurePolicy: string;
  })[];
}

/** A container that waits for its image, which its node cannot pull. */
export interface Unpulled {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly image: string;
}

/** What is known of a cluster. */
export interface ClusterState {
  readonly rootNamespace: string;
  readonly revision: string;
  /** The version of this program. */
  readonly version: string;
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly pods: readonly KubePod[];
  readonly webhooks: readonly WebhookConfiguration[];
  /** ValidatingWebhookConfigurations, by name, with the Services of the root namespace that they ask. */
  readonly validators: ReadonlyMap<string, readonly string[]>;
  readonly unpulled: readonly Unpulled[];
  /** Services of the root namespace, by name. */
  readonly services: ReadonlySet<string>;
  /** Texts of the ConfigMap istio-ca-root-cert, by namespace. */
  readonly roots: ReadonlyMap<string, string>;
  readonly settings: InjectionSettings;
  /** What is wrong with the ConfigMaps of settings, as sentences. */
  readonly mistakes: readonly { readonly object: string; readonly message: string }[];
}

/** Namespaces that get no roots (istiod: IgnoredNamespaces, but for kube-system). */
const WITHOUT_ROOTS = ['kube-public', 'kube-node-lease', 'local-path-storage'];

/** So many of a kind are named. */
const MOST_NAMED = 3;

const named = (names: readonly string[]): string =>
  names.slice(0, MOST_NAMED).join(', ') + (names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '');

const install = (revision: string): string =>
  `pilotlight install${revision === 'default' ? '' : ` --set revision=${revision}`} | kubectl apply -f -`;

const replicasOf = ({ rootNamespace, revision, pods }: ClusterState): readonly KubePod[] =>
  pods.filter(
    ({ meta, phase }) =>
      meta.namespace === rootNamespace &&
      meta.labels['app'] === 'istiod' &&
      (meta.labels['istio.io/rev'] ?? 'default') === revision &&
      phase !== 'Succeeded' &&
      phase !== 'Failed',
  );

/** Istio's own control plane, by its image: `docker.io/istio/pilot:1.31.0`. */
const isIstiod = ({ containers }: KubePod): boolean => /(^|\/)pilot(-\w+)?([:@]|$)/.test(containers[0]?.image ?? '');

/** The replicas of the control plane: there, not Istio's, ready, of one version, and of this one. */
function* ofControlPlane(state: ClusterState): Generator<Finding> {
  const { rootNamespace, revision, version } = state;
  const replicas = replicasOf(state);
  const deployment = inRevision('istiod', revision);
  const about = `Deployment ${rootNamespace}/${deployment}`;
  if (!replicas.length)
    return yield { about, message: 'there is no replica of the control plane', command: install(revision) };
  const theirs = replicas.find(isIstiod);
  if (theirs)
    return yield {
      about,
      message: `it is Istio's own, ${theirs.containers[0]?.image}; README.md, "To take over from istiod", says in which order it is replaced`,
      command: 'kubectl apply -k deploy/takeover',
    };
  const ready = replicas.filter(replica => replica.ready);
  if (!ready.length)
    yield {
      about,
      message: 'no replica of the control plane is ready: nobody answers the webhook, and pods are refused',
      command: `kubectl logs deployment/${deployment} -n ${rootNamespace}`,
    };
  const images = [...new Set(replicas.map(({ containers }) => containers[0]?.image ?? ''))].sort();
  if (images.length > 1)
    yield {
      about,
      message: `its replicas are of several images: ${images.join(', ')}`,
      command: `kubectl rollout status deployment/${deployment} -n ${rootNamespace}`,
    };
  const tag = /:([^:/@]+)(?:@.*)?$/.exec(images[0] ?? '')?.[1];
  if (images.length === 1 && images[0]?.includes('pilotlight') && tag && tag !== version)
    yield {
      about,
      message: `the control plane is ${tag}, and this program ${version}`,
      command: `kubectl set image deployment/${deployment} discovery=${images[0].replace(`:${tag}`, `:${version}`)} -n ${rootNamespace}`,
    };
}

/** Webhooks of istiod that nobody answers, in a cluster that it was taken from. */
function* ofValidators(state: ClusterState): Generator<Finding> {
  const service = inRevision('istiod', state.revision);
  const replicas = replicasOf(state);
  if (!replicas.length || replicas.some(isIstiod)) return;
  for (const [name, services] of state.validators)
    if (services.includes(service))
      yield {
        about: `ValidatingWebhookConfiguration ${name}`,
        message: `it asks the Service ${service} to validate objects, which Pilotlight does not: the API server refuses changes of Istio's objects`,
        command: `kubectl delete validatingwebhookconfiguration ${name}`,
      };
}

/** Images of the control plane and of sidecars that nodes cannot pull. */
function* ofImages({ rootNamespace, revision, unpulled, pods }: ClusterState): Generator<Finding> {
  const isControlPlane = ({ namespace, pod }: Unpulled): boolean =>
    namespace === rootNamespace &&
    pods.some(({ meta }) => meta.namespace === namespace && meta.name === pod && meta.labels['app'] === 'istiod');
  const missing = unpulled.filter(one => isControlPlane(one) || sidecarContainers.includes(one.container));
  for (const [image, waiting] of Map.groupBy(missing, one => one.image)) {
    const pulling = named(waiting.map(({ namespace, pod }) => `${namespace}/${pod}`));
    const isOurs = waiting.some(isControlPlane) || waiting.some(({ container }) => container !== PROXY);
    yield {
      about: `image ${image}`,
      message: `the nodes cannot pull it, for ${pulling}${isOurs ? '. Load it into them (kind load docker-image), or name one of a registry' : ''}`,
      command: isOurs
        ? `pilotlight install --set ${revision === 'default' ? '' : `revision=${revision},`}image=IMAGE | kubectl apply -f -`
        : `kubectl edit configmap ${inRevision('istio-sidecar-injector', revision)} -n ${rootNamespace}`,
    };
  }
}

const isSamePem = (a: string, b: string): boolean => a.replace(/\s+/g, '') === b.replace(/\s+/g, '');

/** The webhooks of the revision: there, known by the mesh's root, with somebody behind them, and closed while nobody is. */
function* ofWebhooks({ rootNamespace, revision, webhooks, services, roots }: ClusterState): Generator<Finding> {
  const root = roots.get(rootNamespace);
  if (!webhooks.length) {
    const about = `MutatingWebhookConfiguration ${inRevision('istio-sidecar-injector', revision)}`;
    yield {
      about,
      message: `there are no webhooks of the revision ${revision}: no pod is injected`,
      command: install(revision),
    };
  }
  for (const { name, webhooks: all } of webhooks) {
    const about = `MutatingWebhookConfiguration ${name}`;
    const namesOf = (which: typeof all): string =>
      which.map(webhook => webhook.name.split('.sidecar-injector')[0]).join(', ');
    const unknown = all.filter(({ caBundle }) => !caBundle || (root !== undefined && !isSamePem(caBundle, root)));
    if (unknown.length)
      yield {
        about,
        message: `caBundle of ${namesOf(unknown)} is ${unknown.some(w => w.caBundle) ? 'not the root of the mesh' : 'empty'}: the API server cannot ask the control plane, and pods are refused. The leader of its replicas writes it; its log says why it does not`,
        command: `kubectl logs deployment/${inRevision('istiod', revision)} -n ${rootNamespace} --all-pods`,
      };
    const lost = all.filter(({ service }) => service && !services.has(service));
    const [first] = lost;
    if (first)
      yield {
        about,
        message: `${namesOf(lost)}: there is no Service ${first.service} in ${rootNamespace}, and pods are refused`,
        command: install(revision),
      };
    const open = all.filter(({ failurePolicy }) => failurePolicy === 'Ignore');
    if (open.length)
      yield {
        about,
        message: `${namesOf(open)}: with failurePolicy Ignore pods are made without a sidecar while the control plane is away`,
        command: install(revision),
      };
  }
}

/** The mesh's roots, without which a pod with a sidecar does not start, in every namespace. */
function* ofRoots({ rootNamespace, revision, namespaces, roots }: ClusterState): Generator<Finding> {
  const root = roots.get(rootNamespace);
  const command = `kubectl logs deployment/${inRevision('istiod', revision)} -n ${rootNamespace} --all-pods`;
  if (root === undefined)
    return yield {
      about: `ConfigMap ${rootNamespace}/istio-ca-root-cert`,
      message:
        'it is not there, or holds no root-cert.pem: sidecars do not start without the roots, which the control plane writes',
      command,
    };
  const faultOf = (namespace: string): string | undefined => {
    const has = roots.get(namespace);
    if (WITHOUT_ROOTS.includes(namespace)) return undefined;
    if (has === undefined) return 'it is not there: sidecars do not start';
    return isSamePem(has, root) ? undefined : `it holds other roots than that of ${rootNamespace}`;
  };
  for (const [message, [first, ...others]] of Map.groupBy(namespaces.keys(), faultOf)) {
    if (message === undefined) continue;
    const where = others.length > 0 ? `; the same in ${named(others)}` : '';
    yield { about: `ConfigMap ${first}/istio-ca-root-cert`, message: message + where, command };
  }
}

/** Pods by workload and reason: one command mends them all. */
function* ofPods({ pods, namespaces, settings, revision, webhooks }: ClusterState): Generator<Finding> {
  const selecting = webhooks.length ? webhooks.flatMap(one => one.webhooks) : webhooksOf(revision);
  const found = restarts(pods, namespace => namespaces.get(namespace) ?? {}, settings, selecting);
  const groups = Map.groupBy(found, ({ namespace, owner, message }) => `${namespace} ${owner} ${message}`);
  for (const group of groups.values()) {
    const [first] = group;
    if (!first) continue;
    const [kind, name] = first.owner.split('/');
    const which = kind === 'Pod' ? '' : `pod${group.length > 1 ? 's' : ''} ${named(group.map(({ pod }) => pod))}: `;
    // Without a controller that names them alike each pod has a command of its own.
    const all = [...new Set(group.map(({ command }) => command))];
    const commands = all.slice(0, MOST_NAMED);
    if (all.length > MOST_NAMED) commands.push(`# and the same for ${all.length - MOST_NAMED} more`);
    yield {
      about: `${kind} ${first.namespace}/${name}`,
      message: `${which}${first.message}`,
      command: commands.join('\n    '),
    };
  }
}

/** All that was found, what concerns everybody first. */
export function checkCluster(state: ClusterState): readonly Finding[] {
  const ofSettings = state.mistakes.map(({ object, message }): Finding => {
    const [kind = '', namespace = '', name = ''] = object.split('/');
    return {
      about: `${kind} ${namespace}/${name}`,
      message,
      command: `kubectl edit configmap ${name} -n ${namespace}`,
    };
  });
  return [
    ...ofControlPlane(state),
    ...ofImages(state),
    ...ofWebhooks(state),
    ...ofValidators(state),
    ...ofRoots(state),
    ...ofSettings,
    ...ofPods(state),
  ];
}
