import type { MutualTlsMode } from '../../endpoints/peer-authentication.ts';
import { MTLS_ALPN, MTLS_HTTP_ALPN, MTLS_TCP_ALPN, PLAINTEXT_HTTP_ALPN } from '../chains/filter-chain.ts';

/** One inbound chain of a port: which connections it takes, as what, and whether it ends mutual TLS (istio: FilterChainMatchOptions). */
export interface InboundMatch {
  readonly as: 'http' | 'tcp';
  readonly transport: 'tls' | 'raw_buffer';
  readonly alpn: readonly string[];
  readonly endsTls: boolean;
}

const match = (
  as: InboundMatch['as'],
  transport: InboundMatch['transport'],
  endsTls: boolean,
  alpn: readonly string[] = [],
): InboundMatch => Object.freeze({ as, transport, endsTls, alpn });

type Matches = readonly InboundMatch[];

/** The chains of a port by what it speaks (`auto`: it is sniffed) and how it takes mutual TLS, as istiod orders them. */
export const INBOUND_MATCHES: Readonly<Record<'http' | 'tcp' | 'auto', Readonly<Record<MutualTlsMode, Matches>>>> = {
  http: {
    STRICT: [match('http', 'tls', true)],
    PERMISSIVE: [match('http', 'tls', true, MTLS_ALPN), match('http', 'raw_buffer', false)],
    DISABLE: [match('http', 'raw_buffer', false)],
  },
  auto: {
    STRICT: [match('http', 'tls', true, MTLS_HTTP_ALPN), match('tcp', 'tls', true)],
    PERMISSIVE: [
      match('http', 'tls', true, MTLS_HTTP_ALPN),
      match('http', 'raw_buffer', false, PLAINTEXT_HTTP_ALPN),
      match('tcp', 'tls', true, MTLS_TCP_ALPN),
      match('tcp', 'raw_buffer', false),
      match('tcp', 'tls', false),
    ],
    DISABLE: [match('http', 'raw_buffer', false, PLAINTEXT_HTTP_ALPN), match('tcp', 'raw_buffer', false)],
  },
  tcp: {
    STRICT: [match('tcp', 'tls', true)],
    PERMISSIVE: [match('tcp', 'tls', true, MTLS_ALPN), match('tcp', 'tls', false), match('tcp', 'raw_buffer', false)],
    DISABLE: [match('tcp', 'raw_buffer', false)],
  },
};
