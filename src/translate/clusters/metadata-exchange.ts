import type { Filter } from '../../proto/generated/envoy/config/cluster/v3.ts';
import { TCP_METADATA_EXCHANGE } from '../filters/istio-build.ts';
import type { ClusterTraits } from './cluster-traits.ts';

const FILTERS: readonly Filter[] = [TCP_METADATA_EXCHANGE];

/** The filters of a cluster: none but for Istio's own build. */
export const metadataExchange = (traits: ClusterTraits): readonly Filter[] | undefined =>
  traits.metadataExchange ? FILTERS : undefined;
