import { isUtf8 } from 'node:buffer';

/** The text that bytes are, or why they are none and in which line, from 1. */
export type Decoded = { readonly text: string } | { readonly line: number; readonly message: string };

/**
 * UTF-8, or UTF-16 with a byte order mark (as Windows PowerShell writes it), like kubectl. Bytes that are no text are refused: with marks in
 * their place a name would be another one.
 */
export function decode(bytes: Buffer): Decoded {
  const [first, second] = bytes;
  const utf16 =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : undefined;
  if (utf16) {
    try {
      return { text: new TextDecoder(utf16, { fatal: true }).decode(bytes) };
    } catch {
      return { line: 1, message: 'it begins as UTF-16 and is none' };
    }
  }
  if (isUtf8(bytes)) {
    const text = bytes.toString();
    return { text: text.startsWith('\ufeff') ? text.slice(1) : text };
  }
  return { line: lineOfNoText(bytes), message: 'these bytes are no UTF-8: save the file as UTF-8' };
}

/** So many bytes are looked at together, and the lines of those that are no text one by one. */
const block = 1 << 16;

/** The first line, from 1, that is no UTF-8. A line break is one byte, and part of no other character. */
function lineOfNoText(bytes: Buffer): number {
  const endOf = (from: number): number => {
    const found = bytes.indexOf(0x0a, from);
    return found < 0 ? bytes.length : found + 1;
  };
  let line = 1;
  for (let from = 0; from < bytes.length; ) {
    const end = endOf(Math.min(from + block, bytes.length));
    if (isUtf8(bytes.subarray(from, end))) {
      for (let at = endOf(from); at < end; at = endOf(at)) line++;
      if (bytes[end - 1] === 0x0a) line++;
      from = end;
    } else {
      for (let to = endOf(from); isUtf8(bytes.subarray(from, to)); to = endOf(from)) {
        from = to;
        line++;
      }
      return line;
    }
  }
  return line;
}
