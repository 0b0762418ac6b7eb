import { memo, one } from '../../../memo.ts';
import type { Workload } from '../../../model/proxy/workload.ts';

/** How a proxy names itself in spans. Interned: equal names are one value. */
export interface SpanIdentity {
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly namespace: string;
  /** The Node's cluster as pilot-agent sets it: `app.namespace`. */
  readonly serviceCluster: string;
  /** `service.name` by OpenTelemetry's conventions for Kubernetes. */
  readonly otelService: string;
}

/** The names that a workload's spans carry. */
export const spanIdentity: (workload: Workload) => SpanIdentity = memo(({ labels, name, namespace }) =>
  one({
    canonicalService: labels['service.istio.io/canonical-name'] || 'unknown',
    canonicalRevision: labels['service.istio.io/canonical-revision'] || 'latest',
    namespace: namespace || 'default',
    serviceCluster: `${labels['app'] || name || 'istio-proxy'}.${namespace}`,
    otelService: labels['app.kubernetes.io/instance'] || labels['app.kubernetes.io/name'] || name || 'unknown_service',
  }),
);
