import { isIP } from 'node:net';
import type { ServiceEntry } from '../../istio/config.ts';
import { isWildcard } from '../../istio/hosts.ts';
import { canonicalAddress } from '../../istio/ip-families.ts';
import { parseProtocol } from '../../istio/protocol.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { visibilityOf } from '../../istio/visibility.ts';
import { ServiceEntry_Location, ServiceEntry_Resolution } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { narrowed, type VisibilityCap } from './entry-visibility.ts';
import { trafficDistribution, trafficDistributionAnnotation } from './kube-service.ts';
import type { Hostname, Resolution, Service } from './service.ts';

/** How the hosts of a ServiceEntry are resolved. */
export function resolutionOf(entry: ServiceEntry): Resolution {
  switch (entry.spec.resolution ?? ServiceEntry_Resolution.NONE) {
    case ServiceEntry_Resolution.STATIC:
      return 'ClientSideLB';
    case ServiceEntry_Resolution.DNS:
      return 'DNSLB';
    case ServiceEntry_Resolution.DNS_ROUND_ROBIN:
      return 'DNSRoundRobinLB';
    case ServiceEntry_Resolution.DYNAMIC_DNS:
      return 'DynamicDNS';
    default:
      return 'Passthrough';
  }
}

/** IPs and CIDRs; a CIDR of one address is that address, anything else is left out. */
function addressesOf(entry: ServiceEntry): readonly string[] {
  const found = new Set<string>();
  for (const address of entry.spec.addresses ?? []) {
    const [ip = '', bits] = address.split('/');
    const version = isIP(ip);
    if (!version) continue;
    const whole = version === 4 ? '32' : '128';
    const canonical = canonicalAddress(ip);
    found.add(bits === undefined || bits === whole ? canonical : `${canonical}/${bits}`);
  }
  return [...found];
}

/** Whether a host of a ServiceEntry is given an address of its own (istio: ShouldV2AutoAllocateIP, keepHost). */
export const isAllocated = (entry: ServiceEntry, host: string): boolean =>
  !entry.spec.addresses?.length &&
  (entry.spec.resolution ?? ServiceEntry_Resolution.NONE) !== ServiceEntry_Resolution.NONE &&
  entry.meta.labels['networking.istio.io/enable-autoallocate-ip']?.toLowerCase() !== 'false' &&
  (!isWildcard(host) || entry.spec.resolution === ServiceEntry_Resolution.DYNAMIC_DNS);

/** The hosts of a ServiceEntry, one Service each (istio: serviceentry.convertServices). */
export function serviceEntryServices(
  entry: ServiceEntry,
  settings: MeshSettings,
  namespaceTrafficDistribution: string | undefined,
  cap: VisibilityCap,
  allocated: (host: string) => readonly string[],
): readonly Service[] {
  const { meta, spec } = entry;
  const declared = visibilityOf(spec.exportTo ?? [], settings.config.defaultServiceExportTo, meta.namespace);
  const ports = (spec.ports ?? []).map(port =>
    Object.freeze({
      name: port.name ?? '',
      port: port.number ?? 0,
      protocol: parseProtocol(port.protocol ?? ''),
      targetPort: port.targetPort || (port.number ?? 0),
      nodePort: 0,
    }),
  );
  const shared = {
    namespace: meta.namespace,
    name: meta.name,
    registry: 'External' as const,
    source: meta.key,
    ports,
    addresses: addressesOf(entry),
    resolution: resolutionOf(entry),
    headless: false,
    meshExternal: (spec.location ?? ServiceEntry_Location.MESH_EXTERNAL) === ServiceEntry_Location.MESH_EXTERNAL,
    visibility: narrowed(declared, cap, meta.namespace),
    labels: meta.labels,
    selector: spec.workloadSelector?.labels ?? {},
    aliases: [],
    aliasOf: '' as const,
    publishNotReady: false,
    nodeLocal: false,
    trafficDistribution: trafficDistribution(
      '',
      meta.annotations[trafficDistributionAnnotation],
      namespaceTrafficDistribution,
    ),
    subjectAltNames: spec.subjectAltNames ?? [],
    createdAt: meta.createdAt,
  };
  return [...new Set(spec.hosts)].map(host =>
    Object.freeze({
      ...shared,
      hostname: host as Hostname,
      autoAllocated: isAllocated(entry, host) ? allocated(host) : [],
    }),
  );
}
