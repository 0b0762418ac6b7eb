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
  // Marks stand for what is no text, also where it is cut short.
  const before = bytes.toString().split('\ufffd', 1)[0] ?? '';
  return { line: before.split('\n').length, message: 'these bytes are no UTF-8: save the file as UTF-8' };
}
