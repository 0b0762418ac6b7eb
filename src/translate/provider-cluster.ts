import { memo } from '../memo.ts';
import type { Scope } from '../model/scope/scope.ts';
import type { Hostname } from '../model/services/service.ts';
import type { MeshConfig_ExtensionProvider } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { outboundClusterName } from './names.ts';

/** Where an extension provider is reached: its Service's host name and its cluster. */
export interface ProviderCluster {
  readonly hostname: string;
  readonly cluster: string;
}

/** `service:port` of MeshConfig's extension providers that the scope has a cluster for; shared by all scopes that know the same ones. */
export type ProviderHosts = ReadonlySet<string>;

const serviceNames = memo((providers: readonly MeshConfig_ExtensionProvider[]): readonly string[] => {
  const names = new Set<string>();
  for (const p of providers) {
    for (const value of Object.values(p)) {
      if (typeof value !== 'object' || value === null) continue;
      if ('service' in value && typeof value.service === 'string') names.add(value.service);
      const sampler = 'dynatraceSampler' in value ? p.opentelemetry?.dynatraceSampler?.httpService?.service : undefined;
      if (sampler) names.add(sampler);
    }
  }
  return [...names].sort();
});

const interned = memo((...hosts: string[]): ProviderHosts => new Set(hosts));

const NO_PROVIDERS: readonly MeshConfig_ExtensionProvider[] = [];

/** A provider's service is `host` or `namespace/host`. */
const split = (service: string): { readonly namespace: string; readonly host: string } => {
  const at = service.indexOf('/');
  return at < 0 ? { namespace: '', host: service } : { namespace: service.slice(0, at), host: service.slice(at + 1) };
};

/** The hosts of extension providers that a scope knows. */
export function providerHosts(scope: Scope): ProviderHosts {
  const known = serviceNames(scope.mesh.config.extensionProviders ?? NO_PROVIDERS).flatMap(name => {
    const { namespace, host } = split(name);
    const service = scope.serviceByHost.get(host as Hostname);
    if (!service || (namespace !== '' && service.namespace !== namespace) || service.resolution === 'Alias') return [];
    // Envoy refuses tracers and authorizers whose cluster is not there.
    return service.ports.filter(({ protocol }) => protocol !== 'UDP').map(({ port }) => `${name}:${port}`);
  });
  return interned(...known);
}

/** The cluster of a provider's service; undefined where the service is not known (istio: model.LookupCluster). */
export function providerCluster(
  hosts: ProviderHosts,
  service: string | undefined,
  port: number | undefined,
): ProviderCluster | undefined {
  if (!service || !hosts.has(`${service}:${port ?? 0}`)) return undefined;
  const hostname = split(service).host;
  return { hostname, cluster: outboundClusterName(hostname, port ?? 0) };
}
