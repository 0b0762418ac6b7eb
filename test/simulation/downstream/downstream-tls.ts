import { typeName, unpackAs } from '../../../src/proto/any.ts';
import type { FilterChain } from '../../../src/proto/generated/envoy/config/listener/v3.ts';
import type {
  CertificateValidationContext,
  DownstreamTlsContext,
  TlsParameters,
} from '../../../src/proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import type { Call } from '../call.ts';
import { stringMatches, written } from '../match/match.ts';
import { tlsVersion } from '../message/tls-version.ts';

/** TLS as a filter chain ends it. Absent fields: Envoy's defaults, or nothing is asked for. */
export interface DownstreamTls {
  /** Names of the secrets with the certificates that are shown. */
  readonly certificates: readonly string[];
  /** Whether the client's certificate is `required`, or only `checked` where there is one. */
  readonly client?: 'required' | 'checked';
  /** Name of the secret with the authorities of clients' certificates. */
  readonly authorities?: string;
  /** Names of which the client's certificate must have one. */
  readonly subjectAltNames?: readonly string[];
  /** Hashes of which the client's certificate must have one, of itself or of its key. */
  readonly clientHashes?: readonly string[];
  /** The file with the certificates that were taken back. */
  readonly revoked?: string;
  /** The oldest and the newest version. */
  readonly minimum?: string;
  readonly maximum?: string;
  readonly ciphers?: readonly string[];
  readonly alpn?: readonly string[];
}

const TLS_CONTEXT = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';

function contextOf(chain: FilterChain): DownstreamTlsContext | undefined {
  const any = chain.transport_socket?.typed_config;
  return any && typeName(any.type_url ?? '') === TLS_CONTEXT ? unpackAs(TLS_CONTEXT, any) : undefined;
}

function validationOf(context: DownstreamTlsContext): CertificateValidationContext | undefined {
  const { combined_validation_context: combined, validation_context: own } = context.common_tls_context ?? {};
  return own ?? combined?.default_validation_context;
}

function parametersOf(parameters: TlsParameters | undefined): Pick<DownstreamTls, 'minimum' | 'maximum' | 'ciphers'> {
  const minimum = tlsVersion(parameters?.tls_minimum_protocol_version);
  const maximum = tlsVersion(parameters?.tls_maximum_protocol_version);
  const ciphers = parameters?.cipher_suites ?? [];
  return { ...(minimum && { minimum }), ...(maximum && { maximum }), ...(ciphers.length > 0 && { ciphers }) };
}

function clientOf(context: DownstreamTlsContext): Omit<DownstreamTls, 'certificates'> {
  const common = context.common_tls_context ?? {};
  const secret =
    common.combined_validation_context?.validation_context_sds_secret_config ??
    common.validation_context_sds_secret_config;
  const validation = validationOf(context);
  const required = context.require_client_certificate?.value ?? false;
  if (!required && !secret && !validation) return {};
  const names = (validation?.match_subject_alt_names ?? []).map(written);
  const hashes = [...(validation?.verify_certificate_hash ?? []), ...(validation?.verify_certificate_spki ?? [])];
  return {
    client: required ? 'required' : 'checked',
    ...(secret?.name && { authorities: secret.name }),
    ...(names.length > 0 && { subjectAltNames: names }),
    ...(hashes.length > 0 && { clientHashes: hashes }),
    ...(validation?.crl?.filename && { revoked: validation.crl.filename }),
  };
}

/** How a chain ends TLS; undefined where it does not. */
export function downstreamTls(chain: FilterChain): DownstreamTls | undefined {
  const context = contextOf(chain);
  if (!context) return undefined;
  const {
    tls_certificate_sds_secret_configs: secrets,
    alpn_protocols: alpn,
    tls_params,
  } = context.common_tls_context ?? {};
  return {
    certificates: (secrets ?? []).map(secret => secret.name ?? ''),
    ...clientOf(context),
    ...parametersOf(tls_params),
    ...(alpn?.length && { alpn }),
  };
}

/** Why the chain's transport socket would close the connection. */
export function handshake(chain: FilterChain, call: Call): string | undefined {
  const context = contextOf(chain);
  if (!context) return undefined;
  if (!call.tls) return 'plaintext on a TLS connection';
  const { principal } = call.tls;
  if (!principal) return context.require_client_certificate?.value ? 'no client certificate' : undefined;
  const names = validationOf(context)?.match_subject_alt_names ?? [];
  const known = names.length === 0 || names.some(name => stringMatches(name, principal));
  return known ? undefined : 'client certificate of another name';
}
