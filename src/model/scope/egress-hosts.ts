import type { VirtualService } from '../../istio/config.ts';
import { covers, isWildcard, overlaps } from '../../istio/hosts.ts';
import { memo, type Name, oneList } from '../../memo.ts';
import type { IstioEgressListener } from '../../proto/generated/istio/networking/v1alpha3.ts';

/** The hosts that a Sidecar imports from one namespace. */
interface HostClass {
  readonly exact: ReadonlySet<string>;
  readonly all: readonly string[];
  readonly excluded: readonly string[];
}

/** What `hosts` of an egress listener say, by namespace; `*` is any. */
export type EgressHosts = ReadonlyMap<string, HostClass>;

/**
 * Reads `namespace/host`: `.` is the Sidecar's own namespace, `*` any, and `~` before the namespace excludes (istio:
 * convertIstioListenerToWrapper).
 */
export const egressHosts = memo((listener: IstioEgressListener, { name: namespace }: Name): EgressHosts => {
  const found = new Map<string, { exact: Set<string>; all: string[]; excluded: string[] }>();
  for (const entry of listener.hosts ?? []) {
    const [scope = '', host, ...more] = entry.split('/');
    if (host === undefined || more.length) continue;
    const excludes = scope.startsWith('~');
    const name = excludes ? scope.slice(1) || '*' : scope;
    const at = name === '.' ? namespace : name;
    const hosts = found.get(at) ?? { exact: new Set(), all: [], excluded: [] };
    found.set(at, hosts);
    if (excludes) hosts.excluded.push(host);
    else {
      if (!isWildcard(host)) hosts.exact.add(host);
      hosts.all.push(host);
    }
  }
  return found;
});

/** Whether a Service's host is imported. */
export const importsHost = (hosts: HostClass, host: string): boolean =>
  hosts.exact.has(host) || hosts.all.some(by => isWildcard(by) && covers(by, host));

/** Whether a VirtualService's host is: here either may cover the other. */
const importsRouteHost = (hosts: HostClass, host: string): boolean =>
  hosts.exact.has(host) || hosts.all.some(by => (isWildcard(by) || isWildcard(host)) && overlaps(by, host));

const excludes = (hosts: HostClass | undefined, host: string): boolean =>
  hosts?.excluded.some(by => covers(by, host)) ?? false;

/** Whether a host of a namespace is excluded, for that namespace or for all. */
export const isExcluded = (hosts: EgressHosts, namespace: string, host: string): boolean =>
  excludes(hosts.get(namespace), host) || excludes(hosts.get('*'), host);

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
        from && spec.hosts?.some(host => importsRouteHost(from, host) && !isExcluded(hosts, meta.namespace, host)),
    );
  });
  return oneList(imported);
});
