/** `filter_metadata.istio` of clusters: what telemetry and istioctl read of where a cluster came from. */

import type { DestinationRule } from '../../istio/config.ts';
import { distinctBy } from '../../lists.ts';
import type { Service } from '../../model/services/service.ts';
import type { Metadata } from '../../proto/generated/envoy/config/core/v3.ts';
import { ClientTLSSettings_TLSmode as TlsMode } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { struct } from '../../proto/wellknown.ts';
import type { Json } from '../../unknown.ts';
import { configPath } from '../config-metadata.ts';
import type { PortPolicy } from '../destinations/traffic-policy.ts';

const describe = (service: Service) => ({
  host: service.hostname,
  name: service.registry === 'Kubernetes' ? service.name : service.hostname,
  namespace: service.namespace,
});

const istio = (fields: { readonly [key: string]: Json | undefined }): Metadata | undefined => {
  const present = Object.values(fields).some(value => value !== undefined);
  return present ? { filter_metadata: { istio: struct(fields) } } : undefined;
};

/** What an outbound cluster says of itself. */
export function outboundMetadata(about: {
  readonly service: Service;
  /** Dynamic forward proxies name no Service. */
  readonly named: boolean;
  readonly rule: DestinationRule | undefined;
  readonly subset: string;
  readonly policy: PortPolicy | undefined;
}): Metadata | undefined {
  const { service, named, rule, subset, policy } = about;
  const mode = policy?.tls?.mode;
  // The proxy must not offer the mesh's own ALPN to a server that speaks TLS of its own.
  const ownAlpn = rule && policy?.tls && (mode === TlsMode.SIMPLE || mode === TlsMode.MUTUAL);
  return istio({
    services: named ? [describe(service)] : undefined,
    external: service.meshExternal && !subset ? true : undefined,
    config: rule && configPath('DestinationRule', rule.meta),
    subset: subset || undefined,
    alpn_override: ownAlpn ? 'false' : undefined,
  });
}

/** What an inbound cluster says of itself: every Service on the workload's port, each once; nothing where there is none. */
export function inboundMetadata(services: readonly Service[], rule: DestinationRule | undefined): Metadata | undefined {
  if (services.length === 0) return undefined;
  const once = distinctBy(services, ({ hostname }) => hostname);
  return istio({ services: once.map(describe), config: rule && configPath('DestinationRule', rule.meta) });
}
