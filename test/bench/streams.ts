import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import type { Node } from '../../src/proto/generated/envoy/config/core/v3.ts';
import { encode } from '../../src/proto/message.ts';
import { resourceTypes, type XdsType } from '../../src/xds/resource-types.ts';
import { framed, unframed } from '../support/grpc-frame.ts';

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
    }
  /** Report once every stream has received a response with this text in it. */
  | { readonly await: string }
  /** Stop reading, on so many streams. */
  | { readonly pause: number };

/** What the fleet tells. Times are milliseconds since the epoch. */
export type Report =
  | { readonly synced: number; readonly bytes: number }
  | { readonly seen: string; readonly lastAt: number; readonly messages: number; readonly bytes: number }
  | { readonly paused: number };

const order: readonly XdsType[] = ['cluster', 'endpoint', 'listener', 'route'];

const now = (): number => performance.timeOrigin + performance.now();

/** The Node message of the n-th proxy. */
export function proxyNode(index: number, classes: number, namespaces = 0): Node {
  const kind = `client-${index % classes}`;
  const namespace = namespaces ? `load-${(index % classes) % namespaces}` : 'load';
  const ip = `10.128.${Math.floor(index / 250)}.${1 + (index % 250)}`;
  const text = (string_value: string) => ({ string_value });
  return {
    id: `sidecar~${ip}~${kind}-${index}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: kind,
    metadata: {
      fields: {
        NAMESPACE: text(namespace),
        NAME: text(`${kind}-${index}`),
        LABELS: { struct_value: { fields: { app: text(kind) } } },
        ISTIO_VERSION: text('1.31.0'),
        CLUSTER_ID: text('Kubernetes'),
        INSTANCE_IPS: text(ip),
        INTERCEPTION_MODE: text('REDIRECT'),
      },
    },
  };
}

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
  readonly #names: Readonly<Partial<Record<XdsType, readonly string[]>>>;
  readonly #onMessage: (proxy: ProxyStream, message: Buffer) => void;
  readonly #asked = new Set<XdsType>();
  synced = false;
  seen = '';

  constructor(
    address: string,
    node: Node,
    names: Readonly<Partial<Record<XdsType, readonly string[]>>>,
    onMessage: (proxy: ProxyStream, message: Buffer) => void,
  ) {
    this.#names = names;
    this.#onMessage = onMessage;
    this.session = connect(`http://${address}`, { settings: { initialWindowSize: 4 << 20 } });
    this.session.on('connect', () => this.session.setLocalWindowSize(4 << 20));
    this.stream = this.session.request({
      ':method': 'POST',
      ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    this.stream.on(
      'data',
      unframed(message => this.#message(message)),
    );
    this.#ask('cluster', node);
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
    const next = order.find(type => !this.#asked.has(type));
    const answered = order.find(type => resourceTypes[type].typeUrl === typeUrl);
    if (next) this.#ask(next);
    else if (answered === 'route') this.synced = true;
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
    for (let i = 0; i < order.open; i++)
      proxies.push(
        new ProxyStream(order.address, proxyNode(i, order.classes, order.namespaces), order.names, onMessage),
      );
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
