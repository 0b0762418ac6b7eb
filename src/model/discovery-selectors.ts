import type { ConfigContents } from '../config/store.ts';
import { picks } from '../istio/label-selector.ts';
import { compare, type ObjectMeta } from '../istio/object.ts';
import { memo } from '../memo.ts';
import type { ObjectKey } from '../object-key.ts';
import { PersistentMap } from '../persistent-map.ts';
import type { LabelSelector } from '../proto/generated/istio/mesh/v1alpha1.ts';

type Part = ReadonlyMap<ObjectKey, { readonly meta: ObjectMeta }>;

/** The namespaces that one of the selectors picks, as text: equal texts, equal namespaces. */
const discoveredNamespaces = memo(
  (namespaces: ConfigContents['Namespace'], selectors: readonly LabelSelector[]): string =>
    [...namespaces.values()]
      .filter(({ meta }) => selectors.some(selector => picks(selector, meta.labels)))
      .map(({ meta }) => meta.name)
      .sort(compare)
      .join(),
);

const partIn = memo((part: Part, namespaces: string): Part => {
  const known = new Set(namespaces.split(','));
  const kept = [...part].filter(([, { meta }]) => !meta.namespace || known.has(meta.namespace));
  return kept.length === part.size ? part : new Map(kept);
});

const objectsIn = memo(
  (objects: Part, namespaces: string): Part =>
    objects instanceof PersistentMap
      ? (objects as PersistentMap<ObjectKey, { readonly meta: ObjectMeta }>).mapParts(part => partIn(part, namespaces))
      : partIn(objects, namespaces),
);

const within = memo((contents: ConfigContents, namespaces: string): ConfigContents => {
  const { problems, remoteKeys, ...kinds } = contents;
  const kept = Object.entries(kinds).map(([kind, objects]) => [kind, objectsIn(objects, namespaces)]);
  return Object.freeze({ ...Object.fromEntries(kept), problems, remoteKeys });
});

/**
 * The objects that the mesh is made of: all, or those of the namespaces that `discoverySelectors` pick (istio: discoveryNamespacesFilter).
 * Objects without a namespace always count.
 */
export const inSelectedNamespaces = (
  contents: ConfigContents,
  selectors: readonly LabelSelector[] | undefined,
): ConfigContents =>
  selectors?.length ? within(contents, discoveredNamespaces(contents.Namespace, selectors)) : contents;
