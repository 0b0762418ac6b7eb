import { readFileSync } from 'node:fs';
import { type ChannelCredentials, type ChannelOptions, Metadata, makeGenericClientConstructor } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';

const { istio, google } = JSON.parse(readFileSync(new URL('../../proto/bundle.json', import.meta.url), 'utf8')).nested;

/** Of the bundle what the service reaches: proto-loader writes out every message that it is given. */
const { 'istio.v1.auth.IstioCertificateService': service } = fromJSON({
  nested: { istio: { nested: { v1: istio.nested.v1 } }, google: { nested: { protobuf: google.nested.protobuf } } },
});

type Answered = (error: Error | null, response?: { readonly cert_chain?: readonly string[] }) => void;

const Service = makeGenericClientConstructor(service as Parameters<typeof makeGenericClientConstructor>[0], '');

/** Has CSRs signed, as pilot-agent does: by grpc-js's own client and codec. */
export class CertificateClient {
  readonly #client: InstanceType<typeof Service>;

  constructor(address: string, credentials: ChannelCredentials, options?: ChannelOptions) {
    this.#client = new Service(address, credentials, options);
  }

  /** Resolves with the chain, or rejects with the status. `request` is an IstioCertificateRequest. */
  sign(request: object, token?: string): Promise<readonly string[]> {
    const metadata = new Metadata();
    if (token) metadata.set('authorization', `Bearer ${token}`);
    return new Promise((resolve, reject) => {
      const answered: Answered = (error, response) => (error ? reject(error) : resolve(response?.cert_chain ?? []));
      this.#client['CreateCertificate']?.(request, metadata, answered);
    });
  }

  close(): void {
    this.#client.close();
  }
}
