import { type Arguments, UsageError } from '../command.ts';
import type { ConfigContents } from '../config/store.ts';
import type { KubePod } from '../istio/kubernetes.ts';
import { readFolder } from './folder.ts';

/** A pod of a folder, and what else is there. */
interface FoundPod {
  readonly pod: KubePod;
  readonly contents: ConfigContents;
}

/** The pod that was typed as POD[.NAMESPACE], in the folder that `--config` names. Throws a UsageError. */
export async function findPod({ options, operand }: Arguments): Promise<FoundPod> {
  if (!options['config'] || !operand)
    throw new UsageError('--config DIR and the name of a pod are needed, such as productpage-v1.default');
  const contents = await readFolder(options['config']);
  const pods = [...contents.Pod.values()];
  const dot = operand.lastIndexOf('.');
  const [name, namespace] = dot < 0 ? [operand, 'default'] : [operand.slice(0, dot), operand.slice(dot + 1)];
  const pod = pods.find(({ meta }) => meta.name === name && meta.namespace === namespace);
  if (pod) return { pod, contents };
  const known = pods.map(({ meta }) => `${meta.name}.${meta.namespace}`).join(', ');
  throw new UsageError(`there is no pod ${name} in namespace ${namespace}; the pods are: ${known || 'none'}`);
}
