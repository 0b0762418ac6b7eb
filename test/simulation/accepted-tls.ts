import { typeName, unpackAs } from '../../src/proto/any.ts';
import type { FilterChain } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import {
  type DownstreamTlsContext,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '../../src/proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import type { StringMatcher } from '../../src/proto/generated/envoy/type/matcher/v3.ts';
import { enumName } from './enum-name.ts';
import { stringMatches } from './match.ts';

/** The TLS that a chain takes from clients. */
export interface AcceptedTls {
  readonly minVersion?: string;
  readonly ciphers?: readonly string[];
  /** Beginnings and names of the certificates that are let in; any that is trusted where absent. */
  readonly subjects?: readonly string[];
}

const TLS = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';

const subjectsOf = ({ common_tls_context: common }: DownstreamTlsContext): readonly StringMatcher[] =>
  common?.combined_validation_context?.default_validation_context?.match_subject_alt_names ?? [];

/** Whether a certificate with that name is let in: any is where no names are asked for. */
export function letsIn(context: DownstreamTlsContext, principal: string): boolean {
  const subjects = subjectsOf(context);
  return subjects.length === 0 || subjects.some(subject => stringMatches(subject, principal));
}

/** The TLS of a chain; undefined where it terminates none. */
export function acceptedTlsOf({ transport_socket }: FilterChain): AcceptedTls | undefined {
  const any = transport_socket?.typed_config;
  if (!any || typeName(any.type_url ?? '') !== TLS) return undefined;
  const context = unpackAs(TLS, any);
  const { tls_minimum_protocol_version: oldest, cipher_suites: ciphers } = context.common_tls_context?.tls_params ?? {};
  const subjects = subjectsOf(context).map(subject => subject.exact ?? subject.prefix ?? '');
  return {
    ...(oldest !== undefined && { minVersion: enumName(TlsProtocol, oldest) }),
    ...(ciphers && { ciphers }),
    ...(subjects.length > 0 && { subjects }),
  };
}
