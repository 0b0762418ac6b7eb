import { type FormatPlace, formatFault, formatsOf, HEADER_PLACE } from './format.ts';
import type * as core from './generated/envoy/config/core/v3.ts';
import type * as route from './generated/envoy/config/route/v3.ts';
import type { FileAccessLog } from './generated/envoy/extensions/access_loggers/file/v3.ts';
import type { OpenTelemetryAccessLogConfig } from './generated/envoy/extensions/access_loggers/open_telemetry/v3.ts';
import type { AuthorizationRequest } from './generated/envoy/extensions/filters/http/ext_authz/v3.ts';
import type { HttpConnectionManager_Tracing } from './generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { TcpProxy_TunnelingConfig } from './generated/envoy/extensions/filters/network/tcp_proxy/v3.ts';
import type { CustomTag } from './generated/envoy/type/tracing/v3.ts';
import type { AnyValue } from './generated/opentelemetry/proto/common/v1.ts';
import type { Report, Step } from './report.ts';
import { typeName } from './type-url.ts';

/** Reports a format that Envoy refuses. */
function checkFormat(text: string | undefined, path: readonly Step[], report: Report, place?: FormatPlace): void {
  const fault = text?.includes('%') && formatFault(text, place);
  if (fault) report(path, fault.message, fault.since);
}

/** Commands by the formatter extensions that bring them; what others bring is not known. */
const extensions: Readonly<Record<string, readonly string[]>> = {
  'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery': ['REQ_WITHOUT_QUERY'],
  'envoy.extensions.formatter.metadata.v3.Metadata': [],
  'envoy.extensions.formatter.cel.v3.Cel': ['TYPED_CEL'],
};

function placeOf(formatters: readonly core.TypedExtensionConfig[] = []): FormatPlace {
  const names = formatters.map(({ typed_config }) => typeName(typed_config?.type_url ?? ''));
  const found = names.map(name => (Object.hasOwn(extensions, name) ? extensions[name] : undefined));
  return { extensions: new Set(found.flatMap(commands => commands ?? [])), open: found.includes(undefined) };
}

/** The value of a header that is set or added. */
export function checkHeaderOption({ header, append, append_action }: core.HeaderValueOption, report: Report): void {
  checkFormat(header?.value, ['header', 'value'], report, HEADER_PLACE);
  if (append && append_action) report(['append_action'], 'must not be set beside append');
}

/** The text or structure of a format. */
export function checkSubstitution(format: core.SubstitutionFormatString, report: Report): void {
  const place = placeOf(format.formatters);
  checkFormat(format.text_format, ['text_format'], report, place);
  checkFormat(format.text_format_source?.inline_string, ['text_format_source', 'inline_string'], report, place);
  if (format.json_format)
    for (const [, text] of formatsOf(format.json_format)) checkFormat(text, ['json_format'], report, place);
}

/** The old fields of a file's access log. */
export const checkFileLog = ({ format }: FileAccessLog, report: Report): void =>
  checkFormat(format, ['format'], report);

function* texts(value: AnyValue | undefined): Iterable<string> {
  if (value?.string_value !== undefined) yield value.string_value;
  for (const item of value?.array_value?.values ?? []) yield* texts(item);
  for (const item of value?.kvlist_value?.values ?? []) yield* texts(item.value);
}

/** The body and attributes of an OpenTelemetry access log. */
export function checkOpenTelemetryLog(log: OpenTelemetryAccessLogConfig, report: Report): void {
  const place = placeOf(log.formatters);
  for (const text of texts(log.body)) checkFormat(text, ['body'], report, place);
  for (const { value } of log.attributes?.values ?? [])
    for (const text of texts(value)) checkFormat(text, ['attributes'], report, place);
}

const checkHeaders = (headers: readonly core.HeaderValue[] | undefined, field: string, report: Report): void => {
  for (const [i, { value }] of (headers ?? []).entries()) checkFormat(value, [field, i, 'value'], report, HEADER_PLACE);
};

/** Headers that go with calls of a gRPC service. */
export const checkGrpcService = ({ initial_metadata }: core.GrpcService, report: Report): void =>
  checkHeaders(initial_metadata, 'initial_metadata', report);

/** Headers that go with the question to an external authorizer. */
export const checkAuthorizationRequest = ({ headers_to_add }: AuthorizationRequest, report: Report): void =>
  checkHeaders(headers_to_add, 'headers_to_add', report);

/** The host that a tunnel asks for. */
export const checkTunnel = ({ hostname }: TcpProxy_TunnelingConfig, report: Report): void =>
  checkFormat(hostname, ['hostname'], report);

/** The value of a tag of traces. */
export const checkCustomTag = ({ value }: CustomTag, report: Report): void => checkFormat(value, ['value'], report);

/** The names of traces. */
export function checkTracing({ operation, upstream_operation }: HttpConnectionManager_Tracing, report: Report): void {
  checkFormat(operation, ['operation'], report);
  checkFormat(upstream_operation, ['upstream_operation'], report);
}

/** Rewrites of the host and path that are formats. */
export function checkRewrites({ host_rewrite, path_rewrite }: route.RouteAction, report: Report): void {
  checkFormat(host_rewrite, ['host_rewrite'], report);
  checkFormat(path_rewrite, ['path_rewrite'], report);
}

/** Envoy 1.40 crashes of a descriptor that is no format. */
export const checkAddressMatch = (
  { descriptor_value }: route.RateLimit_Action_RemoteAddressMatch,
  report: Report,
): void => checkFormat(descriptor_value, ['descriptor_value'], report);
