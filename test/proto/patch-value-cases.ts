import fc from 'fast-check';
import { patchMessages } from '../../src/istio/patch-value.ts';
import { EnvoyFilter_ApplyTo as ApplyTo } from '../../src/proto/generated/istio/networking/v1alpha3.ts';
import { messageJson } from '../../src/proto/json-writer.ts';
import type { Json } from '../../src/unknown.ts';
import { message } from './arbitrary-message.ts';

/** The value of an EnvoyFilter's patch. */
export interface Case {
  readonly applyTo: keyof typeof ApplyTo;
  readonly value: Json;
}

/** What istiod makes of it: the message as protojson, with what its strict reader says beyond that, or why there is none. */
export interface Answer {
  readonly json?: Json;
  readonly warning?: string;
  readonly error?: string;
}

const any = (name: string, fields: { readonly [key: string]: Json }): Case => ({
  applyTo: 'EXTENSION_CONFIG',
  value: { name: 'x', typed_config: { '@type': `type.googleapis.com/${name}`, ...fields } },
});
const cluster = (fields: { readonly [key: string]: Json }): Case => ({ applyTo: 'CLUSTER', value: fields });
const route = (fields: { readonly [key: string]: Json }): Case => ({ applyTo: 'HTTP_ROUTE', value: fields });

const odd: readonly Json[] = [
  ...[null, true, false, 0, 1, -1, 1.5, 3, 77, 1e21, 1e39, 2 ** 31, 2 ** 32, [], [1, 256], [1, 255], ['a'], [null], {}],
  ...[{ a: 1 }, { a: null }, { value: 1 }],
  ...['', 'a', '1', ' 1 ', '-1', '-0', '1.0', '1e3', '1e400', '01', '+1', '0x1', 'null', 'true', 'NaN', '-Infinity'],
  ...['aGk=', 'aGk', '_-8=', '+/8=', 'aG\nk=', 'ROUND_ROBIN', 'RANDOM', 'round_robin', '4294967296'],
  ...[
    '1s',
    '500ms',
    '1m',
    '24h',
    '1h30m',
    '1.5s',
    '-1s',
    '+1.5h',
    '.5s',
    '1.s',
    '0',
    '+0',
    's',
    '.s',
    '1d',
    '1 s',
    '1µs',
  ],
  ...['1us', '1h-2m', '315576000000s', '2562047h', '2562048h', '9223372036.854775807s', '9223372036.854775808s'],
  ...[
    '-9223372036.854775808s',
    '0.1234567891s',
    '1.00000000099999999999s',
    '0.9999999999999999999m',
    '0.3333333333333h',
  ],
  ...['2026-01-31T12:00:00Z', '2026-02-30T12:00:00Z', '2026-01-31T1:00:00.5+01:00', '2026-01-31T12:00:00,25-24:00'],
  ...['2026-01-31t12:00:00z', '2026-01-31T24:00:00Z', '2026-01-31T12:00:60Z', '2026-01-31T12:00:00.1234567899Z'],
  ...[
    '0001-01-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-31',
    '2026-01-31T12:00:00+25:00',
    '2024-02-29T00:00:00Z',
  ],
];

/** A field of each kind that JSON can be read into. */
const places: readonly ((value: Json) => Case)[] = [
  value => cluster({ name: value }),
  value => cluster({ ignore_health_on_host_removal: value }),
  value => cluster({ per_connection_buffer_limit_bytes: value }),
  value => cluster({ lb_policy: value }),
  value => cluster({ connect_timeout: value }),
  value => cluster({ lb_subset_config: value }),
  value => cluster({ health_checks: value }),
  value => cluster({ common_lb_config: { healthy_panic_threshold: { value } } }),
  value => cluster({ outlier_detection: { base_ejection_time: value } }),
  value => cluster({ ring_hash_lb_config: { minimum_ring_size: value } }),
  value => cluster({ metadata: { filter_metadata: { a: value } } }),
  value => cluster({ metadata: { filter_metadata: value } }),
  value => cluster({ metadata: { filter_metadata: { a: { b: value } } } }),
  value => cluster({ typed_extension_protocol_options: value }),
  value => cluster({ typed_extension_protocol_options: { a: value } }),
  value => cluster({ load_assignment: { endpoints: [{ priority: value }] } }),
  value => ({ applyTo: 'VIRTUAL_HOST', value: { domains: value } }),
  value => ({ applyTo: 'VIRTUAL_HOST', value: { domains: [value] } }),
  value => ({ applyTo: 'VIRTUAL_HOST', value: { routes: [value] } }),
  value => ({ applyTo: 'FILTER_CHAIN', value: { filter_chain_match: { source_ports: [value] } } }),
  value => route({ match: { headers: [{ name: 'a', range_match: { start: value } }] } }),
  value => route({ direct_response: { body: { inline_bytes: value } } }),
  value => ({ applyTo: 'HTTP_FILTER', value: { typed_config: value } }),
  value => any('google.protobuf.Duration', { value }),
  value => any('google.protobuf.Timestamp', { value }),
  value => any('google.protobuf.ListValue', { value }),
  value => any('google.protobuf.Value', { value }),
  value => any('google.protobuf.Struct', { value }),
  value => any('google.protobuf.Empty', { value }),
  value => any('google.protobuf.FloatValue', { value }),
  value => any('google.protobuf.DoubleValue', { value }),
  value => any('google.protobuf.StringValue', { value }),
  value => any('google.protobuf.BytesValue', { value }),
  value => any('google.protobuf.BoolValue', { value }),
  value => any('google.protobuf.Int64Value', { value }),
  value => any('google.protobuf.UInt64Value', { value }),
  value => any('google.protobuf.Int32Value', { value }),
  value => any('envoy.config.core.v3.HealthStatusSet', { statuses: [value] }),
  value => any('envoy.config.core.v3.KeyValuePair', { value }),
  value => any('cel.expr.SourceInfo', { positions: { 7: value } }),
];

const keys = ['', '1', '01', '-1', ' 1', '1.0', '1e3', 'null', 'a', 'true', '9007199254740991'];

/** What no single value says. */
const whole: readonly Case[] = [
  ...keys.map(key => any('cel.expr.SourceInfo', { positions: { [key]: 1 } })),
  cluster({ connectTimeout: '1s', connect_timeout: '2s' }),
  cluster({ connect_timeout: '2s', connectTimeout: '1s' }),
  cluster({ connect_timeout: 'wrong', connectTimeout: '1s' }),
  cluster({ connect_timeout: '1s', connectTimeout: null }),
  cluster({ unknown: 1 }),
  cluster({ unknown: 1, name: 'a', eds_cluster_config: { unknown: {}, service_name: 'b' } }),
  cluster({ '[envoy.Unknown]': 1 }),
  cluster({ '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'a' }),
  cluster({ Name: 'a', NAME: 'a' }),
  route({ redirect: {}, route: { cluster: 'a' } }),
  route({ route: { cluster: 'a' }, redirect: {} }),
  route({ route: { cluster: 'a', cluster_header: 'b' } }),
  route({ route: { cluster_header: 'b', cluster: 'a' } }),
  route({ route: { cluster_header: null, cluster: 'a' } }),
  route({ match: { path: '/a', prefix: '/b', safe_regex: { regex: 'c' } } }),
  route({ match: { safe_regex: { regex: 'c' }, prefix: '/b', path: '/a' } }),
  route({ match: { prefix: '/', path: 7 } }),
  any('envoy.extensions.filters.http.lua.v3.Lua', { unknown: true, default_source_code: { inline_string: 'x' } }),
  any('envoy.extensions.filters.http.lua.v3.Lua', { inlineCode: 'x', stat_prefix: 'y' }),
  any('envoy.extensions.filters.http.fault.v3.HTTPFault', { delay: { fixed_delay: '50ms', percentage: {} } }),
  any('envoy.extensions.filters.http.router.v3.Router', { value: {} }),
  any('no.such.Type', {}),
  any('envoy.config.cluster.v3.Cluster.LbPolicy', {}),
  any('google.protobuf.Any', { value: { '@type': 'type.googleapis.com/google.protobuf.Duration', value: '1m' } }),
  any('google.protobuf.Any', { value: {} }),
  any('google.protobuf.Any', {}),
  any('google.protobuf.Duration', {}),
  any('google.protobuf.Empty', {}),
  any('google.protobuf.Timestamp', { value: '2026-01-31T12:00:00Z', unknown: 1 }),
  any('udpa.type.v1.TypedStruct', { type_url: 'a', value: { b: { c: ['500ms', null, 1] } } }),
  any('xds.type.v3.TypedStruct', { typeUrl: 'a', value: null }),
  {
    applyTo: 'EXTENSION_CONFIG',
    value: { typed_config: { '@type': 'envoy.extensions.filters.http.router.v3.Router' } },
  },
  { applyTo: 'EXTENSION_CONFIG', value: { typed_config: { '@type': 'a/b/google.protobuf.Duration', value: '1s' } } },
  { applyTo: 'EXTENSION_CONFIG', value: { typed_config: { '@type': '' } } },
  { applyTo: 'EXTENSION_CONFIG', value: { typed_config: { '@type': null } } },
  { applyTo: 'EXTENSION_CONFIG', value: { typed_config: { '@type': 7 } } },
  { applyTo: 'BOOTSTRAP', value: { stats_flush_interval: '5s' } },
  { applyTo: 'LISTENER_FILTER', value: { name: 'a', filter_disabled: { any_match: true } } },
  { applyTo: 'LISTENER', value: { listener_filters_timeout: '15000ms', address: null } },
];

/** Every odd value in every place, and what no single value says. */
export const table: readonly Case[] = [...places.flatMap(place => odd.map(place)), ...whole];

type Path = readonly (string | number)[];

function leaves(json: Json, at: Path = []): readonly Path[] {
  if (typeof json !== 'object' || json === null) return [at];
  return [at, ...Object.entries(json).flatMap(([key, item]) => leaves(item as Json, [...at, key]))];
}

/** A copy with another value at a path. */
function replaced(json: Json, [step, ...rest]: Path, value: Json): Json {
  if (step === undefined) return value;
  if (Array.isArray(json)) return json.map((item, i) => (String(i) === step ? replaced(item, rest, value) : item));
  const object = json as { readonly [key: string]: Json };
  return { ...object, [step]: replaced(object[step] ?? null, rest, value) };
}

const camel = (key: string): string => key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Messages as protojson writes them, with a few of their values changed for odd ones and some keys for their other name. */
export const generated: fc.Arbitrary<Case> = fc
  .constantFrom(...(Object.keys(ApplyTo) as (keyof typeof ApplyTo)[]).filter(name => name !== 'INVALID'))
  .chain(applyTo =>
    message(patchMessages[ApplyTo[applyTo] as keyof typeof patchMessages], 3).chain(made => {
      const json = messageJson(patchMessages[ApplyTo[applyTo] as keyof typeof patchMessages], made);
      const paths = leaves(json).filter(path => path.length > 0);
      if (!paths.length) return fc.constant({ applyTo, value: json });
      const change = fc.record({ path: fc.constantFrom(...paths), value: fc.constantFrom(...odd) });
      return fc.record({ changes: fc.array(change, { maxLength: 2 }), camel: fc.boolean() }).map(how => {
        let value = json;
        for (const { path, value: other } of how.changes) {
          const parent = path.slice(0, -1).reduce<Json | undefined>((at, step) => Reflect.get(Object(at), step), value);
          if (typeof parent === 'object' && parent !== null) value = replaced(value, path, other);
        }
        if (how.camel && typeof value === 'object' && value !== null && !Array.isArray(value))
          value = Object.fromEntries(Object.entries(value).map(([key, item]) => [camel(key), item]));
        return { applyTo, value };
      });
    }),
  );
