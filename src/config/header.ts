import type { Headers, Headers_HeaderOperations } from '../proto/generated/istio/networking/v1alpha3.ts';
import type { Report } from './report.ts';

const token = /^[!#$%&'*+\-.^_`|~A-Za-z0-9]+$/;
const pseudo = new Set([':method', ':scheme', ':authority', ':path', ':status']);

/** Whether a header stands for a JWT claim: `@request.auth.claims.iss`, `@request.auth.claims[iss]`. */
export const isClaim = (name: string): boolean => /^@request\.auth\.claims(?:\..+|\[.+\])$/is.test(name);

/** Whether a text is the name of a header (RFC 7230). */
export const isHeaderName = (name: string): boolean => token.test(name);

/** Reports a name that no request's header can have; claims and pseudo-headers are names here. */
export function checkHeaderMatch(name: string, path: string, report: Report): void {
  if (!isClaim(name) && !pseudo.has(name) && !isHeaderName(name))
    report.error(path, `"${name}" is not a header's name`);
}

/** Reports header operations that Envoy would refuse. */
export function checkHeaders(headers: Headers | undefined, path: string, report: Report): void {
  checkOperations(headers?.request, true, `${path}.request`, report);
  checkOperations(headers?.response, false, `${path}.response`, report);
}

function checkOperations(
  operations: Headers_HeaderOperations | undefined,
  authority: boolean,
  path: string,
  report: Report,
): void {
  for (const field of ['add', 'set'] as const) {
    for (const [name, value] of Object.entries(operations?.[field] ?? {})) {
      checkName(name, authority, `${path}.${field}`, report);
      const fault = headerValueFault(value);
      if (fault) report.error(`${path}.${field}.${name}`, fault);
    }
  }
  for (const [i, name] of (operations?.remove ?? []).entries()) checkName(name, false, `${path}.remove[${i}]`, report);
}

function checkName(name: string, authority: boolean, path: string, report: Report): void {
  if (authority && isAuthority(name)) return;
  if (name.startsWith(':') || name.toLowerCase() === 'host')
    report.error(path, `the header "${name}" cannot be changed`);
  else if (!isHeaderName(name)) report.error(path, `"${name}" is not a header's name`);
}

/** Whether a header is the authority: `:authority` or `host`. */
export const isAuthority = (name: string): boolean => /^(?::authority|host)$/i.test(name);

/** What Envoy would not take in a header's value: control characters and `%` that begin no complete expression (`%%` is a percent sign). */
export function headerValueFault(value: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) return 'a header value has no control characters';
  const rest = value.replaceAll('%%', '').replace(expression, '');
  return rest.includes('%') ? 'a % that is neither %% nor part of a complete %EXPRESSION%' : undefined;
}

/** Reports a text that is to stand in a header, such as a path or an authority, and cannot. */
export function checkHeaderText(text: string | undefined, path: string, report: Report): void {
  if (text !== undefined && /[\0\r\n]/.test(text)) report.error(path, 'it has a line break or a zero byte in it');
}

/** `%VAR%`, `%VAR(text)%`, `%VAR(["a", "b"])%`. */
const expression = /%[^%()]*(?:\((?:\\.|[^\\)])*\)[^%]*)?%/g;
