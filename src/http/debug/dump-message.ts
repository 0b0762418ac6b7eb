import { messageType } from '../../proto/bundle.ts';
import type { Any } from '../../proto/generated/google/protobuf.ts';
import { encodeMessage } from '../../proto/message.ts';
import { headOfAny, type Layer } from '../../xds/nested.ts';
import type { EncodedResource } from '../../xds/resource.ts';

/** The fields of a dump that lead to a resource. */
interface Way {
  readonly list: string;
  /** Of an item of the list, with the resource's name beside it. */
  readonly state?: string;
  readonly item: string;
}

const numbers = new Map<string, readonly [number, string]>();

/** The number of a field, and the message that it holds. */
function fieldOf(message: string, name: string): readonly [number, string] {
  const key = `${message} ${name}`;
  const known = numbers.get(key);
  if (known) return known;
  const field = messageType(message).fields[name];
  if (!field) throw new Error(`${message} has no field ${name}`);
  const found = [field.id, field.resolve().resolvedType?.fullName.slice(1) ?? ''] as const;
  numbers.set(key, found);
  return found;
}

/** A part of a config dump as a message that is put together from the resources' own bytes: none of them is copied. */
export class DumpMessage {
  readonly #message: string;
  readonly chunks: Uint8Array[];
  /** Bytes of all chunks, and of those that are made here. */
  size: number;
  kept: number;

  constructor(message: string, version: string | undefined) {
    this.#message = message;
    const head = encodeMessage(message, version === undefined ? {} : { version_info: version });
    this.chunks = [head];
    this.size = head.length;
    this.kept = head.length;
  }

  /** Adds a resource, which is shown as `any`. */
  add(
    { list, state, item }: Way,
    { name, version, bytes }: EncodedResource,
    { type_url: url = '', value = new Uint8Array() }: Any,
  ): void {
    const [number, message] = fieldOf(this.#message, list);
    const layers: Layer[] = [];
    let holder = message;
    if (state) {
      const [stateNumber, stateMessage] = fieldOf(message, state);
      layers.push({ field: number, texts: [[fieldOf(message, 'name')[0], name]] });
      layers.push({ field: stateNumber, texts: [[fieldOf(stateMessage, 'version_info')[0], version]] });
      holder = stateMessage;
    } else layers.push({ field: number, texts: [[fieldOf(message, 'version_info')[0], version]] });
    layers.push({ field: fieldOf(holder, item)[0], texts: [] });
    const head = headOfAny(layers, url, value.length);
    this.chunks.push(head, value);
    this.size += head.length + value.length;
    this.kept += head.length + (value === bytes ? 0 : value.length);
  }
}
