import type { ConfigContents } from '../../config/store.ts';
import type { KubeNode } from '../../istio/kubernetes.ts';
import { memo, one } from '../../memo.ts';
import { changesBetween } from '../incremental/derive.ts';
import type { Locality } from './endpoint.ts';

/** A locality; equal ones are one value. */
export const locality = (region: string, zone: string, subzone: string): Locality => one({ region, zone, subzone });

export const nowhere: Locality = locality('', '', '');

/** `region/zone/subzone`; further parts are dropped (istio: label.SplitLocalityLabel). */
export function parseLocality(text: string): Locality {
  const [region = '', zone = '', subzone = ''] = text.split('/');
  return locality(region, zone, subzone);
}

/** The locality that labels of a pod or WorkloadEntry name; dots stand for slashes, which labels cannot have. */
export function labelledLocality(labels: Readonly<Record<string, string>>): Locality | undefined {
  const label = labels['topology.istio.io/locality'] ?? labels['istio-locality'];
  return label ? parseLocality(label.includes('/') ? label : label.replaceAll('.', '/')) : undefined;
}

/** Where a Kubernetes node is, by its labels. */
export const nodeLocality: (node: KubeNode) => Locality = memo(({ meta: { labels } }) =>
  locality(
    labels['topology.kubernetes.io/region'] || (labels['failure-domain.beta.kubernetes.io/region'] ?? ''),
    labels['topology.kubernetes.io/zone'] || (labels['failure-domain.beta.kubernetes.io/zone'] ?? ''),
    labels['topology.istio.io/subzone'] ?? '',
  ),
);

/** Whether a node has come, gone or moved to another place: a heartbeat does not count. */
export const placesDiffer = (before: ConfigContents['Node'], after: ConfigContents['Node']): boolean =>
  changesBetween(before, after).some(
    ({ before, after }) => (before && nodeLocality(before)) !== (after && nodeLocality(after)),
  );

/**
 * Labels with the place of an endpoint added, for subsets and locality priorities that ask for it (istio: label.AugmentLabels). A network
 * that the labels name themselves stays.
 */
export function augmentLabels(
  labels: Readonly<Record<string, string>>,
  clusterId: string,
  place: Locality,
  node: string,
  network: string,
): Readonly<Record<string, string>> {
  const all: Record<string, string> = { ...labels };
  if (place.region) all['topology.kubernetes.io/region'] = place.region;
  if (place.zone) all['topology.kubernetes.io/zone'] = place.zone;
  if (place.subzone) all['topology.istio.io/subzone'] = place.subzone;
  if (clusterId) all['topology.istio.io/cluster'] = clusterId;
  if (node) all['kubernetes.io/hostname'] = node;
  if (network && !all['topology.istio.io/network']) all['topology.istio.io/network'] = network;
  return Object.freeze(all);
}
