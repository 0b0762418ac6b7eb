import { typeName, unpackAs } from '../../../src/proto/any.ts';
import type { Any } from '../../../src/proto/generated/google/protobuf.ts';
import { fromStruct } from '../../../src/proto/wellknown.ts';
import { member, members } from '../../support/json.ts';
import { filterConfig } from './filter-config.ts';

/** What filters of Istio's own build do. */
export interface IstioFilters {
  /** Istio's metrics of the call; absent where there are none. */
  readonly metrics?: {
    /** Names of the metrics that are left out. */
    readonly dropped?: readonly string[];
  };
  /** Which servers are told, in headers, who the client is. */
  readonly peerMetadata?: 'everyone' | 'the mesh';
}

const STATS = 'stats.PluginConfig';
const TYPED_STRUCT = 'udpa.type.v1.TypedStruct';

interface Configured {
  readonly typed_config?: Any | undefined;
}

function metricsOf(filters: readonly Configured[]): IstioFilters['metrics'] {
  const [stats] = filters.flatMap(f => filterConfig(STATS, f.typed_config) ?? []);
  if (!stats) return undefined;
  const dropped = (stats.metrics ?? []).filter(m => m.drop).map(m => m.name ?? '');
  return dropped.length > 0 ? { dropped } : {};
}

function peerMetadataOf(filters: readonly Configured[]): IstioFilters['peerMetadata'] {
  for (const { typed_config: any } of filters) {
    if (!any || typeName(any.type_url ?? '') !== TYPED_STRUCT) continue;
    const { type_url, value } = unpackAs(TYPED_STRUCT, any);
    if (typeName(type_url ?? '') !== 'io.istio.http.peer_metadata.Config') continue;
    const [propagation] = members(member(fromStruct(value ?? {}), 'upstream_propagation'));
    if (!propagation) return undefined;
    return member(propagation['istio_headers'], 'skip_external_clusters') === true ? 'the mesh' : 'everyone';
  }
  return undefined;
}

/** What Istio's filters among those of a chain do. */
export function istioFiltersOf(filters: readonly Configured[]): IstioFilters {
  const metrics = metricsOf(filters);
  const peerMetadata = peerMetadataOf(filters);
  return { ...(metrics && { metrics }), ...(peerMetadata && { peerMetadata }) };
}
