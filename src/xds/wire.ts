/** The size of a number as a varint; numbers here are lengths and tags, below 2^31. */
const varintSize = (n: number): number => (n < 0x80 ? 1 : n < 0x4000 ? 2 : n < 0x200000 ? 3 : n < 0x10000000 ? 4 : 5);

/** The size of a length-delimited field with a number below 16. */
export const fieldSize = (length: number): number => 1 + varintSize(length) + length;

/** Writes length-delimited protobuf fields into a buffer whose size the caller has computed. */
export class FieldWriter {
  readonly buffer: Buffer;
  at: number;

  constructor(buffer: Buffer, at = 0) {
    this.buffer = buffer;
    this.at = at;
  }

  /** The field's tag and length; its content must follow. */
  head(field: number, length: number): void {
    this.buffer[this.at++] = (field << 3) | 2;
    let n = length;
    while (n >= 0x80) {
      this.buffer[this.at++] = (n & 0x7f) | 0x80;
      n >>>= 7;
    }
    this.buffer[this.at++] = n;
  }

  /** The bytes of `content` from `start` to `end`. */
  bytes(field: number, content: Buffer, start = 0, end = content.length): void {
    this.head(field, end - start);
    this.at += content.copy(this.buffer, this.at, start, end);
  }

  text(field: number, content: string): void {
    const length = Buffer.byteLength(content);
    this.head(field, length);
    this.buffer.write(content, this.at, length, 'utf8');
    this.at += length;
  }
}

/** `rest` followed by one field for each of `elements`: the encoding of a message of which one repeated field was encoded apart. */
export function concatFields(rest: Buffer, field: number, elements: readonly Buffer[]): Buffer {
  let size = rest.length;
  for (const element of elements) size += fieldSize(element.length);
  const writer = new FieldWriter(Buffer.allocUnsafeSlow(size));
  writer.buffer.set(rest);
  writer.at = rest.length;
  for (const element of elements) writer.bytes(field, element);
  return writer.buffer;
}
