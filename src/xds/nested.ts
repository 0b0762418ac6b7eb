import { FieldWriter, fieldSize } from './wire.ts';

/** A message within a message: the number of its field, and its texts, which stand before what is in it. */
export interface Layer {
  readonly field: number;
  readonly texts: readonly (readonly [field: number, text: string])[];
}

const textsSize = ({ texts }: Layer): number =>
  texts.reduce((size, [, text]) => size + (text ? fieldSize(Buffer.byteLength(text)) : 0), 0);

/** The fields of `google.protobuf.Any`. */
const URL = 1;
const VALUE = 2;

/** The bytes before the value of an Any of so many bytes that is the last thing in all layers, the last of which holds it. */
export function headOfAny(layers: readonly Layer[], url: string, length: number): Buffer {
  const any = layers.at(-1);
  const all = any ? layers.with(-1, { ...any, texts: [...any.texts, [URL, url]] }) : [];
  const sizes: number[] = [];
  let size = fieldSize(length);
  for (const layer of all.toReversed()) {
    size += textsSize(layer);
    sizes.unshift(size);
    size = fieldSize(size);
  }
  const writer = new FieldWriter(Buffer.allocUnsafe(size - length));
  for (const [i, { field, texts }] of all.entries()) {
    writer.head(field, sizes[i] ?? 0);
    for (const [number, text] of texts) if (text) writer.text(number, text);
  }
  writer.head(VALUE, length);
  return writer.buffer;
}
