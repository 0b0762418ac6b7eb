/** An object as a source hands it over: what YAML or the API server's JSON says, not yet checked. */
export interface RawObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: RawMeta;
  readonly [field: string]: unknown;
}

/** The part of `metadata` that is read; sources drop the bulky rest (managedFields). */
export interface RawMeta {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly creationTimestamp?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly uid?: string | undefined;
  readonly generation?: number | undefined;
  /** Of a Pod that is about to go. */
  readonly deletionTimestamp?: string | undefined;
  /** The owner of a Pod names its workload. */
  readonly ownerReferences?: unknown;
}
