import { typed } from '../proto/any.ts';
import type { Filter } from '../proto/generated/envoy/config/listener/v3.ts';
import { BLACKHOLE_CLUSTER } from './names.ts';

/** Filters of a chain that closes every connection: no endpoint stands behind the cluster, whether it is there or not. */
export const closingFilters: readonly Filter[] = Object.freeze([
  {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
      stat_prefix: BLACKHOLE_CLUSTER,
      cluster: BLACKHOLE_CLUSTER,
    }),
  },
]);
