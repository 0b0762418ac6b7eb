import type { Call, Waiting } from './call.ts';
import type { Peer } from './peer.ts';
import { status } from './status.ts';

/**
 * A method with one request and one response, both as bytes. `request` is to be read before the first wait: it is valid no longer. What `answer`
 * throws or rejects with ends the call: a StatusError with its status, anything else with INTERNAL. A caller that is known may be admitted ahead of the answer.
 */
export const unary =
  (answer: (request: Buffer, peer: Peer, waiting: Waiting) => Promise<Uint8Array>) =>
  (call: Call): void => {
    let asked = false;
    call.listen({
      message(bytes) {
        if (asked) return;
        asked = true;
        call.pause();
        answer(bytes, call.peer, call).then(
          response => {
            call.admit();
            call.write([framed(response)], () => {});
            call.end(status.OK, '');
          },
          error => call.fail(error),
        );
      },
      end: () => {
        if (!asked) call.end(status.INVALID_ARGUMENT, 'a request is missing');
      },
      close: () => {},
    });
  };

/** A message as gRPC sends it: not compressed, its length, its bytes. */
function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}
