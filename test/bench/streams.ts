import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import type { Node } from '../../src/proto/generated/envoy/config/core/v3.ts';
import { encode } from '../../src/proto/message.ts';
import { resourceTypes, type XdsType } from '../../src/xds/resource-types.ts';
import { framed, unframed } from '../support/grpc-frame.ts';
import { proxyNode, tokenOf } from './proxy-node.ts';

/** What the parent process tells the fleet to do. */
export type Order =
  | {
      readonly open: number;
      readonly address: string;
      /** How many different workloads the proxies are of. */
      readonly classes: number;
      /** How many namespaces those are in; 0: in that of the Services. */
      readonly namespaces: number;
      /** The names that proxies ask for of the types that have no wildcard. */
      readonly names: Readonly<Partial<Record<XdsType, readonly string[]>>>;
      /** Over TLS, with a token each; in plaintext without. */
      readonly secure?: Secure | undefined;
      /** Without Istio's agent, which ask for their certificates and for nothing else. */
      readonly agentless?: boolean | undefined;
    }
  /** Report once every stream has received a response with this text in it. */
  | { readonly await: string }
  /** Stop reading, on so many streams. */
  | { readonly pause: number };

/** How a server is believed: roots in PEM, and the name that it shows. */
export interface Secure {
  readonly root: string;
  readonly servername: string;
}

/** What the fleet tells. Times are milliseconds since the epoch. */
export type Report =
  | { readonly synced: number; readonly bytes: number }
  | { readonly seen: string; readonly lastAt: number; readonly messages: number; readonly bytes: number }
  | { readonly paused: number };

type Opening = Extract<Order, { readonly open: number }>;

const withAgent: readonly XdsType[] = ['cluster', 'endpoint', 'listener', 'route'];

const now = (): number => performance.timeOrigin + performance.now();

interface Head {
  typeUrl: string;
  nonce: string;
  names: string[];
}

/** The type and the nonce of a response and the names of its resources, whose content is skipped unread. */
function headOf(message: Buffer): Head {
  const head: Head = { typeUrl: '', nonce: '', names: [] };
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const size = varint();
    if (tag === (4 << 3) + 2) head.typeUrl = message.toString('latin1', at, at + size);
    if (tag === (5 << 3) + 2) head.nonce = message.toString('latin1', at, at + size);
    const end = at + size;
    if (tag === (2 << 3) + 2) {
      // Of a Resource the name comes last: https://github.com/envoyproxy/envoy/blob/v1.36.0/api/envoy/service/discovery/v3/discovery.proto
      while (at < end) {
        const field = varint();
        const length = varint();
        if (field === (3 << 3) + 2) head.names.push(message.toString('latin1', at, at + length));
        at += length;
      }
    }
    at = end;
  }
  return head;
}

/** One proxy: a delta stream on a connection of its own that subscribes, acknowledges, and looks for a text in what arrives. */
class ProxyStream {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  readonly #names: Opening['names'];
  readonly #order: readonly XdsType[];
  readonly #onMessage: (proxy: ProxyStream, message: Buffer) => void;
  readonly #asked = new Set<XdsType>();
  synced = false;
  seen = '';

  constructor(index: number, opening: Opening, onMessage: (proxy: ProxyStream, message: Buffer) => void) {
    const { address, classes, namespaces, names, secure, agentless = false } = opening;
    const node = proxyNode(index, classes, namespaces, !agentless);
    this.#names = names;
    this.#order = agentless ? ['secret'] : withAgent;
    this.#onMessage = onMessage;
    this.session = connect(`${secure ? 'https' : 'http'}://${address}`, {
      settings: { initialWindowSize: 4 << 20 },
      ...(secure && { ca: secure.root, servername: secure.servername }),
    });
    this.session.on('connect', () => this.session.setLocalWindowSize(4 << 20));
    this.stream = this.session.request({
      ':method': 'POST',
      ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(secure && { authorization: `Bearer ${tokenOf(node)}` }),
    });
    this.stream.on(
      'data',
      unframed(message => this.#message(message)),
    );
    this.stream.on('trailers', trailers => {
      // Nobody would ever hear of it who waits until all have everything.
      if (!this.synced)
        throw new Error(`a stream was ended: ${trailers['grpc-status']} ${String(trailers['grpc-message'])}`);
    });
    const [first] = this.#order;
    if (first) this.#ask(first, node);
  }

  #ask(type: XdsType, node?: Node): void {
    this.#asked.add(type);
    this.#send(resourceTypes[type].typeUrl, '', this.#names[type] ?? [], node);
  }

  #send(type_url: string, response_nonce: string, resource_names_subscribe: readonly string[], node?: Node): void {
    const message = encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
      type_url,
      response_nonce,
      resource_names_subscribe,
      node,
    });
    this.stream.write(framed(message));
  }

  #message(message: Buffer): void {
    const { typeUrl, nonce, names } = headOf(message);
    this.#send(typeUrl, nonce, []);
    // Envoy asks for the endpoints of a cluster that it had not.
    const added = this.synced && typeUrl === resourceTypes.cluster.typeUrl;
    if (added) this.#send(resourceTypes.endpoint.typeUrl, '', names);
    const next = this.#order.find(type => !this.#asked.has(type));
    const answered = this.#order.find(type => resourceTypes[type].typeUrl === typeUrl);
    if (next) this.#ask(next);
    else if (answered === this.#order.at(-1)) this.synced = true;
    this.#onMessage(this, message);
  }
}

const proxies: ProxyStream[] = [];
const tell = (report: Report): void => void process.send?.(report);
let awaited = '';
let missing = 0;
let messages = 0;
let bytes = 0;
let unsynced = 0;

function onMessage(proxy: ProxyStream, message: Buffer): void {
  messages++;
  bytes += message.length;
  if (unsynced > 0 && proxy.synced && proxy.seen === '') {
    proxy.seen = 'synced';
    if (--unsynced === 0) tell({ synced: proxies.length, bytes });
  }
  if (awaited === '' || proxy.seen === awaited || !message.includes(awaited)) return;
  proxy.seen = awaited;
  if (--missing > 0) return;
  tell({ seen: awaited, lastAt: now(), messages, bytes });
  awaited = '';
}

process.on('message', (order: Order) => {
  if ('open' in order) {
    unsynced += order.open;
    for (let i = 0; i < order.open; i++) proxies.push(new ProxyStream(i, order, onMessage));
  } else if ('await' in order) {
    awaited = order.await;
    missing = proxies.length;
    messages = bytes = 0;
  } else {
    for (const { stream } of proxies.slice(0, order.pause)) stream.pause();
    tell({ paused: order.pause });
  }
});
process.on('disconnect', () => process.exit(0));
