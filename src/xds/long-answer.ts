import { headOfAny } from './nested.ts';
import { FieldWriter, fieldSize } from './wire.ts';

type Protocol = 'sotw' | 'delta';

/** A resource whose bytes are in many places: they are never put together as one. */
export interface LongResource {
  readonly typeUrl: string;
  readonly name: string;
  /** Bytes of all chunks. */
  readonly size: number;
  readonly chunks: readonly Uint8Array[];
  /** How many of them are not shared with what proxies are sent. */
  readonly kept: number;
}

const textSize = (text: string): number => (text ? fieldSize(Buffer.byteLength(text)) : 0);

/** What comes after the resources of a DiscoveryResponse or a DeltaDiscoveryResponse. */
function tail(protocol: Protocol, typeUrl: string, nonce: string, controlPlane: Buffer): Buffer {
  const own = controlPlane.length ? fieldSize(controlPlane.length) : 0;
  const writer = new FieldWriter(Buffer.alloc(textSize(typeUrl) + textSize(nonce) + own));
  writer.text(4, typeUrl);
  writer.text(5, nonce);
  if (own) writer.bytes(protocol === 'delta' ? 7 : 6, controlPlane);
  return writer.buffer;
}

/** Where a resource stands: in State of the World an Any, in delta the Any of a Resource with its name. */
const layersOf = (protocol: Protocol, name: string) =>
  protocol === 'delta'
    ? [
        { field: 2, texts: [[3, name] as const] },
        { field: 2, texts: [] },
      ]
    : [{ field: 2, texts: [] }];

/** Bytes of a response that are handed to the socket at once. */
const TOGETHER = 128 * 1024;

/** A framed response in buffers that are made when they are asked for: all that it takes is its resources' own bytes, and one buffer. */
export function* longResponse(
  protocol: Protocol,
  typeUrl: string,
  resources: readonly LongResource[],
  nonce: string,
  controlPlane: Buffer,
): Generator<Buffer> {
  const end = tail(protocol, typeUrl, nonce, controlPlane);
  const heads = resources.map(({ name, size, ...r }) => headOfAny(layersOf(protocol, name), r.typeUrl, size));
  const length = resources.reduce((sum, { size }, i) => sum + size + (heads[i]?.length ?? 0), end.length);
  const grpc = Buffer.alloc(5);
  grpc.writeUInt32BE(length, 1);
  yield* together(
    (function* () {
      yield grpc;
      for (const [i, { chunks }] of resources.entries()) {
        yield heads[i] ?? grpc;
        yield* chunks;
      }
      yield end;
    })(),
  );
}

/** The same bytes in buffers of a size that is good to write. */
function* together(chunks: Iterable<Uint8Array>): Generator<Buffer> {
  let some: Uint8Array[] = [];
  let size = 0;
  for (const chunk of chunks)
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + TOGETHER - size);
      some.push(part);
      size += part.length;
      at += part.length;
      if (size < TOGETHER) continue;
      yield Buffer.concat(some);
      some = [];
      size = 0;
    }
  if (size) yield Buffer.concat(some);
}
