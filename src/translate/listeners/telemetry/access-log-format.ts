import type { MeshSettings } from '../../../istio/settings.ts';
import { memo } from '../../../memo.ts';
import { extension } from '../../../proto/any.ts';
import type { AccessLog } from '../../../proto/generated/envoy/config/accesslog/v3.ts';
import type { SubstitutionFormatString, TypedExtensionConfig } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { Struct } from '../../../proto/generated/google/protobuf.ts';
import { MeshConfig_AccessLogEncoding } from '../../../proto/generated/istio/mesh/v1alpha1.ts';
import { struct } from '../../../proto/wellknown.ts';
import { isObject, type Json } from '../../../unknown.ts';

/** Istio's default line, known to every dashboard that reads these logs (istio: EnvoyTextLogFormat). */
export const TEXT_LOG_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

/** The same as JSON (istio: EnvoyJSONLogFormatIstio). */
const JSON_LOG_FORMAT: Struct = struct({
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
});

const REQ_WITHOUT_QUERY = '%REQ_WITHOUT_QUERY';

const REQ_WITHOUT_QUERY_FORMATTER: TypedExtensionConfig = extension(
  'envoy.formatter.req_without_query',
  'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery',
  {},
);

/** The formatter extensions that a text and the top-level strings of a structure need. */
export function formatters(text: string, labels: Struct | undefined): readonly TypedExtensionConfig[] | undefined {
  const strings = Object.values(labels?.fields ?? {}).map(v => v.string_value ?? '');
  return [text, ...strings].some(s => s.includes(REQ_WITHOUT_QUERY)) ? [REQ_WITHOUT_QUERY_FORMATTER] : undefined;
}

/** A text format; Istio ends every line with a newline. Empty: the default. */
export function textFormat(format: string, omitEmpty = false): SubstitutionFormatString {
  const line = format === '' ? TEXT_LOG_FORMAT : format.endsWith('\n') ? format : `${format}\n`;
  return {
    text_format_source: { inline_string: line },
    omit_empty_values: omitEmpty,
    formatters: formatters(line, undefined),
  };
}

/** A JSON format from text; the default where it is empty or no JSON object, as istiod does. */
function jsonFormat(format: string): SubstitutionFormatString {
  return structFormat(parsed(format), false);
}

function parsed(format: string): Struct | undefined {
  if (format === '') return undefined;
  try {
    const value = JSON.parse(format) as Json;
    return isObject(value) ? struct(value) : undefined;
  } catch {
    return undefined;
  }
}

/** A JSON format from a structure; the default where it has no fields. */
export function structFormat(labels: Struct | undefined, omitEmpty: boolean): SubstitutionFormatString {
  const fields = labels && Object.keys(labels.fields ?? {}).length > 0 ? labels : JSON_LOG_FORMAT;
  return {
    json_format: fields,
    json_format_options: { sort_properties: false },
    omit_empty_values: omitEmpty,
    formatters: formatters('', fields),
  };
}

/** An access log that writes to a file. */
export const fileAccessLog = (path: string, format: SubstitutionFormatString): AccessLog =>
  extension('envoy.access_loggers.file', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
    path,
    log_format: format,
  });

/** The access log of MeshConfig.accessLogFile, in the mesh's encoding and format. */
export const meshFileAccessLog = memo((mesh: MeshSettings, path: string): AccessLog => {
  const { accessLogEncoding, accessLogFormat = '' } = mesh.config;
  return accessLogEncoding === MeshConfig_AccessLogEncoding.JSON
    ? fileAccessLog(path, jsonFormat(accessLogFormat))
    : fileAccessLog(path, textFormat(accessLogFormat));
});
