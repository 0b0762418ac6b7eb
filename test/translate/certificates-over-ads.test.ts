import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proven } from '../../src/model/proxy/node.ts';
import { offlineScenario } from '../conformance/offline.ts';
import { scenarioNames } from '../conformance/scenario.ts';
import { proxyOf } from '../support/proxies.ts';
import { dumpOf, messagesOf } from '../support/translation.ts';

/** What says anything about certificates, of workloads, gateways and files. */
const about =
  /^(pa-|dr-tls|se-identities|mesh-trust|mesh-auto-mtls|gw-egress-istio-mutual|gw-tls|gw-https-mutual|sniffed)/;

/** Where a proxy fetches the mesh's own secrets, by who serves them. */
const [fromAgent, overAds] = [
  (name: string) =>
    `{"name":"${name}","sds_config":{"api_config_source":{"api_type":"GRPC","grpc_services":[{"envoy_grpc":{"cluster_name":"sds-grpc"}}],"set_node_on_first_message_only":true,"transport_api_version":"V3"},"initial_fetch_timeout":"0s","resource_api_version":"V3"}}`,
  (name: string) =>
    `{"name":"${name}","sds_config":{"ads":{},"initial_fetch_timeout":"0s","resource_api_version":"V3"}}`,
];

/** In one order, whoever wrote it. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member)]));
};

/** What a stock Envoy has in place of Istio's filter for ALPN. */
const isPlainTcp = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Reflect.get(value, 'name') === 'envoy.filters.network.set_filter_state';
const withoutPlainTcp = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, member) => (Array.isArray(member) ? member.filter(one => !isPlainTcp(one)) : member)),
  );

test('mutual TLS is the same for a proxy that gets its certificate over ADS as for one with an agent, but for where it is fetched', () => {
  let fetched = 0;
  for (const name of scenarioNames().filter(scenario => about.test(scenario))) {
    const { proxies, world } = offlineScenario(name);
    const made = world();
    for (const named of proxies) {
      const withAgent = proxyOf(named);
      if (withAgent.class.certificates !== 'agent') continue;
      // Its Node says the same in all else.
      const agentless = { ...withAgent, class: { ...withAgent.class, certificates: 'none' } } as const;
      const textOf = (proxy: typeof withAgent): string => {
        const { cds, eds, lds, rds } = dumpOf(messagesOf(made.of(proxy).translation));
        return JSON.stringify(sorted(withoutPlainTcp({ cds, eds, lds, rds })));
      };
      const agent = textOf(withAgent);
      let own = textOf(proven(agentless)).replaceAll('["istio-http/1.1","istio"]', '["istio"]');
      for (const secret of ['default', 'ROOTCA']) {
        const [from, to] = [overAds(secret), fromAgent(secret)].map(text => JSON.stringify(sorted(JSON.parse(text))));
        fetched += own.split(from ?? '').length - 1;
        own = own.replaceAll(from ?? '', to ?? '');
      }
      // Files are read by whoever there is: the agent, else Envoy itself.
      if (/file-(cert|root):/.test(agent)) continue;
      if (own === agent) continue;
      const at = [...own].findIndex((character, i) => character !== agent[i]);
      const around = [own, agent].map(text => text.slice(Math.max(0, at - 200), at + 200));
      assert.fail(`${name}: ${named.name}: ${around.join('\n')}`);
    }
  }
  assert.ok(fetched > 1_000, `${fetched}`);
});

test('a proxy without a certificate is sent nothing that asks for one', () => {
  let told = 0;
  for (const name of scenarioNames().filter(scenario => about.test(scenario))) {
    const { proxies, world } = offlineScenario(name);
    const made = world();
    for (const named of proxies) {
      const proxy = proxyOf(named);
      const { translation } = made.of({ ...proxy, class: { ...proxy.class, certificates: 'none' } });
      const { cds, lds } = dumpOf(messagesOf(translation));
      assert.doesNotMatch(JSON.stringify({ cds, lds }), /sds-grpc|"name":"(default|ROOTCA)","sds_config"/, named.name);
      told += translation.problems.filter(({ message }) =>
        message.startsWith('ISTIO_MUTUAL needs a certificate'),
      ).length;
    }
  }
  assert.ok(told > 1, `${told}`);
});
