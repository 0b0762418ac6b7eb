import { TlsParameters_TlsProtocol as TlsProtocol } from '../../../src/proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import { enumName } from './enum-name.ts';

/** Envoy's name of a version of TLS; undefined where Envoy chooses. */
export const tlsVersion = (version: number = TlsProtocol.TLS_AUTO): string | undefined =>
  version === TlsProtocol.TLS_AUTO ? undefined : enumName(TlsProtocol, version);
