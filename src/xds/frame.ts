import { memo } from '../memo.ts';
import { counters } from './counters.ts';
import { type Entry, entry, entryOf } from './entry.ts';
import type { NameSet } from './name-set.ts';
import type { ResourceSet } from './resource-set.ts';
import { resourceType } from './resource-types.ts';
import { type Difference, resourcesIn, type Selection, type View } from './view.ts';
import { FieldWriter, fieldSize } from './wire.ts';

/** The two forms of the aggregated discovery service. */
export type Protocol = 'sotw' | 'delta';

/** A response as it goes to the socket: gRPC's five bytes and the message. Any number of connections write the same buffer. */
export interface Frame {
  readonly bytes: Buffer;
  readonly nonce: string;
  readonly version: string;
  readonly resources: number;
}

/** A resource of a type that is not in `resourceTypes`. */
export interface OtherResource {
  readonly typeUrl: string;
  readonly name: string;
  readonly value: Buffer;
}

const text = (value: string): number => (value === '' ? 0 : fieldSize(Buffer.byteLength(value)));

interface Content {
  readonly protocol: Protocol;
  readonly typeUrl: string;
  readonly version: string;
  readonly items: readonly Entry[];
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
  #kept: Frame[] = [];

  /** `identifier` is told to clients as the control plane's. */
  constructor(identifier: string) {
    this.#controlPlane = Buffer.alloc(text(identifier));
    if (identifier !== '') new FieldWriter(this.#controlPlane).text(1, identifier);
  }

  readonly #whole = memo((set: ResourceSet, names: NameSet) =>
    this.#weak(() => this.#build(this.#contentOfWhole({ set, names }))),
  );
  readonly #partial = memo((by: Difference, to: ResourceSet, protocol: Protocol) =>
    this.#weak(() => this.#build(this.#contentOfPart(by, to, protocol))),
  );

  /** The response that takes a client to `to`. A root type is whole in every State-of-the-World response; all else is what differs. */
  response(protocol: Protocol, by: Difference, to: View): Frame {
    if (protocol === 'sotw' && resourceType(to.set.type).root) return this.#whole(to.set, to.names)();
    return this.#partial(by, to.set, protocol)();
  }

  /** A response of a type that is not in `resourceTypes`. */
  other(protocol: Protocol, typeUrl: string, resources: readonly OtherResource[], removed: readonly string[]): Frame {
    const items = resources.map(r => entry(r.typeUrl, r.name, '', r.value));
    return this.#build({ protocol, typeUrl, version: '', items, removed: protocol === 'delta' ? removed : [] });
  }

  /** Lets go of the frames of the round that ended. */
  release(): void {
    this.#kept = [];
  }

  #weak(build: () => Frame): () => Frame {
    let known: WeakRef<Frame> | undefined;
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
    const { typeUrl } = resourceType(to.set.type);
    const items = Array.from(resourcesIn(to), resource => entryOf(typeUrl, resource));
    return { protocol: 'sotw', typeUrl, version: to.set.version, items, removed: [] };
  }

  #contentOfPart(by: Difference, to: ResourceSet, protocol: Protocol): Content {
    const { typeUrl } = resourceType(to.type);
    const items = by.changed.map(resource => entryOf(typeUrl, resource));
    return { protocol, typeUrl, version: to.version, items, removed: protocol === 'delta' ? by.removed : [] };
  }

  /** Writes a DiscoveryResponse or a DeltaDiscoveryResponse; both have version 1, resources 2, type_url 4, nonce 5. */
  #build({ protocol, typeUrl, version, items, removed }: Content): Frame {
    counters.frames++;
    const nonce = (++this.#serial).toString(36);
    const delta = protocol === 'delta';
    let size = 5 + text(version) + text(typeUrl) + text(nonce);
    for (const { bytes, anyStart, anyEnd } of items) size += fieldSize(delta ? bytes.length : anyEnd - anyStart);
    for (const name of removed) size += fieldSize(Buffer.byteLength(name));
    if (this.#controlPlane.length > 0) size += fieldSize(this.#controlPlane.length);

    const writer = new FieldWriter(Buffer.allocUnsafeSlow(size), 5);
    writer.buffer.writeUInt8(0, 0);
    writer.buffer.writeUInt32BE(size - 5, 1);
    if (version !== '') writer.text(1, version);
    for (const { bytes, anyStart, anyEnd } of items) {
      if (delta) writer.bytes(2, bytes);
      else writer.bytes(2, bytes, anyStart, anyEnd);
    }
    writer.text(4, typeUrl);
    writer.text(5, nonce);
    for (const name of removed) writer.text(6, name);
    if (this.#controlPlane.length > 0) writer.bytes(delta ? 7 : 6, this.#controlPlane);
    return { bytes: writer.buffer, nonce, version, resources: items.length };
  }
}
