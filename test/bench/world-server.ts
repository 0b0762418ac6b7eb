import { status } from '@grpc/grpc-js';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { parseNode } from '../../src/model/proxy/node.ts';
import type { Proxy } from '../../src/model/proxy/proxy.ts';
import type { ServerTls } from '../../src/tls.ts';
import { World } from '../../src/world.ts';
import { AdsServer } from '../../src/xds/ads-server.ts';
import { type ServedPort, servePort } from '../support/grpc-port.ts';
import { proxyNode } from './proxy-node.ts';

const options = { domain: 'cluster.local', rootNamespace: 'istio-system', clusterId: 'Kubernetes' };

/** The n-th proxy, as the control plane sees it. */
export function proxyOf(index: number, classes = 1, namespaces = 0): Proxy {
  const parsed = parseNode(proxyNode(index, classes, namespaces));
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.proxy;
}

/** Store, world and ADS server of a control plane in this process, where they can be counted and timed. */
export class WorldServer {
  readonly store: ConfigStore;
  readonly ads: AdsServer<Proxy>;
  world: World;
  #served: ServedPort | undefined;

  /** `onSend` is called with every response that was handed to a socket. */
  constructor(store: ConfigStore, onSend: (proxy: Proxy) => void = () => {}) {
    this.store = store;
    this.world = new World(store.contents(), options);
    this.ads = new AdsServer<Proxy>({
      connect: node => {
        const parsed = parseNode(node);
        if (parsed.ok) return { ok: true, client: parsed.proxy };
        return { ok: false, code: status.INVALID_ARGUMENT, message: parsed.message };
      },
      snapshot: proxy => this.world.of(proxy).snapshot,
      onSend: ({ client }) => onSend(client),
    });
  }

  /** Resolves with the address; in plaintext unless told. */
  async listen(tls?: ServerTls): Promise<string> {
    this.#served = await servePort(this.ads.methods, { tls });
    return this.#served.address;
  }

  async stop(): Promise<void> {
    await this.#served?.stop();
    this.ads.close();
  }

  /** Takes objects in, in one change. */
  change(...objects: readonly RawObject[]): void {
    for (const object of objects) this.store.apply({ op: 'upsert', object });
    this.world = new World(this.store.contents(), options, this.world);
    this.ads.push();
  }
}

/** A store that holds these objects. */
export function storeOf(objects: readonly RawObject[]): ConfigStore {
  const store = new ConfigStore();
  for (const object of objects) store.apply({ op: 'upsert', object });
  return store;
}
