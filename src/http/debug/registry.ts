import { isIP } from 'node:net';
import { namespacesOf } from '../../istio/visibility.ts';
import type { Endpoint, EndpointHealth, ServiceEndpoints } from '../../model/endpoints/endpoint.ts';
import { identify } from '../../model/identify.ts';
import type { MeshModel } from '../../model/mesh.ts';
import type { Proxy } from '../../model/proxy/proxy.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { Resolution, Service, ServicePort, ServiceTarget } from '../../model/services/service.ts';
import type { Connection } from '../../xds/connection.ts';
import { configObject } from './configs.ts';
import { each, proxyName } from './view.ts';

/** istiod's numbers of resolutions, distributions and health. */
const RESOLUTIONS: Readonly<Record<Resolution, number>> = {
  ClientSideLB: 0,
  DNSLB: 1,
  DNSRoundRobinLB: 2,
  Passthrough: 3,
  Alias: 4,
  DynamicDNS: 5,
};
const DISTRIBUTIONS: Readonly<Record<Service['trafficDistribution'], number>> = {
  Any: 0,
  PreferSameZone: 1,
  PreferSameNode: 2,
};
const HEALTH: Readonly<Record<EndpointHealth, number>> = {
  unknown: 0,
  healthy: 1,
  unhealthy: 2,
  draining: 3,
  terminating: 4,
};

const nullIfNone = <T>(list: readonly T[]): readonly T[] | null => (list.length ? list : null);

const portJson = ({ name, port, protocol }: ServicePort): object => ({
  ...(name && { name }),
  port,
  protocol: protocol === 'Unsupported' ? 'UnsupportedProtocol' : protocol,
});

/** The addresses that a ServiceEntry without one is given. */
function autoAllocated({ autoAllocated: addresses }: Service): object {
  const [ipv4, ipv6] = [4, 6].map(family => addresses.find(address => isIP(address) === family));
  return {
    ...(ipv4 && { autoAllocatedIPv4Address: ipv4 }),
    ...(ipv6 && { autoAllocatedIPv6Address: ipv6 }),
  };
}

/** A Service as istiod's model has it. */
function serviceJson({ contents, settings }: MeshModel, service: Service): object {
  const object = contents.Service.get(service.source) ?? contents.ServiceEntry.get(service.source);
  const ofKube = contents.Service.get(service.source);
  const exportTo = service.visibility.kind === 'none' ? ['~'] : namespacesOf(service.visibility);
  return {
    Attributes: {
      ServiceRegistry: service.registry,
      Name: service.name,
      Namespace: service.namespace,
      Labels: service.labels,
      ExportTo: exportTo.length ? Object.fromEntries(exportTo.map(namespace => [namespace, {}])) : null,
      Visibility: 0,
      LabelSelectors: Object.keys(service.selector).length ? service.selector : null,
      Aliases: nullIfNone(
        service.aliases.map(({ hostname, namespace }) => ({ Hostname: hostname, Namespace: namespace })),
      ),
      ClusterExternalAddresses: { Addresses: null },
      ClusterExternalPorts: null,
      PassthroughTargetPorts: null,
      Type: ofKube?.type ?? '',
      ExternalName: ofKube?.externalName ?? '',
      NodeLocal: service.nodeLocal,
      TrafficDistribution: DISTRIBUTIONS[service.trafficDistribution],
      ObjectName: '',
      DNSConnectStrategy: 0,
      PublishNotReadyAddresses: service.publishNotReady,
    },
    ports: service.ports.map(portJson),
    creationTime: new Date(service.createdAt).toISOString().replace('.000Z', 'Z'),
    hostname: service.hostname,
    clusterVIPs: { Addresses: service.addresses.length ? { [settings.clusterId]: service.addresses } : null },
    ...autoAllocated(service),
    defaultAddress: service.addresses[0] ?? '0.0.0.0',
    Resolution: RESOLUTIONS[service.resolution],
    MeshExternal: service.meshExternal,
    ResourceVersion: object?.meta.resourceVersion ?? '',
  };
}

/** Every Service of the mesh: /debug/registryz. */
export const registry = (mesh: MeshModel): unknown => each(mesh.services, service => serviceJson(mesh, service));

function endpointJson(endpoint: Endpoint): object {
  const { region, zone, subzone } = endpoint.locality;
  return {
    Labels: endpoint.labels,
    Addresses: [endpoint.address],
    ServicePortName: endpoint.portName,
    LegacyClusterPortKey: endpoint.servicePort,
    ServiceAccount: endpoint.identity,
    Network: endpoint.network,
    Locality: { Label: region || zone || subzone ? `${region}/${zone}/${subzone}` : '', ClusterID: endpoint.clusterId },
    EndpointPort: endpoint.port,
    LbWeight: endpoint.weight,
    TLSMode: endpoint.tlsMode,
    Namespace: endpoint.namespace,
    WorkloadName: endpoint.workload,
    HostName: endpoint.hostname,
    SubDomain: endpoint.subdomain,
    HealthStatus: HEALTH[endpoint.health],
    SendUnhealthyEndpoints: true,
    NodeName: endpoint.node,
  };
}

/** The endpoints of each host by namespace and registry: /debug/endpointShardz. There is one shard: every replica reads its one cluster. */
export function endpointShards({ endpoints, services, settings }: MeshModel): object {
  const external = new Set(services.filter(s => s.registry === 'External').map(s => s.hostname));
  const byHost = new Map<string, ServiceEndpoints[]>();
  for (const of of endpoints.values()) byHost.set(of.hostname, [...(byHost.get(of.hostname) ?? []), of]);
  const hosts = [...byHost].sort(([a], [b]) => (a < b ? -1 : 1));
  const shard = (host: string): string =>
    `${external.has(host as Service['hostname']) ? 'External' : 'Kubernetes'}/${settings.clusterId}`;
  const ofHost = (host: string, lists: readonly ServiceEndpoints[]) => () => {
    const namespaces = Map.groupBy(lists, ({ namespace }) => namespace);
    return Object.fromEntries(
      Array.from(namespaces, ([namespace, of]) => {
        const all = of.flatMap(list => list.endpoints);
        const accounts = [...new Set(all.flatMap(({ identity }) => identity || []))].sort();
        return [
          namespace,
          {
            Shards: { [shard(host)]: each(all, endpointJson) },
            ServiceAccounts: Object.fromEntries(accounts.map(account => [account, {}])),
          },
        ];
      }),
    );
  };
  return Object.fromEntries(hosts.map(([host, lists]) => [host, ofHost(host, lists)]));
}

const targetJson = (mesh: MeshModel, { service, port, targetPort }: ServiceTarget): object => ({
  Service: serviceJson(mesh, service),
  Port: { ...portJson(port), TargetPort: targetPort },
});

/** What each proxy serves: /debug/instancesz. */
export const instances = (mesh: MeshModel, connections: readonly Connection<Proxy>[]): object =>
  Object.fromEntries(
    connections.map(({ client }) => [
      proxyName(client),
      () => {
        const { targets } = identify(mesh, client).workload;
        return targets.length ? targets.map(target => targetJson(mesh, target)) : null;
      },
    ]),
  );

function ruleJson({ rule, sources }: EffectiveDestinationRule): object {
  const from = sources.map(key => {
    const [Namespace = '', Name = ''] = key.split('/').slice(1);
    return { Namespace, Name };
  });
  const { kind, apiVersion, metadata, spec } = configObject(rule);
  const [group, version] = apiVersion.split('/');
  return { exportTo: {}, from, rule: { type: { group, version, kind }, ...metadata, Spec: spec } };
}

/** What a proxy may see: /debug/sidecarz. */
export function sidecarScope(mesh: MeshModel, proxy: Proxy): object {
  const { scope } = identify(mesh, proxy);
  const services = (list: readonly Service[]) => each(list, service => serviceJson(mesh, service));
  return {
    version: '',
    name: scope.sidecar?.meta.name ?? 'default-sidecar',
    namespace: scope.namespace,
    outboundTrafficPolicy: { mode: scope.outboundPolicy.mode },
    services: services(scope.services),
    egressListenerServices: each(scope.egress, listener => services(listener.services)),
    servicesByHostname: Object.fromEntries(
      Array.from(scope.serviceByHost, ([host, service]) => [host, () => serviceJson(mesh, service)]),
    ),
    sidecar: scope.sidecar ? configObject(scope.sidecar).spec : null,
    destinationRules: Object.fromEntries(
      Array.from(scope.destinationRules, ([host, rule]) => [host, () => [ruleJson(rule)]]),
    ),
  };
}
