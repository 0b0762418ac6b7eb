import pino from 'pino';
import { serve } from '../../src/cli/commands.ts';
import { readArguments } from '../../src/command.ts';
import type { RawObject } from '../../src/config/raw.ts';
import type { ConfigChange } from '../../src/config/store.ts';
import { type ControlPlane, startControlPlane } from '../../src/control-plane.ts';
import { struct } from '../../src/proto/wellknown.ts';
import { serveSettings } from '../../src/settings/settings.ts';
import { AdsClient } from './ads-client.ts';

/** A control plane in this process, without TLS: what it does can be counted and timed. */
export class LocalPlane {
  readonly plane: ControlPlane;
  readonly #emit: (change: ConfigChange) => void;
  readonly #clients: AdsClient[] = [];

  private constructor(plane: ControlPlane, emit: (change: ConfigChange) => void) {
    this.plane = plane;
    this.#emit = emit;
  }

  static async start(objects: readonly RawObject[]): Promise<LocalPlane> {
    const args = ['--config', '.', '--http-address', '127.0.0.1:0', '--xds-address', '127.0.0.1:0'];
    let emit: (change: ConfigChange) => void = () => {};
    const source = {
      name: 'made up',
      run(to: typeof emit) {
        emit = to;
        for (const object of objects) to({ op: 'upsert', object });
        return { synced: Promise.resolve() };
      },
    };
    const settings = serveSettings(readArguments(serve, args));
    const plane = await startControlPlane(settings, { sources: [source], log: pino({ level: 'fatal' }) });
    await plane.ready;
    return new LocalPlane(plane, change => emit(change));
  }

  get http(): string {
    return this.plane.http;
  }

  get xds(): string {
    return this.plane.xds;
  }

  change(object: RawObject): void {
    this.#emit({ op: 'upsert', object });
  }

  client(node: { readonly id: string; readonly metadata?: ReturnType<typeof struct> }): AdsClient {
    const client = new AdsClient(this.xds, 'delta', node);
    this.#clients.push(client);
    return client;
  }

  /** A proxy that has everything. */
  async connect(type: 'sidecar' | 'router', name: string): Promise<AdsClient> {
    const metadata = struct({
      NAMESPACE: 'load',
      ISTIO_VERSION: '1.31.0',
      CLUSTER_ID: 'Kubernetes',
      LABELS: { app: type === 'router' ? 'gateway' : 'web' },
    });
    const client = this.client({ id: `${type}~10.128.0.1~${name}.load~load.svc.cluster.local`, metadata });
    client.autoAck = true;
    client.subscribe('cluster');
    const { resources } = await client.next('cluster');
    client.subscribe(
      'endpoint',
      resources.flatMap(({ name }) => (name.startsWith('outbound') ? name : [])),
    );
    await client.next('endpoint');
    client.subscribe('listener');
    await client.next('listener');
    client.subscribe('route', [type === 'router' ? 'http.80' : '80']);
    await client.next('route');
    client.subscribe('nameTable');
    await client.next('nameTable');
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.plane.stop();
  }
}
