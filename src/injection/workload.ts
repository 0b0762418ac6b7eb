import { own } from '../unknown.ts';
import { labelsOf, type Pod } from './pod.ts';

/** What a pod belongs to, as far as its proxy says so: a Deployment rather than its ReplicaSet. */
export interface Workload {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
}

/**
 * What a pod belongs to, from what is known when it is made (pkg/kube GetDeployMetaFromPod): the Deployment, Rollout, DeploymentConfig or CronJob that
 * is behind its controller, told by names and labels; itself where it was not made by a controller.
 */
export function workloadOf(pod: Pod, namespace: string): Workload {
  const { name = '', generateName, ownerReferences } = pod.metadata ?? {};
  const itself: Workload = { apiVersion: 'v1', kind: 'Pod', name, namespace };
  const owner = generateName ? ownerReferences?.find(({ controller }) => controller) : undefined;
  if (!owner) return itself;
  const { apiVersion = '', kind = '', name: owned = '' } = owner;
  const labels = labelsOf(pod);
  const without = (hash: string | undefined) => {
    if (!hash || !owned.endsWith(hash)) return undefined;
    return owned.endsWith(`-${hash}`) ? owned.slice(0, -hash.length - 1) : owned;
  };
  const found = (over: Partial<Workload>): Workload => ({ apiVersion, kind, name: owned || name, namespace, ...over });
  if (kind === 'ReplicaSet') {
    const deployment = without(own(labels, 'pod-template-hash'));
    if (deployment !== undefined) return found({ kind: 'Deployment', name: deployment });
    const rollout = without(own(labels, 'rollouts-pod-template-hash'));
    if (rollout !== undefined) return found({ apiVersion: 'v1alpha1', kind: 'Rollout', name: rollout });
  }
  const config = own(labels, 'deploymentconfig');
  if (kind === 'ReplicationController' && config) return found({ kind: 'DeploymentConfig', name: config });
  const job = kind === 'Job' ? /^(.+)-\d{8,10}$/.exec(owned)?.[1] : undefined;
  if (job) return found({ apiVersion: 'batch/v1', kind: 'CronJob', name: job });
  return found({});
}
