import { isIP } from 'node:net';
import type { ServiceEntry } from '../../istio/config.ts';
import type { KubeService } from '../../istio/kubernetes.ts';
import type { Endpoint, EndpointHealth, ServiceEndpoints } from '../../model/endpoints/endpoint.ts';
import { identify } from '../../model/identify.ts';
import type { MeshModel } from '../../model/mesh.ts';
import type { Proxy } from '../../model/proxy/proxy.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { Resolution, Service, ServicePort, ServiceTarget } from '../../model/services/service.ts';
import { each, type LateJson, Members, pause } from '../../proto/json.ts';
import type { Connection } from '../../xds/connection.ts';
import { configObject } from './configs.ts';
import { goTime, nullIfEmpty, setOf } from './go-json.ts';
import { sortedBy } from './sorted.ts';
import { byName, proxyName } from './view.ts';

/** istiod's numbers of resolutions, distributions and health. */
const RESOLUTIONS: Readonly<Record<Resolution, number>> = {
  ClientSideLB: 0,
  DNSLB: 1,
  Passthrough: 2,
  DNSRoundRobinLB: 3,
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

/** istiod's names of protocols that have another one here. */
const PROTOCOLS: { readonly [P in ServicePort['protocol']]?: string } = {
  GRPCWeb: 'GRPC-Web',
  Unsupported: 'UnsupportedProtocol',
};

const portJson = ({ name, port, protocol }: ServicePort): object => ({
  ...(name && { name }),
  port,
  protocol: PROTOCOLS[protocol] ?? protocol,
});

/** The addresses that a ServiceEntry without one is given. */
function autoAllocated({ autoAllocated: addresses }: Service): object {
  const [ipv4, ipv6] = [4, 6].map(family => addresses.find(address => isIP(address) === family));
  return {
    ...(ipv4 && { autoAllocatedIPv4Address: ipv4 }),
    ...(ipv6 && { autoAllocatedIPv6Address: ipv6 }),
  };
}

/** As it is declared, `.` and `*` included; null where nothing is. */
function exportedTo(kube: KubeService | undefined, entry: ServiceEntry | undefined): object | null {
  const annotation = kube?.meta.annotations['networking.istio.io/exportTo'];
  if (annotation) return setOf(annotation.split(',').map(word => word.trim()));
  return nullIfEmpty(setOf(entry?.spec.exportTo ?? []));
}

/** The ports on every node, of a Service that says by which nodes it is reached (istio: ConvertService). */
function nodePorts(kube: KubeService | undefined, clusterId: string): object | null {
  if (kube?.type !== 'NodePort' || kube.meta.annotations['traffic.istio.io/nodeSelector'] === undefined) return null;
  return { [clusterId]: Object.fromEntries(kube.ports.map(({ port, nodePort }) => [port, nodePort])) };
}

const ANYWHERE = '0.0.0.0';

/** A Service as istiod's model has it. */
function serviceJson({ contents, settings: { clusterId } }: MeshModel, service: Service): object {
  const kube = contents.Service.get(service.source);
  const entry = contents.ServiceEntry.get(service.source);
  const inCluster = (addresses: readonly string[]): object => ({
    Addresses: addresses.length ? { [clusterId]: addresses } : null,
  });
  const outside = kube ? [...kube.loadBalancerAddresses, ...kube.externalIPs] : [];
  return {
    Attributes: {
      ServiceRegistry: service.registry,
      Name: entry ? service.hostname : service.name,
      Namespace: service.namespace,
      Labels: nullIfEmpty(service.labels),
      ExportTo: exportedTo(kube, entry),
      Visibility: 0,
      LabelSelectors: nullIfEmpty(service.selector),
      Aliases: nullIfEmpty(
        service.aliases.map(({ hostname, namespace }) => ({ Hostname: hostname, Namespace: namespace })),
      ),
      ClusterExternalAddresses: inCluster(outside),
      ClusterExternalPorts: nodePorts(kube, clusterId),
      PassthroughTargetPorts: null,
      Type: kube?.type ?? '',
      ExternalName: kube?.externalName ?? '',
      NodeLocal: service.nodeLocal,
      TrafficDistribution: DISTRIBUTIONS[service.trafficDistribution],
      ObjectName: entry?.meta.name ?? '',
      DNSConnectStrategy: 0,
      PublishNotReadyAddresses: service.publishNotReady,
    },
    ports: service.ports.map(portJson),
    ...(service.subjectAltNames.length && { serviceAccounts: service.subjectAltNames }),
    creationTime: goTime(service.createdAt),
    hostname: service.hostname,
    clusterVIPs: inCluster(kube && !service.addresses.length ? [ANYWHERE] : kube ? service.addresses : []),
    ...autoAllocated(service),
    defaultAddress: service.addresses[0] ?? ANYWHERE,
    Resolution: RESOLUTIONS[service.resolution],
    MeshExternal: service.meshExternal,
    ResourceVersion: kube?.meta.resourceVersion ?? '',
  };
}

/** Every Service of the mesh: /debug/registryz. */
export const registry = (mesh: MeshModel): LateJson => each(mesh.services, service => serviceJson(mesh, service));

/** An endpoint as istiod's model has it; `drains`: its Service has sessions that hold on to an endpoint which ends. */
function endpointJson(endpoint: Endpoint, drains: boolean): object {
  const { region, zone, subzone } = endpoint.locality;
  // Nothing reports on an address that somebody wrote down.
  const reported = endpoint.health !== 'unknown';
  const place = region || zone || subzone ? `${region}/${zone}/${subzone}` : '';
  return {
    Labels: nullIfEmpty({ ...(reported && { 'topology.istio.io/network': endpoint.network }), ...endpoint.labels }),
    Addresses: [endpoint.address],
    ServicePortName: endpoint.portName,
    LegacyClusterPortKey: endpoint.servicePort,
    ServiceAccount: endpoint.identity,
    Network: endpoint.network,
    Locality: { Label: reported ? place : place.replace(/\/+$/, ''), ClusterID: endpoint.clusterId },
    EndpointPort: endpoint.port,
    LbWeight: endpoint.weight,
    TLSMode: endpoint.tlsMode,
    Namespace: endpoint.namespace,
    WorkloadName: endpoint.workload,
    HostName: endpoint.hostname,
    SubDomain: endpoint.subdomain,
    HealthStatus: HEALTH[endpoint.health === 'draining' && !drains ? 'terminating' : endpoint.health],
    SendUnhealthyEndpoints: reported,
    NodeName: endpoint.node,
  };
}

/** The endpoints of each host by namespace and registry: /debug/endpointShardz. There is one shard: every replica reads its one cluster. */
export function endpointShards({ endpoints, services, settings }: MeshModel): object {
  const external = new Set(services.flatMap(s => (s.registry === 'External' ? s.hostname : [])));
  const draining = new Set(services.flatMap(s => (s.labels['istio.io/persistent-session'] ? s.hostname : [])));
  const shard = (host: Service['hostname']): string =>
    `${external.has(host) ? 'External' : 'Kubernetes'}/${settings.clusterId}`;
  const ofHost = (host: Service['hostname'], lists: readonly ServiceEndpoints[]) => () => {
    const namespaces = Map.groupBy(lists, ({ namespace }) => namespace);
    return Object.fromEntries(
      Array.from(namespaces, ([namespace, of]) => {
        const all = of.flatMap(list => list.endpoints);
        const accounts = [...new Set(all.flatMap(({ identity }) => identity || []))].sort();
        return [
          namespace,
          {
            Shards: { [shard(host)]: each(all, endpoint => endpointJson(endpoint, draining.has(host))) },
            ServiceAccounts: setOf(accounts),
          },
        ];
      }),
    );
  };
  const byHost = Map.groupBy(endpoints.values(), ({ hostname }) => hostname);
  const sorted = sortedBy(byHost, ([host]) => host);
  return new Members(each(sorted, ([host, lists]) => [host, ofHost(host, lists)] as const));
}

const targetJson = (mesh: MeshModel, { service, port, targetPort }: ServiceTarget): object => ({
  Service: serviceJson(mesh, service),
  Port: { ...portJson(port), TargetPort: targetPort },
});

/** What each proxy serves: /debug/instancesz. */
export const instances = (mesh: MeshModel, connections: readonly Connection<Proxy>[]): LateJson =>
  new Members({
    *[Symbol.iterator]() {
      // A proxy may have several streams.
      const told = new Set<string>();
      for (const connection of byName(connections)) {
        const name = connection === pause ? '' : proxyName(connection.client);
        if (connection === pause || told.has(name)) yield pause;
        else {
          told.add(name);
          const { targets } = identify(mesh, connection.client).workload;
          yield [name, each(targets, target => targetJson(mesh, target))] as const;
        }
      }
    },
  });

function ruleJson({ rule, sources }: EffectiveDestinationRule): LateJson {
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
  const { mode } = scope.outboundPolicy;
  // istiod leaves out what is zero, and what is for the listeners of sidecars.
  const [policy, egress] =
    proxy.class.type === 'router'
      ? [null, [null]]
      : [mode === 'REGISTRY_ONLY' ? {} : { mode }, each(scope.egress, listener => services(listener.services))];
  return {
    version: '',
    name: scope.sidecar?.meta.name ?? 'default-sidecar',
    namespace: scope.namespace,
    outboundTrafficPolicy: policy,
    services: services(scope.services),
    egressListenerServices: egress,
    servicesByHostname: new Members(
      each(scope.serviceByHost, ([host, service]) => [host, serviceJson(mesh, service)] as const),
    ),
    sidecar: scope.sidecar ? configObject(scope.sidecar).spec : null,
    destinationRules: new Members(each(scope.destinationRules, ([host, rule]) => [host, [ruleJson(rule)]] as const)),
  };
}
