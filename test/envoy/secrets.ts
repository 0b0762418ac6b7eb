import type { Call } from '../../src/grpc/call.ts';
import { status } from '../../src/grpc/status.ts';
import { typed } from '../../src/proto/any.ts';
import type { Secret } from '../../src/proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import { decode, encode } from '../../src/proto/message.ts';
import { type KeyPair, selfSigned } from '../support/certificate.ts';
import { framed } from '../support/grpc-frame.ts';

/** Names by which Istio asks for what others are verified with; all others are of a proxy's own certificates. */
const isTrust = (name: string): boolean => /ROOTCA|cacert|^file-root:/.test(name);

const secret = (name: string, { certificate, key }: KeyPair): Secret =>
  isTrust(name)
    ? { name, validation_context: { trusted_ca: { inline_bytes: certificate } } }
    : {
        name,
        tls_certificate: { certificate_chain: { inline_bytes: certificate }, private_key: { inline_bytes: key } },
      };

const service = '/envoy.service.secret.v3.SecretDiscoveryService';

/** Answers each request on a call with the response that `answer` makes of it, if any. */
const answering =
  (answer: (request: Buffer) => Buffer | undefined) =>
  (call: Call): void => {
    call.admit();
    call.listen({
      message(request) {
        const response = answer(request);
        if (response) call.write([framed(response)], () => {});
      },
      end: () => call.end(status.OK, ''),
      close: () => {},
    });
  };

/** Stands in for Istio's agent: answers every request for a secret, of whatever name, with the same certificate. */
export async function secretMethods(): Promise<Readonly<Record<string, (call: Call) => void>>> {
  const pair = await selfSigned('any.example.com');
  const secretType = 'envoy.extensions.transport_sockets.tls.v3.Secret';
  const type_url = `type.googleapis.com/${secretType}`;
  let nonces = 0;
  const nonce = (): string => String(++nonces);
  const wrapped = (name: string) => typed(secretType, secret(name, pair));
  return {
    [`${service}/StreamSecrets`]: answering(bytes => {
      const { resource_names = [], response_nonce } = decode('envoy.service.discovery.v3.DiscoveryRequest', bytes);
      if (response_nonce) return undefined;
      const response = { type_url, version_info: '1', nonce: nonce(), resources: resource_names.map(wrapped) };
      return encode('envoy.service.discovery.v3.DiscoveryResponse', response);
    }),
    [`${service}/DeltaSecrets`]: answering(bytes => {
      const request = decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', bytes);
      const { resource_names_subscribe: names = [] } = request;
      if (names.length === 0) return undefined;
      const resources = names.map(name => ({ name, version: '1', resource: wrapped(name) }));
      const response = { type_url, system_version_info: '1', nonce: nonce(), resources };
      return encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', response);
    }),
  };
}
