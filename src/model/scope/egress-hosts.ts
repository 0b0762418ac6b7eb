import type { VirtualService } from '../../istio/config.ts';
import { HostSet } from '../../istio/hosts.ts';
import { memo, type Name, oneList } from '../../memo.ts';
import type { IstioEgressListener } from '../../proto/generated/istio/networking/v1alpha3.ts';

/** The hosts that a Sidecar imports from one namespace, and those that it does not. */
interface HostClass {
  readonly imported: HostSet;
  readonly excluded: HostSet;
}

/** What `hosts` of an egress listener say, by namespace; `*` is any. */
export type EgressHosts = ReadonlyMap<string, HostClass>;

/**
 * Reads `namespace/host`: `.` is the Sidecar's own namespace, `*` any, and `~` before the namespace excludes (istio:
 * convertIstioListenerToWrapper).
 */
export const egressHosts = memo((listener: IstioEgressListener, { name: namespace }: Name): EgressHosts => {
  const found = new Map<string, { readonly imported: string[]; readonly excluded: string[] }>();
  for (const entry of listener.hosts ?? []) {
    const [scope = '', host, ...more] = entry.split('/');
    if (host === undefined || more.length) continue;
    const excludes = scope.startsWith('~');
    const name = excludes ? scope.slice(1) || '*' : scope;
    const at = name === '.' ? namespace : name;
    const hosts = found.get(at) ?? { imported: [], excluded: [] };
    found.set(at, hosts);
    hosts[excludes ? 'excluded' : 'imported'].push(host);
  }
  return new Map(
    [...found].map(([at, { imported, excluded }]) => [
      at,
      { imported: new HostSet(imported), excluded: new HostSet(excluded) },
    ]),
  );
});

/** Whether a host of a namespace is excluded, for that namespace or for all. */
export const isExcluded = (hosts: EgressHosts, namespace: string, host: string): boolean =>
  [namespace, '*'].some(from => hosts.get(from)?.excluded.covers(host));

/** The VirtualServices with a host that is imported and not excluded (istio: SelectVirtualServices). */
export const importedVirtualServices: (
  objects: readonly VirtualService[],
  hosts: EgressHosts,
) => readonly VirtualService[] = memo((objects, hosts) => {
  const any = hosts.get('*');
  const imported = objects.filter(({ meta, spec }) => {
    const own = hosts.get(meta.namespace);
    return [own, any].some(
      from =>
        from && spec.hosts?.some(host => from.imported.overlaps(host) && !isExcluded(hosts, meta.namespace, host)),
    );
  });
  return oneList(imported);
});
