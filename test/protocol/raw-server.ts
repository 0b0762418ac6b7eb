import { after } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { rawAdsService } from '../../src/xds/ads-server.ts';
import type { RawCall } from '../../src/xds/frame-writer.ts';
import { AdsClient } from '../support/ads-client.ts';

/** A server whose method does what the test says, without anything of ours between; its first client has asked for `anything`. */
export async function serve(
  method: (call: RawCall) => void,
  channel: Readonly<Record<string, string | number>> = {},
): Promise<AdsClient> {
  const server = new Server();
  server.addService(rawAdsService, { StreamAggregatedResources: method, DeltaAggregatedResources: method });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new AdsClient(`127.0.0.1:${port}`, 'delta', { id: 'x' }, { channel });
  after(() => {
    client.close();
    server.forceShutdown();
  });
  client.subscribe('anything');
  return client;
}
