import type { KubeNamespace, KubePod } from '../istio/kubernetes.ts';
import { memo } from '../memo.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import { proxyImage } from './inject.ts';
import { annotation, type Pod, PROXY } from './pod.ts';
import { skipReason } from './selection.ts';
import type { InjectionSettings } from './settings.ts';
import { chosen, hasOwnImage, STATUS } from './status.ts';
import { type Webhook, webhookFor, webhooksOf } from './webhooks.ts';
import { type Workload, workloadOf } from './workload.ts';

/** Why a pod would be another one if it were made now: it has no sidecar, one of another revision, or one of another image, which is another version or template. */
export const restartReasons = ['missing', 'revision', 'image'] as const;

/** A pod that is to be made anew to have the sidecar that it should have. */
export interface Restart {
  readonly namespace: string;
  readonly pod: string;
  /** What makes it: `Deployment/web`; `Pod/web` where nothing does. */
  readonly owner: string;
  readonly reason: (typeof restartReasons)[number];
  /** The reason in words. */
  readonly message: string;
  /** What mends it. */
  readonly command: string;
}

/** The pod in the shape that injection reads, as far as it is kept. */
const asPod = ({ meta, hostNetwork, containers, ownerKind: kind, ownerName: name }: KubePod): Pod => ({
  metadata: {
    name: meta.name,
    namespace: meta.namespace,
    labels: meta.labels,
    annotations: chosen(meta.annotations),
    // Whoever has a controller was given its name by it.
    ...(kind && { generateName: `${name}-`, ownerReferences: [{ kind, name, controller: true }] }),
  },
  spec: { hostNetwork, containers },
});

/** The command by which a workload makes its pods anew; of a pod that nothing would make again, it itself. */
function restartCommand({ kind, name, namespace }: Workload, pod: string): string {
  const within = `-n ${namespace}`;
  switch (kind) {
    case 'Deployment':
    case 'StatefulSet':
    case 'DaemonSet':
      return `kubectl rollout restart ${kind.toLowerCase()}/${name} ${within}`;
    case 'Rollout':
      return `kubectl argo rollouts restart ${name} ${within}`;
    case 'DeploymentConfig':
      return `oc rollout latest dc/${name} ${within}`;
    case 'CronJob':
      return `kubectl create job ${name.slice(0, 50)}-again --from=cronjob/${name} ${within}`;
    case 'Pod':
      return `kubectl get pod ${name} ${within} -o yaml | kubectl replace --force -f -`;
    default:
      // Its controller makes another one.
      return `kubectl delete pod ${pod} ${within}`;
  }
}

/** What the annotation says that pods are injected by; most of it is not read here, so it is not parsed. */
const revisionOf = (pod: Pod): string | undefined => /"revision":"([^"]*)"/.exec(annotation(pod, STATUS) ?? '')?.[1];

function faultOf(
  kube: KubePod,
  pod: Pod,
  settings: InjectionSettings,
  expected: () => string | undefined,
): Pick<Restart, 'reason' | 'message'> | undefined {
  const proxy = kube.containers.find(({ name }) => name === PROXY);
  if ((!proxy || proxy.image === 'auto') && annotation(pod, STATUS) === undefined)
    return {
      reason: 'missing',
      message: 'no sidecar: made before there was to be one, or while the webhook was away',
    };
  const [has, wanted] = [revisionOf(pod), settings.revision || 'default'];
  if (has !== undefined && has !== wanted)
    return { reason: 'revision', message: `a sidecar of the revision ${has}; now it would be of ${wanted}` };
  const image = proxy && !hasOwnImage(pod) ? expected() : undefined;
  return image === undefined || image === proxy?.image
    ? undefined
    : { reason: 'image', message: `the sidecar ${proxy?.image}; now it would be ${image}` };
}

/** Pods that run, or are about to, and that somebody could make anew: the kubelet makes those of its node from files, and asks nobody. */
const counts = ({ phase, ownerKind, terminating }: KubePod): boolean =>
  phase !== 'Succeeded' && phase !== 'Failed' && ownerKind !== 'Node' && !terminating;

/**
 * Which of the pods would have a sidecar, or another one, if they were made now. What is injected is decided as for an admission: first by the webhooks'
 * selectors, then by the settings.
 */
export function restarts(
  pods: Iterable<KubePod>,
  labelsOf: (namespace: string) => Readonly<Record<string, string>>,
  settings: InjectionSettings,
  webhooks: readonly Webhook[],
): readonly Restart[] {
  // Pods of one controller are made from one template.
  const images = new Map<string, string | undefined>();
  const found: Restart[] = [];
  for (const kube of pods) {
    const { name, namespace, labels } = kube.meta;
    if (!counts(kube) || !webhookFor(webhooks, labels, labelsOf(namespace))) continue;
    const pod = asPod(kube);
    if (skipReason(pod, namespace, settings) !== undefined) continue;
    const expected = (): string | undefined => {
      const template = `${namespace}/${kube.ownerKind}/${kube.ownerName || name}`;
      if (!images.has(template)) images.set(template, proxyImage(pod, settings, namespace));
      return images.get(template);
    };
    const fault = faultOf(kube, pod, settings, expected);
    if (!fault) continue;
    const workload = workloadOf(pod, namespace);
    const owner = `${workload.kind}/${workload.name}`;
    found.push({ namespace, pod: name, owner, ...fault, command: restartCommand(workload, name) });
  }
  return found.sort((a, b) => (`${a.namespace}/${a.pod}` < `${b.namespace}/${b.pod}` ? -1 : 1));
}

const NO_LABELS = {};

/** The same of the objects that are known; by the webhooks that an installation has where there are none. */
export const restartsAmong = memo(
  (
    pods: ReadonlyMap<ObjectKey, KubePod>,
    namespaces: ReadonlyMap<ObjectKey, KubeNamespace>,
    settings: InjectionSettings,
    webhooks: readonly Webhook[],
  ): readonly Restart[] => {
    // The API server gives each namespace its name as a label, which selectors go by.
    const labelsOf = (name: string) => namespaces.get(objectKey('Namespace', '', name))?.meta.labels ?? NO_LABELS;
    return restarts(pods.values(), labelsOf, settings, webhooks.length ? webhooks : webhooksOf(settings.revision));
  },
);
