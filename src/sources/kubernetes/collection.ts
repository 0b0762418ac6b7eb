/** What one list-watch covers: a kind, or the part of it that selectors leave. */
export interface Collection {
  readonly kind: string;
  /** Empty for the core group. */
  readonly group: string;
  /** Preferred first. */
  readonly versions: readonly string[];
  readonly plural: string;
  /** All namespaces when absent. */
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** The URL path of a collection in one of its versions. */
export const collectionPath = ({ group, plural, namespace }: Collection, version: string): string =>
  `${group ? `/apis/${group}/${version}` : `/api/${version}`}${namespace ? `/namespaces/${namespace}` : ''}/${plural}`;

/** The selectors of a collection as query parameters. */
export const selectors = ({ fieldSelector, labelSelector }: Collection): Readonly<Record<string, string>> => ({
  ...(fieldSelector && { fieldSelector }),
  ...(labelSelector && { labelSelector }),
});
