import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { typed } from '../../src/proto/any.ts';
import { findAllFaults, findFaults, pathText } from '../../src/proto/faults.ts';
import type { AnyMessage, MessageName } from '../../src/proto/message.ts';
import { type Rules, scalarTest } from '../../src/proto/rules.ts';

const said = (name: string, message: AnyMessage): readonly string[] =>
  findAllFaults(name, message).map(({ path, message: text }) => `${pathText(path)}: ${text}`);

interface Case {
  readonly rule: string;
  readonly name: MessageName;
  readonly taken: AnyMessage;
  readonly refused: AnyMessage;
  readonly says: string;
}

const header = (value: string): AnyMessage => ({ header: { key: 'k', value } });

const cases: readonly Case[] = [
  {
    rule: 'a text of at least one character, absent',
    name: 'envoy.config.cluster.v3.Cluster',
    taken: { name: 'c' },
    refused: {},
    says: 'name: must not be empty, not ""',
  },
  {
    rule: 'a number within a range, in a wrapper',
    name: 'envoy.config.cluster.v3.OutlierDetection',
    taken: { max_ejection_percent: { value: 100 } },
    refused: { max_ejection_percent: { value: 101 } },
    says: 'max_ejection_percent: must be at most 100, not 101',
  },
  {
    rule: 'a number that the type holds: in its encoding -1 is 4294967295',
    name: 'envoy.config.core.v3.SocketAddress',
    taken: { address: '10.0.0.1', port_value: 1 },
    refused: { address: '10.0.0.1', port_value: -1 },
    says: 'port_value: must be a whole number from 0 to 4294967295, not -1',
  },
  {
    rule: 'a duration above another',
    name: 'envoy.config.cluster.v3.OutlierDetection',
    taken: { interval: { nanos: 1 } },
    refused: { interval: {} },
    says: 'interval: must be above 0s, not 0s',
  },
  {
    rule: 'a duration that 64 bits of nanoseconds hold',
    name: 'envoy.config.core.v3.HttpProtocolOptions',
    taken: { idle_timeout: { seconds: 9223372035 } },
    refused: { idle_timeout: { seconds: 9223372036 } },
    says: 'idle_timeout: must be below 9223372036s, not 9223372036s',
  },
  {
    rule: 'a duration that is not negative',
    name: 'envoy.config.core.v3.HttpProtocolOptions',
    taken: { idle_timeout: {} },
    refused: { idle_timeout: { nanos: -1 } },
    says: 'idle_timeout: must not be negative, not -1e-9s',
  },
  {
    rule: 'bytes of a text, in UTF-8',
    name: 'envoy.config.core.v3.HeaderValueOption',
    taken: header('ü'.repeat(8192)),
    refused: header(`${'ü'.repeat(8192)}a`),
    says: `header.value: must have at most 16384 bytes, not "${'ü'.repeat(119)}…`,
  },
  {
    rule: 'a header without line breaks',
    name: 'envoy.config.core.v3.HeaderValueOption',
    taken: header('a b'),
    refused: header('a\nb'),
    says: 'header.value: must have neither line breaks nor zero bytes, not "a\\nb"',
  },
  {
    rule: 'a required message',
    name: 'envoy.config.core.v3.HeaderValueOption',
    taken: header('v'),
    refused: {},
    says: 'header: is required',
  },
  {
    rule: 'a required oneof',
    name: 'envoy.config.core.v3.Address',
    taken: { pipe: { path: '/s' } },
    refused: {},
    says: ': one of socket_address, pipe, envoy_internal_address is required',
  },
  {
    rule: 'enough items',
    name: 'envoy.config.route.v3.VirtualHost',
    taken: { name: 'v', domains: ['a'] },
    refused: { name: 'v' },
    says: 'domains: must have at least 1 items, not 0',
  },
  {
    rule: 'one of a list, by item',
    name: 'envoy.config.accesslog.v3.ResponseFlagFilter',
    taken: { flags: ['NR'] },
    refused: { flags: ['NR', 'XX'] },
    says: 'flags[1]: must be one of',
  },
  {
    rule: 'no item twice',
    name: 'envoy.config.route.v3.InternalRedirectPolicy',
    taken: { response_headers_to_copy: ['a', 'b'] },
    refused: { response_headers_to_copy: ['a', 'a'] },
    says: 'response_headers_to_copy: must not have an item twice',
  },
  {
    rule: 'a defined value of an enum',
    name: 'envoy.config.route.v3.RedirectAction',
    taken: { response_code: 1 },
    refused: { response_code: 9 },
    says: 'response_code: must be one of',
  },
  {
    rule: 'the only value of a flag',
    name: 'envoy.config.rbac.v3.Permission',
    taken: { any: true },
    refused: { any: false },
    says: 'any: must be true, not false',
  },
  {
    rule: 'a pattern',
    name: 'envoy.config.route.v3.RouteMatch',
    taken: { path_separated_prefix: '/a' },
    refused: { path_separated_prefix: '/a/' },
    says: 'path_separated_prefix: must match',
  },
  {
    rule: 'the sum of weights',
    name: 'envoy.config.route.v3.WeightedCluster',
    taken: { clusters: [{ name: 'a', weight: { value: 2 ** 32 - 1 } }] },
    refused: {
      clusters: [
        { name: 'a', weight: { value: 2 ** 32 - 1 } },
        { name: 'b', weight: { value: 1 } },
      ],
    },
    says: 'clusters: the sum of the weights must be at most 4294967295, not 4294967296',
  },
  {
    rule: 'what is in an Any',
    name: 'envoy.config.listener.v3.Filter',
    taken: {
      name: 'f',
      typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: 's', cluster: 'c' }),
    },
    refused: {
      name: 'f',
      typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', { cluster: 'c' }),
    },
    says: 'typed_config.stat_prefix: must not be empty, not ""',
  },
];

describe('what Envoy asks of values', () => {
  for (const { rule, name, taken, refused, says } of cases)
    test(rule, () => {
      assert.deepEqual(said(name, taken), []);
      const found = said(name, refused);
      assert.equal(found.length, 1);
      assert.ok(found[0]?.startsWith(says), found[0]);
      assert.deepEqual(
        findFaults(name, refused as never).map(fault => fault.message),
        findAllFaults(name, refused).map(fault => fault.message),
      );
    });
});

/** Rules, and those of items, keys and values in them. */
const withInner = (rules: Rules): readonly Rules[] =>
  [rules, rules.items, rules.keys, rules.values].filter(found => found !== undefined);

/** The rules of all fields that are anywhere below. */
function rulesBelow(json: unknown): readonly Rules[] {
  if (typeof json !== 'object' || json === null) return [];
  const { options } = json as { readonly options?: { readonly rules?: Rules } };
  return [...(options?.rules ? withInner(options.rules) : []), ...Object.values(json).flatMap(rulesBelow)];
}

test('every rule of the bundle is known', () => {
  const bundle: unknown = JSON.parse(readFileSync(new URL('../../proto/bundle.json', import.meta.url), 'utf8'));
  const rules = rulesBelow(bundle);
  assert.ok(rules.length > 500, `${rules.length}`);
  for (const rule of rules) assert.doesNotThrow(() => scalarTest(rule));
  assert.throws(() => scalarTest({ newest_rule: true } as Rules), /newest_rule/);
});
