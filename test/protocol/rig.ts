import assert from 'node:assert/strict';
import { after } from 'node:test';
import type { Peer } from '../../src/grpc/peer.ts';
import { AdsServer, type AdsServerOptions } from '../../src/xds/ads-server.ts';
import type { Connection } from '../../src/xds/connection.ts';
import type { Protocol } from '../../src/xds/frame.ts';
import type { Acked, Admission, AdsHandler, OtherRequest } from '../../src/xds/handler.ts';
import type { Snapshot } from '../../src/xds/resource-set.ts';
import type { XdsType } from '../../src/xds/resource-types.ts';
import type { Rejection } from '../../src/xds/subscription.ts';
import { AdsClient } from '../support/ads-client.ts';
import { servePort } from '../support/grpc-port.ts';
import { HANGING_MS } from '../support/until.ts';
import { madeSnapshot, type World } from './made-up.ts';

/** A proxy as this server knows it. */
export type Client = { readonly id: string };

/** A server with one made-up world for everybody, and a record of what it was told. */
export class Rig implements AdsHandler<Client> {
  readonly server: AdsServer<Client>;
  readonly nacks: { readonly id: string; readonly type: XdsType; readonly rejection: Rejection }[] = [];
  readonly acks: Acked[] = [];
  readonly sends: { readonly id: string; readonly type: XdsType; readonly bytes: Buffer }[] = [];
  readonly others: OtherRequest[] = [];
  readonly peers: Peer[] = [];
  readonly errors: unknown[] = [];
  admission: (id: string) => Admission<Client> | Promise<Admission<Client>> = id => ({ ok: true, client: { id } });
  answerOther: AdsHandler<Client>['onOther'] = () => undefined;
  open = 0;
  address = '';
  stop: (graceMs: number) => Promise<void> = async () => {};
  #snapshot: Snapshot;

  constructor(world: World, options: AdsServerOptions = {}) {
    this.#snapshot = madeSnapshot(world);
    this.server = new AdsServer(this, { identifier: 'made-up', grace: HANGING_MS, ...options });
  }

  async start(): Promise<this> {
    const served = await servePort(this.server.methods);
    this.address = served.address;
    this.stop = async graceMs => {
      await served.stop(graceMs);
      this.server.close();
    };
    after(() => this.stop(0));
    return this;
  }

  world(world: World, kind = 'test'): void {
    this.replace(madeSnapshot(world, this.#snapshot), kind);
  }

  replace(snapshot: Snapshot, kind = 'test'): void {
    this.#snapshot = snapshot;
    this.server.push([{ kind, at: Date.now() }]);
  }

  client(protocol: Protocol, id = 'proxy', options: ConstructorParameters<typeof AdsClient>[3] = {}): AdsClient {
    const client = new AdsClient(this.address, protocol, { id }, options);
    after(() => client.close());
    return client;
  }

  connection(id = 'proxy'): Connection<Client> {
    const found = [...this.server.connections].find(c => c.client.id === id);
    assert.ok(found);
    return found;
  }

  connect(node: { readonly id?: string | undefined }, peer: Peer): Admission<Client> | Promise<Admission<Client>> {
    this.peers.push(peer);
    return this.admission(node.id ?? '');
  }
  snapshot(): Snapshot {
    return this.#snapshot;
  }
  onOpen(): void {
    this.open++;
  }
  onClose(): void {
    this.open--;
  }
  onSend(
    c: Connection<Client>,
    { type, frame }: { readonly type: XdsType; readonly frame: { readonly buffers: readonly Buffer[] } },
  ): void {
    const [first, ...others] = frame.buffers;
    const bytes = first && !others.length ? first : Buffer.concat(frame.buffers);
    this.sends.push({ id: c.client.id, type, bytes });
  }
  onAck(_: Connection<Client>, acked: Acked): void {
    this.acks.push(acked);
  }
  onNack(c: Connection<Client>, type: XdsType, rejection: Rejection): void {
    this.nacks.push({ id: c.client.id, type, rejection });
  }
  onOther(c: Connection<Client>, request: OtherRequest) {
    this.others.push(request);
    return this.answerOther?.(c, request);
  }
  onError(error: unknown): void {
    this.errors.push(error);
  }
}
