import type {
  HTTPDirectResponse,
  HTTPMatchRequest,
  HTTPRedirect,
  HTTPRewrite,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkHeaderText } from '../header.ts';
import { checkPort } from '../port.ts';
import { checkRegex } from '../regex.ts';
import type { Report } from '../report.ts';

const redirectCodes: readonly number[] = [301, 302, 303, 307, 308];

/** Reports a redirect that leads nowhere. */
export function checkRedirect(
  redirect: HTTPRedirect | undefined,
  matches: readonly HTTPMatchRequest[] | undefined,
  path: string,
  report: Report,
): void {
  if (!redirect) return;
  const { uri, prefixRewrite, authority, scheme, redirectCode: code, port, derivePort } = redirect;
  if (uri && prefixRewrite) report.error(`${path}.prefixRewrite`, 'only one of uri and prefixRewrite may be set');
  if (!uri && !prefixRewrite && !authority && !scheme && port === undefined && derivePort === undefined) {
    report.error(path, 'one of uri, prefixRewrite, authority, scheme and port is needed');
  }
  if (prefixRewrite && matches?.some(match => match.uri && match.uri.prefix === undefined)) {
    report.error(`${path}.prefixRewrite`, 'it needs every match to be by a prefix of the uri');
  }
  for (const field of ['uri', 'prefixRewrite', 'authority'] as const) {
    checkHeaderText(redirect[field], `${path}.${field}`, report);
  }
  if (code && !redirectCodes.includes(code))
    report.error(
      `${path}.redirectCode`,
      `${code} is none of the codes that Envoy redirects with: ${redirectCodes.join(', ')}`,
    );
  if (scheme && scheme !== 'http' && scheme !== 'https') report.error(`${path}.scheme`, 'it must be http or https');
  if (port) checkPort(port, `${path}.port`, report);
}

/** Envoy itself takes bodies of this size; more is a slip. */
const maxBody = 1024 * 1024;

/** Reports a direct response that Envoy refuses. */
export function checkDirectResponse(response: HTTPDirectResponse | undefined, path: string, report: Report): void {
  if (!response) return;
  checkStatus(response.status, `${path}.status`, report);
  const size = response.body?.string?.length ?? response.body?.bytes?.length ?? 0;
  if (size > maxBody) report.error(`${path}.body`, `${size} bytes; at most ${maxBody} are taken`);
}

/** Reports what is not the status of a final response. */
export function checkStatus(status: number | undefined, path: string, report: Report): void {
  if (status === undefined || status < 200 || status > 599) {
    report.error(path, `${status ?? 'nothing'} is not an HTTP status (200 to 599)`);
  }
}

/** Reports a rewrite that says nothing, or two things. */
export function checkRewrite(rewrite: HTTPRewrite | undefined, path: string, report: Report): void {
  if (!rewrite) return;
  const { uri, uriRegexRewrite: regex, authority } = rewrite;
  if (uri && regex) report.error(`${path}.uriRegexRewrite`, 'only one of uri and uriRegexRewrite may be set');
  if (!uri && !regex && !authority) report.warning(path, 'without uri, uriRegexRewrite and authority it has no effect');
  checkHeaderText(uri, `${path}.uri`, report);
  checkHeaderText(authority, `${path}.authority`, report);
  if (!regex) return;
  if (!regex.rewrite) report.error(`${path}.uriRegexRewrite.rewrite`, 'a replacement is needed');
  checkRegex(regex.match ?? '', `${path}.uriRegexRewrite.match`, report);
  checkReplacement(regex.rewrite ?? '', regex.match ?? '', `${path}.uriRegexRewrite.rewrite`, report);
}

/** Envoy refuses a replacement that refers to a group that the expression does not have. */
function checkReplacement(replacement: string, regex: string, path: string, report: Report): void {
  const groups = regex.replace(/\\.|\[(?:\\.|[^\]])*\]|\(\?(?!P?<)/gs, '').split('(').length - 1;
  for (const [reference, digit] of replacement.matchAll(/\\(.?)/gs)) {
    if (digit === '\\') continue;
    if (!/^\d$/.test(digit ?? '')) report.error(path, `"${reference}": only \\0 to \\9 and \\\\ are known`);
    else if (Number(digit) > groups) report.error(path, `"${reference}": the expression has ${groups} groups`);
  }
}
