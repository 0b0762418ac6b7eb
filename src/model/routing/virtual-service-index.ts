import type { Problem } from '../../config/problem.ts';
import type { ConfigContents } from '../../config/store.ts';
import { type VirtualService, writtenPath } from '../../istio/config.ts';
import { byAge } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { gatewaysOf } from '../../istio/virtual-service.ts';
import { namespacesOf, visibilityOf, visibleTo } from '../../istio/visibility.ts';
import { addTo } from '../../lists.ts';
import { memo, oneList, oneMapOfLists } from '../../memo.ts';
import { objectKey } from '../../object-key.ts';
import { type Derived, deriving } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';
import { delegateConflicts, mergeDelegates } from './delegates.ts';
import { qualifyVirtualService } from './virtual-service.ts';

type Lists = ReadonlyMap<string, readonly VirtualService[]>;

/** Every VirtualService in force: hosts qualified, delegates merged, oldest first in every list. */
export interface VirtualServiceIndex {
  /** Those that everyone sees, by gateway (`mesh`, or `namespace/name`). */
  readonly shared: Lists;
  /** Those that a namespace alone sees of its own, by `namespace gateway`. */
  readonly own: Lists;
  /** Those that other namespaces export to a namespace by name, by `namespace gateway`. */
  readonly exported: Lists;
  readonly problems: readonly Problem[];
  readonly qualified: Derived<VirtualService, VirtualService>;
}

export interface VirtualServiceInputs {
  readonly objects: ConfigContents['VirtualService'];
  readonly settings: MeshSettings;
}

const visibility = (object: VirtualService, settings: MeshSettings) =>
  visibilityOf(object.spec.exportTo ?? [], settings.config.defaultVirtualServiceExportTo, object.meta.namespace);

/** The root with its delegates merged in; delegates that cannot be used are problems. */
function merged(
  root: VirtualService,
  all: ReadonlyMap<string, VirtualService>,
  settings: MeshSettings,
  problems: Problem[],
): VirtualService {
  const routes = root.spec.http ?? [];
  if (!routes.some(route => route.delegate)) return root;
  const delegates = routes.map(({ delegate }, i) => {
    if (!delegate) return undefined;
    const namespace = delegate.namespace || root.meta.namespace;
    const name = delegate.name ?? '';
    const path = writtenPath(root, `spec.http[${i}].delegate`);
    const report = (message: string): undefined => {
      problems.push({ object: root.meta.key, path, message, severity: 'error' });
    };
    const found = all.get(objectKey('VirtualService', namespace, name));
    if (!found || found.spec.hosts?.length) {
      return report(`there is no VirtualService ${namespace}/${name} without hosts; the route is left out`);
    }
    if (!visibleTo(visibility(found, settings), root.meta.namespace)) {
      return report(`${namespace}/${name} is not exported to ${root.meta.namespace}; the route is left out`);
    }
    for (const conflict of delegateConflicts(routes[i] ?? {}, found)) {
      problems.push({
        object: found.meta.key,
        path: writtenPath(found, `spec.http[${conflict}].match`),
        message: `contradicts the match of ${root.meta.key} ${path}; the route is left out there`,
        severity: 'error',
      });
    }
    return found;
  });
  return mergeDelegates(root, ...delegates);
}

/** The index; every list in it keeps its identity while its content does. */
export function* buildVirtualServices(
  { objects, settings }: VirtualServiceInputs,
  previous: Stage<VirtualServiceInputs, VirtualServiceIndex> | undefined,
): Generator<undefined, VirtualServiceIndex> {
  const qualified = yield* deriving(
    objects,
    settings,
    object => qualifyVirtualService(object, settings.domain),
    previous?.value.qualified,
  );
  const shared = new Map<string, VirtualService[]>();
  const own = new Map<string, VirtualService[]>();
  const exported = new Map<string, VirtualService[]>();
  const problems: Problem[] = [];
  const roots = [...qualified.values.values()].filter(object => object.spec.hosts?.length).sort(byAge);
  for (const root of roots) {
    yield undefined;
    const object = merged(root, qualified.values, settings, problems);
    const seenBy = visibility(object, settings);
    for (const gateway of new Set(gatewaysOf(object))) {
      if (seenBy.kind === 'public') addTo(shared, gateway, object);
      for (const namespace of namespacesOf(seenBy)) {
        addTo(namespace === object.meta.namespace ? own : exported, `${namespace} ${gateway}`, object);
      }
    }
  }
  return {
    shared: oneMapOfLists(shared),
    own: oneMapOfLists(own),
    exported: oneMapOfLists(exported),
    problems: oneList(problems),
    qualified,
  };
}

const none: readonly VirtualService[] = Object.freeze([]);
const concat = memo((a: readonly VirtualService[], b: readonly VirtualService[], c: readonly VirtualService[]) =>
  a.length + b.length ? [...a, ...b, ...c] : c,
);

/**
 * The VirtualServices that a namespace sees for a gateway (`mesh`, or `namespace/name`): its own private ones, those exported to it by
 * name, then everyone's, each oldest first (istio: VirtualServicesForGateway).
 */
export const virtualServicesFor = (
  index: VirtualServiceIndex,
  namespace: string,
  gateway: string,
): readonly VirtualService[] =>
  concat(
    index.own.get(`${namespace} ${gateway}`) ?? none,
    index.exported.get(`${namespace} ${gateway}`) ?? none,
    index.shared.get(gateway) ?? none,
  );
