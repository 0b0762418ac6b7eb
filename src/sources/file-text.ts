import { type FileHandle, open } from 'node:fs/promises';
import { bounds } from '../bounds.ts';
import { type Decoded, decode } from './encoding.ts';

const { most } = bounds['file-bytes'];

/** So many bytes are read in one go. */
const piece = 1 << 20;

/** A file has more bytes than are read of one. */
export class TooLargeError extends Error {
  constructor(size: number) {
    super(`it has ${size} bytes, more than the ${most} that are read`);
  }
}

/** Fills `bytes` from the file; how many it has. */
async function fill(bytes: Buffer, file: FileHandle): Promise<number> {
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, Math.min(piece, bytes.length - filled), null);
    if (!bytesRead) break;
    filled += bytesRead;
  }
  return filled;
}

/**
 * The text of a file. Throws a TooLargeError, however small the file was when it was last looked at; the operating system's errors as they are.
 */
export async function readText(path: string): Promise<Decoded> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size > most) throw new TooLargeError(size);
    // What it grows by meanwhile has an event of its own.
    const bytes = Buffer.allocUnsafeSlow(size);
    try {
      return decode(bytes.subarray(0, await fill(bytes, file)));
    } finally {
      // At once: the collector may leave bytes that nobody holds for seconds, and the next file's would come on top of them.
      bytes.buffer.transfer(0);
    }
  } finally {
    await file.close();
  }
}
