import { memo } from '../memo.ts';

/** Who sees an object: everyone, its own namespace, nobody, or the namespaces named. Resolved from `exportTo`, its annotation and the mesh default. */
export type Visibility =
  | { readonly kind: 'public' }
  | { readonly kind: 'none' }
  | { readonly kind: 'namespaces'; readonly namespaces: ReadonlySet<string> };

const everyone: Visibility = Object.freeze({ kind: 'public' });
const nobody: Visibility = Object.freeze({ kind: 'none' });

const namespacesOnly = (namespaces: readonly string[]): Visibility =>
  Object.freeze({ kind: 'namespaces', namespaces: new Set(namespaces) });

/**
 * Who sees an object of `namespace` by its `exportTo`, or by the mesh's default where it has none: `*` everyone, `~` nobody, `.` its own
 * namespace. `*` wins over `~`, and `~` over names, as in istiod.
 */
export function visibilityOf(
  exportTo: readonly string[],
  fallback: readonly string[] | undefined,
  namespace: string,
): Visibility {
  const names = exportTo.length ? exportTo : (fallback ?? ['*']);
  if (!names.length || names.includes('*')) return everyone;
  if (names.includes('~')) return nobody;
  return namespacesOnly(names.map(name => (name === '.' ? namespace : name)).sort());
}

/** Whether proxies of a namespace see what has this visibility. */
export const visibleTo = (visibility: Visibility, namespace: string): boolean =>
  visibility.kind === 'public' || (visibility.kind === 'namespaces' && visibility.namespaces.has(namespace));

/** The namespaces that a visibility names, sorted; none where it is public or nobody's. */
export const namespacesOf: (visibility: Visibility) => readonly string[] = memo(visibility =>
  visibility.kind === 'namespaces' ? [...visibility.namespaces].sort() : [],
);
