import type { Server, ServerDuplexStream } from '@grpc/grpc-js';
import { typed } from '../../src/proto/any.ts';
import type { Secret } from '../../src/proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import { decode, encode } from '../../src/proto/message.ts';
import { type KeyPair, selfSigned } from '../support/certificate.ts';

/** Names by which Istio asks for what others are verified with; all others are of a proxy's own certificates. */
const isTrust = (name: string): boolean => /ROOTCA|cacert|^file-root:/.test(name);

const secret = (name: string, { certificate, key }: KeyPair): Secret =>
  isTrust(name)
    ? { name, validation_context: { trusted_ca: { inline_bytes: certificate } } }
    : {
        name,
        tls_certificate: { certificate_chain: { inline_bytes: certificate }, private_key: { inline_bytes: key } },
      };

const same = (bytes: Buffer): Buffer => bytes;

const method = (name: string) => ({
  path: `/envoy.service.secret.v3.SecretDiscoveryService/${name}`,
  requestStream: true,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});

/** Stands in for Istio's agent: answers every request for a secret, of whatever name, with the same certificate. */
export async function serveSecrets(server: Server): Promise<void> {
  const pair = await selfSigned('any.example.com');
  const secretType = 'envoy.extensions.transport_sockets.tls.v3.Secret';
  const type_url = `type.googleapis.com/${secretType}`;
  let nonces = 0;
  const nonce = (): string => String(++nonces);
  const wrapped = (name: string) => typed(secretType, secret(name, pair));
  server.addService(
    { StreamSecrets: method('StreamSecrets'), DeltaSecrets: method('DeltaSecrets') },
    {
      StreamSecrets(call: ServerDuplexStream<Buffer, Buffer>) {
        call.on('data', (bytes: Buffer) => {
          const { resource_names = [], response_nonce } = decode('envoy.service.discovery.v3.DiscoveryRequest', bytes);
          if (response_nonce) return;
          const response = { type_url, version_info: '1', nonce: nonce(), resources: resource_names.map(wrapped) };
          call.write(encode('envoy.service.discovery.v3.DiscoveryResponse', response));
        });
        call.on('error', () => {});
      },
      DeltaSecrets(call: ServerDuplexStream<Buffer, Buffer>) {
        call.on('data', (bytes: Buffer) => {
          const { resource_names_subscribe: names = [] } = decode(
            'envoy.service.discovery.v3.DeltaDiscoveryRequest',
            bytes,
          );
          if (names.length === 0) return;
          const resources = names.map(name => ({ name, version: '1', resource: wrapped(name) }));
          const response = { type_url, system_version_info: '1', nonce: nonce(), resources };
          call.write(encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', response));
        });
        call.on('error', () => {});
      },
    },
  );
}
