import type { EncodedResource } from './resource.ts';
import { FieldWriter, fieldSize } from './wire.ts';

/**
 * A resource as responses have it: a delta response all of `bytes` (the message Resource: version, Any, name), a State-of-the-World response
 * the Any in it. Written once, so that a response is put together by copying.
 */
export interface Entry {
  readonly bytes: Buffer;
  readonly anyStart: number;
  readonly anyEnd: number;
}

const text = (value: string): number => (value === '' ? 0 : fieldSize(Buffer.byteLength(value)));

/** The entry of a resource with this content. */
export function entry(typeUrl: string, name: string, version: string, value: Buffer): Entry {
  const any = text(typeUrl) + fieldSize(value.length);
  const writer = new FieldWriter(Buffer.allocUnsafeSlow(text(version) + fieldSize(any) + text(name)));
  if (version !== '') writer.text(1, version);
  writer.head(2, any);
  const anyStart = writer.at;
  writer.text(1, typeUrl);
  writer.bytes(2, value);
  const anyEnd = writer.at;
  if (name !== '') writer.text(3, name);
  return { bytes: writer.buffer, anyStart, anyEnd };
}

const entries = new WeakMap<EncodedResource, Entry>();

/** A resource whose bytes are those within its entry: kept in memory once. */
export function resourceOfEntry(made: Entry, resource: EncodedResource): EncodedResource {
  const bytes = made.bytes.subarray(made.anyEnd - resource.bytes.length, made.anyEnd);
  const known = Object.freeze({ ...resource, bytes });
  entries.set(known, made);
  return known;
}

/** The entry of a resource. */
export function entryOf(typeUrl: string, resource: EncodedResource): Entry {
  const known = entries.get(resource);
  if (known) return known;
  const made = entry(typeUrl, resource.name, resource.version, resource.bytes);
  entries.set(resource, made);
  return made;
}
