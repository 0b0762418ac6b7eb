import type { ConfigContents } from '../config/store.ts';
import type { WorkloadEntry } from '../istio/config.ts';
import { memo, nameOf, one } from '../memo.ts';
import type { AddressIndex } from './endpoints/address-index.ts';
import { nowhere } from './endpoints/locality.ts';
import { podIndex, podShape } from './endpoints/pods.ts';
import { workloadEntryInstance } from './endpoints/workload-entries.ts';
import type { IdentityBasis, MeshModel } from './mesh.ts';
import type { Proxy } from './proxy/proxy.ts';
import { traitsOf } from './proxy/proxy-traits.ts';
import { selectingServices } from './proxy/targets.ts';
import type { Traits } from './proxy/traits.ts';
import type { Workload } from './proxy/workload.ts';
import { shapeOf, withNamedPorts } from './proxy/workloads.ts';
import type { ProxyShape, Scope } from './scope/scope.ts';
import type { Service } from './services/service.ts';

/** All that translation knows of a proxy: three shared values, and one value for the three. */
export interface Identity {
  readonly scope: Scope;
  readonly workload: Workload;
  readonly traits: Traits;
}

/** WorkloadEntries by `namespace address`. */
const entriesByAddress = memo((entries: ConfigContents['WorkloadEntry']): ReadonlyMap<string, WorkloadEntry> => {
  const found = new Map<string, WorkloadEntry>();
  for (const entry of entries.values()) found.set(`${entry.meta.namespace} ${entry.spec.address ?? ''}`, entry);
  return found;
});

const none: readonly Service[] = Object.freeze([]);

interface Known {
  /** Of the mesh that it was made in. */
  readonly basis: IdentityBasis;
  /** What is known of a shape lives as long as it does. */
  readonly shape: ProxyShape;
  readonly identity: Identity;
  /** Whether endpoints of the proxy's own addresses have a say in it, and whether there were any. */
  readonly byEndpoints: boolean;
  readonly addressed: boolean;
}

const known = new WeakMap<Proxy, Known>();

const isAddressed = ({ whole, recent }: AddressIndex, addresses: readonly string[]): boolean =>
  addresses.some(address => whole.has(address) || recent.has(address));

/**
 * What a proxy is in a mesh. Proxies of one Deployment get the same three values, and a change that does not concern a proxy leaves its
 * values what they were; constant time for a class that the mesh has met, and next to none where only endpoints changed.
 */
export function identify(mesh: MeshModel, proxy: Proxy): Identity {
  const basis = mesh.basis;
  const last = known.get(proxy);
  if (last?.basis === basis && !last.byEndpoints) return last.identity;
  const addressed = isAddressed(mesh.addresses, proxy.addresses);
  if (last?.basis === basis && !addressed && !last.addressed) return last.identity;
  const found = identityOf(mesh, proxy, last?.shape);
  known.set(proxy, { basis, addressed, ...found });
  return found.identity;
}

function identityOf(
  mesh: MeshModel,
  proxy: Proxy,
  last: ProxyShape | undefined,
): Pick<Known, 'shape' | 'identity' | 'byEndpoints'> {
  const { contents, settings, endpoints, serviceIndex: services } = mesh;
  const { class: ofClass, namespace, addresses } = proxy;
  const pods = podIndex(contents.Pod, contents.Node, settings);
  const pod = pods.named(`${namespace}/${proxy.name}`) ?? pods.at(addresses[0] ?? '', namespace);
  const all = services.inNamespace.get(namespace) ?? none;

  let ofPod = shapeOf(ofClass, pod && podShape(pod));
  const entries = contents.WorkloadEntry;
  const entry = pod || !entries.size ? undefined : entriesByAddress(entries).get(`${namespace} ${addresses[0] ?? ''}`);
  if (!pod) ofPod = withNamedPorts(ofPod, proxy, all, entry?.spec.ports, endpoints);
  const place = pod ? pods.place(pod) : entry && workloadEntryInstance(entry, settings).place;
  const node = services.byNode ? ofClass.nodeName || pod?.node : undefined;
  const shape = last?.pod === ofPod ? last : one({ type: ofClass.type, namespace: nameOf(namespace), pod: ofPod });
  const identity = one({
    scope: mesh.scopes.scopeOf(shape),
    workload: mesh.workloads.workloadOf(proxy, shape, endpoints, mesh.addresses),
    traits: traitsOf(
      ofClass,
      ofClass.locality ?? place?.locality ?? nowhere,
      mesh.matchedMetadata,
      place?.network ?? settings.network,
      node ? nameOf(node) : undefined,
    ),
  });
  return { shape, identity, byEndpoints: !pod || !selectingServices(all, ofPod.labels).length };
}
