import type { Config_Rule as HeaderRule } from './generated/envoy/extensions/filters/http/header_to_metadata/v3.ts';
import type { LocalRateLimit } from './generated/envoy/extensions/filters/http/local_ratelimit/v3.ts';
import type { Lua } from './generated/envoy/extensions/filters/http/lua/v3.ts';
import type { TokenBucket } from './generated/envoy/type/v3.ts';
import type { Report, Step } from './report.ts';

/** In milliseconds: how often Envoy fills a bucket at most. */
const SHORTEST_FILL = 50;

function checkFill(bucket: TokenBucket | undefined, path: readonly Step[], report: Report): void {
  const { seconds = 0, nanos = 0 } = bucket?.fill_interval ?? { seconds: 1 };
  if (seconds * 1000 + nanos / 1e6 < SHORTEST_FILL)
    report([...path, 'fill_interval'], `must be at least ${SHORTEST_FILL} ms`);
}

/** Of the filters of HTTP, connections and listeners. */
export function checkLocalRateLimit({ token_bucket, descriptors = [] }: LocalRateLimit, report: Report): void {
  checkFill(token_bucket, ['token_bucket'], report);
  const seen = new Set<string>();
  for (const [i, { entries = [], token_bucket: bucket }] of descriptors.entries()) {
    checkFill(bucket, ['descriptors', i, 'token_bucket'], report);
    const key = JSON.stringify(entries.map(({ key, value }) => [key ?? '', value ?? '']));
    if (seen.has(key)) report(['descriptors', i], 'stands twice');
    seen.add(key);
  }
}

export function checkLua({ inline_code, default_source_code }: Lua, report: Report): void {
  if (inline_code && default_source_code)
    report(['default_source_code'], 'only one of inline_code and default_source_code may be set');
}

export function checkHeaderRule(
  { header, cookie, on_header_present: present, on_header_missing: missing }: HeaderRule,
  report: Report,
): void {
  if (header && cookie) report(['cookie'], 'only one of header and cookie may be set');
  if (!header && !cookie) report(['header'], 'one of header and cookie is needed');
  if (!present && !missing) report(['on_header_present'], 'one of on_header_present and on_header_missing is needed');
  if (missing && !missing.value) report(['on_header_missing', 'value'], 'must not be empty');
}
