import { HEADER_PLACE } from '../proto/format.ts';
import type { Headers, Headers_HeaderOperations } from '../proto/generated/istio/networking/v1alpha3.ts';
import { formatFaultOfAll } from './format.ts';
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

/** Reports header operations that Envoy would refuse, and gives those that are left. */
export function checkHeaders(headers: Headers | undefined, path: string, report: Report): Headers | undefined {
  if (!headers) return headers;
  const request = checkOperations(headers.request, true, `${path}.request`, report);
  const response = checkOperations(headers.response, false, `${path}.response`, report);
  return request === headers.request && response === headers.response ? headers : { ...headers, request, response };
}

function checkOperations(
  operations: Headers_HeaderOperations | undefined,
  authority: boolean,
  path: string,
  report: Report,
): Headers_HeaderOperations | undefined {
  if (!operations) return operations;
  const values = (field: 'add' | 'set') => {
    const found = operations[field] ?? {};
    for (const [name, value] of Object.entries(found)) {
      const at = `${path}.${field}.${name}`;
      checkName(name, authority, at, report);
      const fault = headerValueFault(value);
      if (fault) report.error(at, fault);
    }
    const kept = report.without(found, `${path}.${field}`, Object.keys(found));
    return kept === found ? operations[field] : kept;
  };
  const [add, set] = [values('add'), values('set')];
  const remove = report.keep(operations.remove, `${path}.remove`, (name, at) => {
    checkName(name, false, at, report);
    return name;
  });
  const same = add === operations.add && set === operations.set && remove === operations.remove;
  return same ? operations : { ...operations, add, set, remove };
}

function checkName(name: string, authority: boolean, path: string, report: Report): void {
  if (authority && isAuthority(name)) return;
  if (name.startsWith(':') || name.toLowerCase() === 'host')
    report.error(path, `the header "${name}" cannot be changed`);
  else if (!isHeaderName(name)) report.error(path, `"${name}" is not a header's name`);
}

/** Whether a header is the authority: `:authority` or `host`. */
export const isAuthority = (name: string): boolean => /^(?::authority|host)$/i.test(name);

/** What Envoy would not take in a header's value: control characters, and a format that no Envoy knows (`%%` is a percent sign). */
function headerValueFault(value: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) return 'a header value has no control characters';
  return formatFaultOfAll(value, HEADER_PLACE);
}

/** Reports a text that is to stand in a header, such as a path or an authority, and cannot. */
export function checkHeaderText(text: string | undefined, path: string, report: Report): void {
  if (text !== undefined && /[\0\r\n]/.test(text)) report.error(path, 'it has a line break or a zero byte in it');
}
