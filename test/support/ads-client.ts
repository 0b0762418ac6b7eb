import { ChannelCredentials, Client, type ClientDuplexStream, Metadata } from '@grpc/grpc-js';
import type { Node } from '../../src/proto/generated/envoy/config/core/v3.ts';
import type { Any } from '../../src/proto/generated/google/protobuf.ts';
import { decode, encode } from '../../src/proto/message.ts';
import { adsMethods } from '../../src/xds/ads-server.ts';
import type { Protocol } from '../../src/xds/frame.ts';
import { resourceTypes, type XdsMessage, type XdsType } from '../../src/xds/resource-types.ts';
import { HANGING_MS } from './until.ts';

/** A response, in the same shape for both protocols. */
export interface AdsResponse {
  readonly typeUrl: string;
  readonly version: string;
  readonly nonce: string;
  readonly identifier: string;
  readonly resources: readonly { readonly name: string; readonly version: string; readonly any: Any }[];
  readonly removed: readonly string[];
}

interface Waiting {
  readonly wants: (response: AdsResponse) => boolean;
  readonly resolve: (response: AdsResponse) => void;
  readonly reject: (error: Error) => void;
}

interface ClientOptions {
  readonly credentials?: ChannelCredentials;
  readonly headers?: Readonly<Record<string, string>>;
  readonly channel?: Readonly<Record<string, string | number>>;
}

const urlOf = (type: XdsType | string): string =>
  Object.hasOwn(resourceTypes, type) ? resourceTypes[type as XdsType].typeUrl : type;

/**
 * A scripted proxy: one ADS stream that sends what a test tells it to and hands out what arrives. Types are named by their short name or by
 * a type URL.
 */
export class AdsClient {
  readonly protocol: Protocol;
  /** Everything that has arrived, in order. */
  readonly received: AdsResponse[] = [];
  /** Answer each response at once, as a content proxy does. */
  autoAck = false;
  /** The gRPC status that ended the stream. */
  readonly ended: Promise<{ readonly code: number; readonly details: string }>;
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #names = new Map<string, string[]>();
  readonly #versions = new Map<string, string>();
  readonly #nonces = new Map<string, string>();
  readonly #waiting = new Set<Waiting>();
  #node: Node | undefined;
  #taken = 0;

  constructor(address: string, protocol: Protocol, node: Node, options: ClientOptions = {}) {
    this.protocol = protocol;
    this.#node = node;
    this.#client = new Client(address, options.credentials ?? ChannelCredentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      // Each client its own connection, as proxies have.
      'grpc.use_local_subchannel_pool': 1,
      ...options.channel,
    });
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(options.headers ?? {})) metadata.set(name, value);
    const same = (bytes: Buffer): Buffer => bytes;
    this.#call = this.#client.makeBidiStreamRequest(adsMethods[protocol], same, same, metadata);
    this.#call.on('data', (bytes: Buffer) => this.#arrive(bytes));
    this.#call.on('error', () => {});
    this.ended = new Promise(resolve => {
      this.#call.on('status', ({ code, details }) => {
        resolve({ code, details });
        for (const { reject } of this.#waiting) reject(new Error(`the stream ended: ${code} ${details}`));
      });
    });
  }

  /** Asks for names; none is everything, of the types that have a wildcard. In State-of-the-World, `names` replaces what was asked for. */
  subscribe(type: XdsType | string, names: readonly string[] = [], held: Readonly<Record<string, string>> = {}): void {
    const typeUrl = urlOf(type);
    this.#names.set(typeUrl, [...names]);
    if (this.protocol === 'delta') this.send({ typeUrl, subscribe: names, held });
    else
      this.send({
        typeUrl,
        nonce: this.#nonces.get(typeUrl) ?? '',
        version: held['*'] ?? this.#versions.get(typeUrl) ?? '',
      });
  }

  /** Gives up names, in delta. */
  unsubscribe(type: XdsType | string, names: readonly string[]): void {
    this.send({ typeUrl: urlOf(type), unsubscribe: names });
  }

  /** Accepts a response. */
  ack(response: AdsResponse): void {
    this.#versions.set(response.typeUrl, response.version);
    this.send({ typeUrl: response.typeUrl, nonce: response.nonce, version: response.version });
  }

  /** Refuses a response. */
  nack(response: AdsResponse, message: string): void {
    const version = this.#versions.get(response.typeUrl) ?? '';
    this.send({ typeUrl: response.typeUrl, nonce: response.nonce, version, error: message });
  }

  /** Sends a request. In State-of-the-World it has the names of the last `subscribe`. */
  send(r: {
    readonly typeUrl: string;
    readonly nonce?: string;
    readonly version?: string;
    readonly error?: string;
    readonly subscribe?: readonly string[];
    readonly unsubscribe?: readonly string[];
    readonly held?: Readonly<Record<string, string>>;
  }): void {
    const common = {
      type_url: r.typeUrl,
      response_nonce: r.nonce ?? '',
      node: this.#node,
      error_detail: r.error === undefined ? undefined : { code: 3, message: r.error },
    };
    this.#node = undefined;
    this.sendBytes(
      this.protocol === 'delta'
        ? encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
            ...common,
            resource_names_subscribe: r.subscribe ?? [],
            resource_names_unsubscribe: r.unsubscribe ?? [],
            initial_resource_versions: r.held ?? {},
          })
        : encode('envoy.service.discovery.v3.DiscoveryRequest', {
            ...common,
            version_info: r.version ?? '',
            resource_names: this.#names.get(r.typeUrl) ?? [],
          }),
    );
  }

  /** Sends bytes as a message. */
  sendBytes(bytes: Buffer): void {
    this.#call.write(bytes);
  }

  /** The next response that has not been taken yet; of `type` only, if given: then what came before it counts as taken too. */
  next(type?: XdsType | string): Promise<AdsResponse> {
    const wants = (r: AdsResponse): boolean => type === undefined || r.typeUrl === urlOf(type);
    while (this.#taken < this.received.length) {
      const response = this.received[this.#taken++];
      if (response && wants(response)) return Promise.resolve(response);
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => done(reject)(new Error(`no response of ${type ?? 'any type'} in time`)),
        HANGING_MS,
      );
      const waiting: Waiting = { wants, resolve: r => done(resolve)(r), reject: e => done(reject)(e) };
      const done = <T>(then: (value: T) => void) => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
        return then;
      };
      this.#waiting.add(waiting);
    });
  }

  /** The responses that have arrived and not been taken. */
  untaken(): readonly AdsResponse[] {
    return this.received.slice(this.#taken);
  }

  /** Stops, or goes on, reading. */
  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  /** Says that nothing more will be sent; what comes is still received. */
  end(): void {
    this.#call.end();
  }

  /** Ends the stream and its connection. */
  close(): void {
    this.#call.cancel();
    this.#client.close();
  }

  #arrive(bytes: Buffer): void {
    const response = this.protocol === 'delta' ? readDelta(bytes) : readWorld(bytes);
    this.received.push(response);
    this.#nonces.set(response.typeUrl, response.nonce);
    if (this.autoAck) this.ack(response);
    for (const waiting of this.#waiting) {
      if (!waiting.wants(response)) continue;
      this.#taken = this.received.length;
      waiting.resolve(response);
    }
  }
}

/** A resource's message. */
export function messageOf<T extends XdsType>(type: T, any: Any): XdsMessage<T> {
  return decode(resourceTypes[type].message, any.value ?? Buffer.alloc(0)) as XdsMessage<T>;
}

function nameOf(any: Any): string {
  const row = Object.values(resourceTypes).find(({ typeUrl }) => typeUrl === any.type_url);
  if (!row) return '';
  const nameOfMessage: (message: never) => string = row.nameOf;
  return nameOfMessage(decode(row.message, any.value ?? Buffer.alloc(0)) as never);
}

function readDelta(bytes: Buffer): AdsResponse {
  const r = decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
  return {
    typeUrl: r.type_url ?? '',
    version: r.system_version_info ?? '',
    nonce: r.nonce ?? '',
    identifier: r.control_plane?.identifier ?? '',
    resources: (r.resources ?? []).map(({ name = '', version = '', resource = {} }) => ({
      name,
      version,
      any: resource,
    })),
    removed: r.removed_resources ?? [],
  };
}

function readWorld(bytes: Buffer): AdsResponse {
  const r = decode('envoy.service.discovery.v3.DiscoveryResponse', bytes);
  return {
    typeUrl: r.type_url ?? '',
    version: r.version_info ?? '',
    nonce: r.nonce ?? '',
    identifier: r.control_plane?.identifier ?? '',
    resources: (r.resources ?? []).map(any => ({ name: nameOf(any), version: '', any })),
    removed: [],
  };
}
