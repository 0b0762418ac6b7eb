import { byKey } from '../../istio/object.ts';
import type { HeaderValueOption } from '../../proto/generated/envoy/config/core/v3.ts';
import { HeaderValueOption_HeaderAppendAction } from '../../proto/generated/envoy/config/core/v3.ts';
import type { Headers } from '../../proto/generated/istio/networking/v1alpha3.ts';

/** Header operations of a route or of one weighted cluster, as both of Envoy's messages have them. */
export interface HeaderOperations {
  readonly request_headers_to_add?: readonly HeaderValueOption[];
  readonly response_headers_to_add?: readonly HeaderValueOption[];
  readonly request_headers_to_remove?: readonly string[];
  readonly response_headers_to_remove?: readonly string[];
}

const isAuthority = (name: string): boolean => /^(:authority|host)$/i.test(name);

/** Envoy refuses to change pseudo headers and Host by these operations; the authority is rewritten instead. */
const isInternal = (name: string): boolean => name.startsWith(':') || name.toLowerCase() === 'host';

function options(
  headers: Readonly<Record<string, string>> | undefined,
  action: HeaderValueOption_HeaderAppendAction,
): HeaderValueOption[] {
  return Object.entries(headers ?? {})
    .filter(([name]) => !isInternal(name))
    .sort(byKey)
    .map(([key, value]) => ({ header: { key, value }, append_action: action }));
}

function operationsOn(operations: Headers['request']): { add: HeaderValueOption[]; remove: string[] } {
  return {
    add: [
      ...options(operations?.set, HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD),
      ...options(operations?.add, HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD),
    ],
    remove: (operations?.remove ?? []).filter(name => !isInternal(name)),
  };
}

/** Istio's header operations: what is set before what is added, each by name (istio: route.TranslateHeadersOperations). */
export function headerOperations(...all: readonly (Headers | undefined)[]): HeaderOperations {
  const request = all.map(headers => operationsOn(headers?.request));
  const response = all.map(headers => operationsOn(headers?.response));
  const some = <T>(items: readonly T[]): readonly T[] | undefined => (items.length ? items : undefined);
  const result = {
    request_headers_to_add: some(request.flatMap(o => o.add)),
    response_headers_to_add: some(response.flatMap(o => o.add)),
    request_headers_to_remove: some(request.flatMap(o => o.remove)),
    response_headers_to_remove: some(response.flatMap(o => o.remove)),
  };
  return Object.fromEntries(Object.entries(result).filter(([, list]) => list !== undefined));
}

/** The authority that the operations put in place of the request's; `set` wins over `add`. Empty: none. */
export function authorityOf(headers: Headers | undefined): string {
  const find = (from: Readonly<Record<string, string>> | undefined): string =>
    Object.entries(from ?? {}).find(([name]) => isAuthority(name))?.[1] ?? '';
  return find(headers?.request?.set) || find(headers?.request?.add);
}
