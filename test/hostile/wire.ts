import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect as connectNet, type Socket } from 'node:net';
import type { Node } from '../../src/proto/generated/envoy/config/core/v3.ts';
import { encode } from '../../src/proto/message.ts';
import { adsMethods } from '../../src/xds/ads-server.ts';
import { resourceTypes, type XdsType } from '../../src/xds/resource-types.ts';
import { framed } from '../support/grpc-frame.ts';

/** What a discovery request of the delta protocol says. */
export interface Asking {
  readonly type?: XdsType | string;
  readonly node?: Node | undefined;
  readonly names?: readonly string[];
  readonly versions?: Readonly<Record<string, string>>;
  readonly nonce?: string;
  readonly error?: string;
}

const urlOf = (type: string): string =>
  Object.hasOwn(resourceTypes, type) ? resourceTypes[type as XdsType].typeUrl : type;

/** A delta request, without gRPC's frame. */
export const request = ({ type = 'cluster', node, names = [], versions = {}, nonce = '', error }: Asking): Buffer =>
  encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
    type_url: urlOf(type),
    node,
    resource_names_subscribe: names,
    initial_resource_versions: versions,
    response_nonce: nonce,
    error_detail: error === undefined ? undefined : { code: 3, message: error },
  });

/** The Node of the n-th proxy; what `more` says is in its metadata. */
export function nodeOf(n: number, more: Readonly<Record<string, string>> = {}): Node {
  const text = (string_value: string) => ({ string_value });
  return {
    id: `sidecar~10.${n >> 16}.${(n >> 8) & 255}.${n & 255}~peer-${n}.load~load.svc.cluster.local`,
    metadata: {
      fields: Object.fromEntries(
        Object.entries({ NAMESPACE: 'load', ISTIO_VERSION: '1.31.0', ...more }).map(([key, value]) => [
          key,
          text(value),
        ]),
      ),
    },
  };
}

/** A connection whose errors are nobody's business, and that holds as much as it is told to send; over TLS to `tls:host:port`. */
export function session(address: string): ClientHttp2Session {
  const [, secured] = /^tls:(.*)$/.exec(address) ?? [];
  const made = secured
    ? connectHttp2(`https://${secured}`, { maxSessionMemory: 100_000, rejectUnauthorized: false })
    : connectHttp2(`http://${address}`, { maxSessionMemory: 100_000 });
  made.on('error', () => {});
  return made;
}

/** A delta stream; its status is told in words, `8 at most ...`, or `cut`. */
export function call(
  on: ClientHttp2Session,
  headers: Readonly<Record<string, string>> = {},
): { readonly stream: ClientHttp2Stream; readonly status: Promise<string> } {
  const stream = on.request({
    ':method': 'POST',
    ':path': adsMethods.delta,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => {});
  const status = new Promise<string>(resolve => {
    const told = (trailers: object): void => {
      const code: unknown = Reflect.get(trailers, 'grpc-status');
      if (code !== undefined) resolve(`${code} ${decodeURI(String(Reflect.get(trailers, 'grpc-message') ?? ''))}`);
    };
    stream.on('response', told);
    stream.on('trailers', told);
    stream.once('close', () => resolve('cut'));
  });
  return { stream, status };
}

/** Sends a request on a stream. */
export const ask = (stream: ClientHttp2Stream, asking: Asking): void => void stream.write(framed(request(asking)));

/** HTTP/2 frame types: https://www.rfc-editor.org/rfc/rfc9113#section-6 */
export const frames = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PING: 6, WINDOW_UPDATE: 8 } as const;

/** A frame of HTTP/2. */
export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const literal = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);

/** The header block of a call. */
export const callHeaders: Buffer = Buffer.concat([
  literal(':method', 'POST'),
  literal(':scheme', 'http'),
  literal(':path', adsMethods.delta),
  literal(':authority', 'x'),
  literal('content-type', 'application/grpc'),
]);

/** HTTP/2 by hand, for what no library would send. It answers settings and pings, and keeps to the windows. */
export class RawPeer {
  readonly socket: Socket;
  /** Answers nothing: between the parts of a header block no other frame may come. */
  mute = false;
  readonly #windows = new Map<number, number>();
  #rest = Buffer.alloc(0);
  #wake: () => void = () => {};

  constructor(address: string) {
    const at = address.lastIndexOf(':');
    this.socket = connectNet({ host: address.slice(0, at), port: Number(address.slice(at + 1)) });
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.socket.once('close', () => this.#wake());
    this.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(frames.SETTINGS, 0, 0));
  }

  get gone(): boolean {
    return this.socket.destroyed;
  }

  /** Begins a call with headers that never end. */
  beginHeaders(): void {
    this.mute = true;
    this.send(frame(frames.HEADERS, 0, 1, callHeaders));
  }

  send(...bytes: readonly Buffer[]): void {
    if (!this.gone) this.socket.write(Buffer.concat(bytes));
  }

  /** Waits until what was sent has left. */
  async drained(): Promise<void> {
    if (!this.gone && this.socket.writableNeedDrain)
      await Promise.race([once(this.socket, 'drain'), once(this.socket, 'close')]);
  }

  /** Sends `bytes` of zeros as data, in frames of `size`, as fast as the windows let it. */
  async data(stream: number, bytes: number, size: number): Promise<void> {
    const piece = frame(frames.DATA, 0, stream, Buffer.alloc(size));
    for (let sent = 0; sent < bytes && !this.gone; ) {
      const window = Math.min(this.#window(0), this.#window(stream), bytes - sent, 16_384);
      const count = Math.floor(window / size);
      if (count === 0) {
        await new Promise<void>(resolve => {
          this.#wake = resolve;
        });
        continue;
      }
      for (const id of [0, stream]) this.#windows.set(id, this.#window(id) - count * size);
      this.send(...new Array<Buffer>(count).fill(piece));
      sent += count * size;
      await this.drained();
    }
  }

  close(): void {
    this.socket.destroy();
  }

  #window(stream: number): number {
    return this.#windows.get(stream) ?? 65_535;
  }

  #receive(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9) {
      const end = 9 + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) return;
      const [type, flags] = [this.#rest[3], this.#rest[4] ?? 0];
      const stream = this.#rest.readUInt32BE(5);
      const payload = this.#rest.subarray(9, end);
      if (type === frames.SETTINGS && (flags & 1) === 0 && !this.mute) this.send(frame(frames.SETTINGS, 1, 0));
      if (type === frames.PING && (flags & 1) === 0 && !this.mute) this.send(frame(frames.PING, 1, 0, payload));
      if (type === frames.WINDOW_UPDATE) {
        this.#windows.set(stream, this.#window(stream) + payload.readUInt32BE(0));
        this.#wake();
      }
      this.#rest = this.#rest.subarray(end);
    }
  }
}
