import type { ObjectKey } from '../object-key.ts';
// The key's text is all that xds needs; it knows nothing of the objects behind it.

/** A resource as it goes over the wire, encoded once for every proxy that has it. */
export interface EncodedResource {
  readonly name: string;
  /** The serialised message, without its Any. */
  readonly bytes: Buffer;
  /** Hash of the bytes: replicas agree, restarts do not churn, equal content is never sent twice. */
  readonly version: string;
  /** The objects that it came from. */
  readonly sources: readonly ObjectKey[];
}
