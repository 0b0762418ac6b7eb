import type { IncomingMessage, ServerResponse } from 'node:http';
import { type BoundName, bounds } from '../bounds.ts';
import { BoundError } from '../grpc/status.ts';

interface Incoming {
  bytes: number;
  readonly refuse: (bound: BoundName) => void;
}

/** Bodies of requests, bounded each and all together: where all are too much, the longest that is still on its way makes room. */
export class Bodies {
  readonly #incoming = new Set<Incoming>();
  /** Of all bodies, until their requests are answered. */
  #bytes = 0;

  /** Reads a body. Rejects with a BoundError, or where the client goes before the end. */
  read(request: IncomingMessage, response: ServerResponse): Promise<Buffer> {
    if (response.destroyed) return Promise.reject(new Error('the client has gone'));
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    let chunks: Buffer[] = [];
    const giveBack = (): void => {
      this.#bytes -= body.bytes;
      body.bytes = 0;
      chunks = [];
    };
    const body: Incoming = {
      bytes: 0,
      refuse: bound => {
        this.#incoming.delete(body);
        giveBack();
        request.removeAllListeners('data').resume();
        reject(new BoundError(bound));
      },
    };
    this.#incoming.add(body);
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      body.bytes += chunk.length;
      this.#bytes += chunk.length;
      if (body.bytes > bounds['http-body-bytes'].most) body.refuse('http-body-bytes');
      else this.#makeRoom();
    });
    request.once('end', () => {
      this.#incoming.delete(body);
      resolve(Buffer.concat(chunks));
    });
    request.once('error', reject);
    response.once('close', () => {
      this.#incoming.delete(body);
      giveBack();
    });
    return promise;
  }

  #makeRoom(): void {
    while (this.#bytes > bounds['process-http-body-bytes'].most) {
      const [first, ...others] = this.#incoming;
      if (!first) return;
      others.reduce((most, one) => (one.bytes > most.bytes ? one : most), first).refuse('process-http-body-bytes');
    }
  }
}
