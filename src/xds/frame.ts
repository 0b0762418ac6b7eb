import { memo } from '../memo.ts';
import { counters } from './counters.ts';
import { type Entry, entry, entryOf } from './entry.ts';
import { type LongResource, longResponse } from './long-answer.ts';
import type { NameSet } from './name-set.ts';
import type { EncodedResource } from './resource.ts';
import type { ResourceSet } from './resource-set.ts';
import { resourceType, type XdsType } from './resource-types.ts';
import { type Difference, resourcesIn, type Selection, type View } from './view.ts';
import { FieldWriter, fieldSize } from './wire.ts';

/** The two forms of the aggregated discovery service. */
export type Protocol = 'sotw' | 'delta';

/** A response as it goes to the socket: gRPC's five bytes and the message. Any number of connections write the same buffers, and so do frames that have much in common. */
export interface Frame {
  readonly buffers: readonly Buffer[];
  /** Bytes of all buffers. */
  readonly size: number;
  readonly nonce: string;
  readonly version: string;
}

/** A resource of a type that is not in `resourceTypes`. */
export interface OtherResource {
  readonly typeUrl: string;
  readonly name: string;
  readonly value: Buffer;
}

const text = (value: string): number => (value === '' ? 0 : fieldSize(Buffer.byteLength(value)));

/** So many resources of a part are put together once for all frames that have them. */
const MANY = 32;

/** What a part of a set sends: a few resources, or many that frames share. */
type Section = { readonly few: readonly Entry[] } | { readonly many: Buffer };

interface Content {
  readonly protocol: Protocol;
  readonly typeUrl: string;
  readonly version: string;
  /** What each part of the set sends. */
  readonly parts: readonly Section[];
  readonly removed: readonly string[];
}

/**
 * Builds responses from resources that are encoded already, each once for all connections that are owed the same.
 *
 * A frame is held weakly: while connections still have to write it, they keep it, and after that only its resources are kept. `keep` holds
 * frames through one round of pushing.
 */
export class Frames {
  readonly #controlPlane: Buffer;
  #serial = 0;
  #kept: (Frame | Buffer)[] = [];

  /** `identifier` is told to clients as the control plane's. */
  constructor(identifier: string) {
    this.#controlPlane = controlPlane(identifier);
  }

  readonly #whole = memo((set: ResourceSet, names: NameSet) =>
    this.#weak(() => this.#build(this.#contentOfWhole({ set, names }))),
  );
  readonly #partial = memo((by: Difference, to: ResourceSet, protocol: Protocol) =>
    this.#weak(() => this.#build(this.#contentOfPart(by, to, protocol))),
  );
  readonly #joined = memo((resources: readonly EncodedResource[], typeUrl: string, protocol: Protocol) =>
    this.#weak(() => joined(entries(resources, typeUrl), protocol)),
  );

  /** The response that takes a client to `to`. A root type is whole in every State-of-the-World response; all else is what differs. */
  response(protocol: Protocol, by: Difference, to: View): Frame {
    if (protocol === 'sotw' && resourceType(to.set.type).root) return this.#whole(to.set, to.names)();
    return this.#partial(by, to.set, protocol)();
  }

  /** A response of a type that is not in `resourceTypes`. */
  other(protocol: Protocol, typeUrl: string, resources: readonly OtherResource[], removed: readonly string[]): Frame {
    const items = resources.map(r => entry(r.typeUrl, r.name, '', r.value));
    return this.#build({
      protocol,
      typeUrl,
      version: '',
      parts: [{ few: items }],
      removed: protocol === 'delta' ? removed : [],
    });
  }

  /** The same, made while it is written; `identifier` stands for the control plane's. */
  long(
    protocol: Protocol,
    typeUrl: string,
    resources: readonly LongResource[],
    identifier: string,
  ): { readonly nonce: string; readonly buffers: Iterator<Buffer> } {
    const nonce = this.#nonce();
    return { nonce, buffers: longResponse(protocol, typeUrl, resources, nonce, controlPlane(identifier)) };
  }

  #nonce(): string {
    return (++this.#serial).toString(36);
  }

  /** Lets go of the frames of the round that ended. */
  release(): void {
    this.#kept = [];
  }

  #weak<T extends Frame | Buffer>(build: () => T): () => T {
    let known: WeakRef<T> | undefined;
    return () => {
      const alive = known?.deref();
      if (alive) return alive;
      const built = build();
      known = new WeakRef(built);
      this.#kept.push(built);
      return built;
    };
  }

  #contentOfWhole(to: Selection): Content {
    const { type, version, parts } = to.set;
    const lists = to.names.all ? parts.map(part => part.list) : [[...resourcesIn(to)]];
    return this.#content('sotw', type, version, lists, []);
  }

  #contentOfPart(by: Difference, { type, version }: ResourceSet, protocol: Protocol): Content {
    const lists = by.changes.map(change => change.changed);
    return this.#content(protocol, type, version, lists, protocol === 'delta' ? by.removed : []);
  }

  #content(
    protocol: Protocol,
    type: XdsType,
    version: string,
    lists: readonly (readonly EncodedResource[])[],
    removed: readonly string[],
  ): Content {
    const { typeUrl } = resourceType(type);
    const parts = lists.map(list =>
      list.length < MANY ? { few: entries(list, typeUrl) } : { many: this.#joined(list, typeUrl, protocol)() },
    );
    return { protocol, typeUrl, version, parts, removed };
  }

  /** Writes a DiscoveryResponse or a DeltaDiscoveryResponse; both have version 1, resources 2, type_url 4, nonce 5. */
  #build({ protocol, typeUrl, version, parts, removed }: Content): Frame {
    const identifier = this.#controlPlane;
    counters.frames++;
    const nonce = this.#nonce();
    let size = HEAD + text(version) + text(typeUrl) + text(nonce);
    let shared = 0;
    for (const part of parts) {
      if ('many' in part) shared += part.many.length;
      else size += sizeOf(part.few, protocol);
    }
    for (const name of removed) size += fieldSize(Buffer.byteLength(name));
    if (identifier.length > 0) size += fieldSize(identifier.length);

    const writer = new FieldWriter(Buffer.allocUnsafeSlow(size), HEAD);
    writer.buffer.writeUInt8(0, 0);
    writer.buffer.writeUInt32BE(size + shared - HEAD, 1);
    if (version !== '') writer.text(1, version);
    const buffers: Buffer[] = [];
    let from = 0;
    for (const part of parts) {
      if ('many' in part) {
        buffers.push(writer.buffer.subarray(from, writer.at), part.many);
        from = writer.at;
      } else {
        write(part.few, protocol, writer);
      }
    }
    writer.text(4, typeUrl);
    writer.text(5, nonce);
    for (const name of removed) writer.text(6, name);
    if (identifier.length > 0) writer.bytes(protocol === 'delta' ? 7 : 6, identifier);
    buffers.push(writer.buffer.subarray(from));
    return { buffers, size: size + shared, nonce, version };
  }
}

/** The message ControlPlane. */
function controlPlane(identifier: string): Buffer {
  const bytes = Buffer.alloc(text(identifier));
  if (identifier !== '') new FieldWriter(bytes).text(1, identifier);
  return bytes;
}

/** Of gRPC, before each message. */
const HEAD = 5;

const entries = (resources: readonly EncodedResource[], typeUrl: string): readonly Entry[] =>
  resources.map(resource => entryOf(typeUrl, resource));

function sizeOf(items: readonly Entry[], protocol: Protocol): number {
  let size = 0;
  for (const { bytes, anyStart, anyEnd } of items)
    size += fieldSize(protocol === 'delta' ? bytes.length : anyEnd - anyStart);
  return size;
}

function write(items: readonly Entry[], protocol: Protocol, writer: FieldWriter): void {
  for (const { bytes, anyStart, anyEnd } of items) {
    if (protocol === 'delta') writer.bytes(2, bytes);
    else writer.bytes(2, bytes, anyStart, anyEnd);
  }
}

function joined(items: readonly Entry[], protocol: Protocol): Buffer {
  const writer = new FieldWriter(Buffer.allocUnsafeSlow(sizeOf(items, protocol)));
  write(items, protocol, writer);
  return writer.buffer;
}
