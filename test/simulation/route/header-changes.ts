import type { HeaderValueOption } from '../../../src/proto/generated/envoy/config/core/v3.ts';

/** Headers set, appended to and removed by the proxy. */
export interface HeaderChanges {
  readonly set: Readonly<Record<string, string>>;
  readonly removed: readonly string[];
}

interface HeaderSource {
  readonly request_headers_to_add?: readonly HeaderValueOption[] | undefined;
  readonly request_headers_to_remove?: readonly string[] | undefined;
  readonly response_headers_to_add?: readonly HeaderValueOption[] | undefined;
  readonly response_headers_to_remove?: readonly string[] | undefined;
}

/** What the levels of a route's configuration, most specific first, do to headers. */
export function headerChanges(
  which: 'request' | 'response',
  levels: readonly HeaderSource[],
): HeaderChanges | undefined {
  const set: Record<string, string> = {};
  const removed: string[] = [];
  for (const level of levels) {
    removed.push(...(level[`${which}_headers_to_remove`] ?? []));
    for (const { header, append_action = 0 } of level[`${which}_headers_to_add`] ?? []) {
      const [key, value] = [header?.key ?? '', header?.value ?? ''];
      set[key] = append_action === 0 && set[key] !== undefined ? `${set[key]},${value}` : value;
    }
  }
  return Object.keys(set).length + removed.length > 0 ? { set, removed } : undefined;
}

/** One after the other; undefined where neither changes anything. */
export const bothChanges = (
  first: HeaderChanges | undefined,
  then: HeaderChanges | undefined,
): HeaderChanges | undefined =>
  first && then
    ? { set: { ...first.set, ...then.set }, removed: [...first.removed, ...then.removed] }
    : (first ?? then);
