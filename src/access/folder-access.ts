import type { ConfigContents } from '../config/store.ts';
import type { KubePod } from '../istio/kubernetes.ts';
import type { ReviewAccess } from '../security/secret-access.ts';

type Selector = Readonly<Record<string, string>>;

/** Where nothing is selected by name nobody is: a sidecar's account is not to have what is for gateways. */
const selects = (selector: Selector | undefined, { meta }: KubePod): boolean => {
  const entries = Object.entries(selector ?? {});
  return entries.length > 0 && entries.every(([label, value]) => meta.labels[label] === value);
};

/**
 * Stands for an API server's word about rights, of which a folder has none: private keys are for the service accounts of pods that a Gateway selects
 * by their labels, or a DestinationRule of their namespace; whose account a pod has says the folder, and not the pod's Node.
 */
export const folderAccess =
  (contents: () => ConfigContents | undefined): ReviewAccess =>
  async ({ user, resourceAttributes: { namespace } }) => {
    const { Pod, Gateway, DestinationRule } = contents() ?? {};
    const rules = [...(DestinationRule?.values() ?? [])].filter(({ meta }) => meta.namespace === namespace);
    const selectors = [
      ...[...(Gateway?.values() ?? [])].map(({ spec }) => spec.selector),
      ...rules.map(({ spec }) => spec.workloadSelector?.matchLabels),
    ];
    const pods = [...(Pod?.values() ?? [])].filter(
      ({ meta, serviceAccount }) => user === `system:serviceaccount:${meta.namespace}:${serviceAccount}`,
    );
    const allowed = pods.some(pod => selectors.some(selector => selects(selector, pod)));
    return {
      allowed,
      reason: allowed ? '' : 'no pod of this service account is selected by a Gateway or DestinationRule',
    };
  };
