import { FrameCutter } from '../../src/grpc/frame-cutter.ts';

/** A message as gRPC frames it, uncompressed. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** Cuts the chunks that it is called with into messages, each valid until `onMessage` returns. */
export function unframed(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  const cutter = new FrameCutter(Number.MAX_SAFE_INTEGER);
  return chunk => {
    cutter.add(chunk);
    for (let message = cutter.next(); message; message = cutter.next()) onMessage(message.bytes);
    cutter.keep();
  };
}
