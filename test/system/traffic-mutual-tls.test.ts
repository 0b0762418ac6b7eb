import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { noApiServer } from '../kubernetes/api-server.ts';
import type { AppAnswer, Seen } from '../support/pod.ts';
import { until } from '../support/until.ts';
import { noAgent } from './agent.ts';
import { SecureMesh } from './secure-mesh.ts';

/** What a call came to: the service account that its server saw, `plain` where it saw none, or a refusal. */
function came({ status, body }: AppAnswer): string {
  if (status !== 200) return status === 403 ? 'forbidden' : 'refused';
  const shown = (JSON.parse(body) as Seen).headers['x-forwarded-client-cert'];
  if (!shown) return 'plain';
  const [, account] =
    /^By=spiffe:[^;,]+;Hash=\w+;Subject="";URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/([^;,]+)$/.exec(shown) ?? [];
  return account ?? shown;
}

/** What everybody says of itself, whoever it is; nobody is to be believed. */
const forged = { 'x-forwarded-client-cert': 'By=x;Hash=y;Subject="";URI=spiffe://cluster.local/ns/default/sa/admin' };

const policy = (kind: string, namespace: string, name: string, spec: string): string => `
apiVersion: security.istio.io/v1
kind: ${kind}
metadata: {name: ${name}, namespace: ${namespace}}
spec: ${spec}
---
`;
const peers = (namespace: string, mode: string): string =>
  policy('PeerAuthentication', namespace, 'all', `{mtls: {mode: ${mode}}}`);
const peersOf = (app: string, spec: string): string =>
  policy('PeerAuthentication', 'default', app, `{selector: {matchLabels: {app: ${app}}}, ${spec}}`);
const rule = (host: string, tls: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${host}, namespace: default}
spec: {host: ${host}, trafficPolicy: {tls: ${tls}}}
---
`;
const allow = (app: string, principals: string, action = 'ALLOW'): string =>
  policy(
    'AuthorizationPolicy',
    'default',
    app,
    `{selector: {matchLabels: {app: ${app}}}, action: ${action}, rules: [{from: [{source: {principals: ${principals}}}]}]}`,
  );

const PODS = { agent: 'agent', other: 'agent', stock: 'envoy', bare: 'none' } as const;
type Name = keyof typeof PODS;

/** What a call comes to. */
type Expected = (from: Name, to: Name) => string;

const outside = (name: Name): boolean => PODS[name] === 'none';
/** Sidecars among each other know who calls; whoever has none, or calls one that has none, is in plaintext. */
const usual: Expected = (from, to) => (outside(from) || outside(to) ? 'plain' : from);
/** The same, where only sidecars are let in. */
const strict: Expected = (from, to) => (outside(from) ? 'refused' : usual(from, to));
const where =
  (is: (from: Name, to: Name) => boolean, then: string | Expected, otherwise: Expected): Expected =>
  (from, to) =>
    is(from, to) ? (typeof then === 'string' ? then : then(from, to)) : otherwise(from, to);
const toAgent = (_: Name, to: Name): boolean => to === 'agent';
const toStock = (_: Name, to: Name): boolean => to === 'stock';
const toEither = (from: Name, to: Name): boolean => toAgent(from, to) || toStock(from, to);
const sidecarTo =
  (...names: readonly Name[]) =>
  (from: Name, to: Name): boolean =>
    !outside(from) && names.includes(to);

interface Step {
  readonly says: string;
  readonly yaml?: string;
  readonly mesh?: object;
  readonly expected: Expected;
}

const san = (account: string): string => `subjectAltNames: ['spiffe://cluster.local/ns/default/sa/${account}']`;

const steps: readonly Step[] = [
  { says: 'nothing is said: both are taken', expected: usual },
  { says: 'STRICT for the mesh', yaml: peers('istio-system', 'STRICT'), expected: strict },
  { says: 'PERMISSIVE for the mesh', yaml: peers('istio-system', 'PERMISSIVE'), expected: usual },
  { says: 'STRICT for the namespace', yaml: peers('default', 'STRICT'), expected: strict },
  { says: 'STRICT for another namespace', yaml: peers('other', 'STRICT'), expected: usual },
  {
    says: 'a namespace goes before the mesh',
    yaml: peers('istio-system', 'STRICT') + peers('default', 'PERMISSIVE'),
    expected: usual,
  },
  {
    says: 'UNSET is what is above it',
    yaml: peers('istio-system', 'STRICT') + peers('default', 'UNSET'),
    expected: strict,
  },
  {
    says: 'a workload goes before its namespace',
    yaml:
      peers('default', 'STRICT') +
      peersOf('agent', 'mtls: {mode: PERMISSIVE}') +
      peersOf('stock', 'mtls: {mode: DISABLE}'),
    expected: where(toAgent, usual, where(toStock, 'plain', strict)),
  },
  {
    says: 'STRICT for workloads',
    yaml: peersOf('agent', 'mtls: {mode: STRICT}') + peersOf('stock', 'mtls: {mode: STRICT}'),
    expected: where(toEither, strict, usual),
  },
  {
    says: 'a port goes before its workload',
    yaml:
      peersOf('agent', 'mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}') +
      peersOf('stock', 'portLevelMtls: {8080: {mode: STRICT}}') +
      peersOf('other', 'mtls: {mode: STRICT}, portLevelMtls: {9999: {mode: DISABLE}}'),
    expected: where(
      toAgent,
      'plain',
      where((_, to) => toStock(_, to) || to === 'other', strict, usual),
    ),
  },
  { says: 'DISABLE for the namespace', yaml: peers('default', 'DISABLE'), expected: () => 'plain' },
  { says: 'no mutual TLS by itself', mesh: { enableAutoMtls: false }, expected: () => 'plain' },
  {
    says: 'no mutual TLS by itself: who is STRICT is not reached but by who is told to',
    mesh: { enableAutoMtls: false },
    yaml: peers('default', 'STRICT') + rule('stock', '{mode: ISTIO_MUTUAL}'),
    expected: where(sidecarTo('stock'), usual, (_, to) => (outside(to) ? 'plain' : 'refused')),
  },
  {
    says: 'a DestinationRule DISABLE is plaintext where that is taken',
    yaml: rule('agent', '{mode: DISABLE}') + rule('stock', '{mode: DISABLE}'),
    expected: where(toEither, 'plain', usual),
  },
  {
    says: 'a DestinationRule DISABLE is refused where it is not',
    yaml: peers('default', 'STRICT') + rule('agent', '{mode: DISABLE}') + rule('stock', '{mode: DISABLE}'),
    expected: where(toEither, 'refused', strict),
  },
  {
    says: 'a DestinationRule ISTIO_MUTUAL, also where there is no sidecar to take it',
    yaml: peers('default', 'STRICT') + rule('agent', '{mode: ISTIO_MUTUAL}') + rule('bare', '{mode: ISTIO_MUTUAL}'),
    expected: where(sidecarTo('bare'), 'refused', strict),
  },
  {
    says: 'ISTIO_MUTUAL with the right name, and with a wrong one',
    yaml:
      rule('agent', `{mode: ISTIO_MUTUAL, ${san('agent')}}`) + rule('stock', `{mode: ISTIO_MUTUAL, ${san('other')}}`),
    expected: where(sidecarTo('stock'), 'refused', usual),
  },
  {
    says: 'SIMPLE shows no certificate',
    yaml: peers('default', 'STRICT') + rule('agent', '{mode: SIMPLE, insecureSkipVerify: true}'),
    expected: where(toAgent, 'refused', strict),
  },
  {
    says: 'principals',
    yaml:
      allow('agent', "['cluster.local/ns/default/sa/stock']") +
      allow('stock', "['cluster.local/ns/default/sa/o*', '*/sa/nobody']") +
      allow('other', "['*/ns/default/sa/stock']", 'DENY'),
    expected: where(
      (from, to) =>
        (to === 'agent' && from !== 'stock') ||
        (to === 'stock' && from !== 'other') ||
        (to === 'other' && from === 'stock'),
      'forbidden',
      usual,
    ),
  },
  {
    says: "principals of another trust domain are nobody's",
    yaml:
      allow('agent', "['old.example/ns/default/sa/stock']") +
      allow('stock', "['old.example/*']") +
      allow('other', "['old.example/*']", 'DENY'),
    expected: where(toEither, 'forbidden', usual),
  },
  {
    says: 'principals of an alias of the trust domain, with and without wildcards',
    mesh: { trustDomainAliases: ['old.example'] },
    yaml:
      allow('agent', "['old.example/ns/default/sa/stock']") +
      allow('stock', "['old.example/*']") +
      allow('other', "['old.ex*/ns/default/sa/stock', 'old.example/ns/default/sa/ag*']", 'DENY'),
    expected: where(
      (from, to) =>
        (to === 'agent' && from !== 'stock') || (to === 'stock' && outside(from)) || (to === 'other' && !outside(from)),
      'forbidden',
      usual,
    ),
  },
];

describe('mutual TLS between pods', { skip: noApiServer || noAgent, timeout: 3_600_000 }, () => {
  let mesh: SecureMesh;
  before(async () => {
    mesh = await SecureMesh.start(PODS);
  });
  after(() => mesh?.stop());

  /** All calls from each pod to each other, in words. */
  async function calls(of: (from: Name, to: Name) => string | Promise<string>): Promise<readonly string[]> {
    const names = Object.keys(PODS) as Name[];
    const pairs = names.flatMap(from => names.flatMap(to => (from === to ? [] : [[from, to] as const])));
    return Promise.all(pairs.map(async ([from, to]) => `${from} to ${to}: ${await of(from, to)}`));
  }

  const seen = () => calls(async (from, to) => came(await mesh.call(from, to, { headers: forged })));

  /** Waits until what is expected has come, and stays: a connection from before a change may serve one more call. */
  async function becomes(expected: Expected): Promise<void> {
    const wanted = await calls(expected);
    let last: readonly string[] = [];
    const asWanted = async (): Promise<boolean> => {
      last = await seen();
      return last.join() === wanted.join();
    };
    await until('the calls', async () => (await asWanted()) && (await asWanted())).catch(() =>
      assert.deepEqual(last, wanted),
    );
    assert.deepEqual(last, wanted);
  }

  /** Waits until what was written before this is in force: every sidecar has a policy with this mark. */
  async function marked(mark: string): Promise<void> {
    await mesh.apply(
      policy(
        'AuthorizationPolicy',
        'default',
        'mark',
        `{action: DENY, rules: [{when: [{key: 'request.headers[x-mark]', values: [${mark}]}]}]}`,
      ),
    );
    for (const { name, kind } of mesh.pods)
      if (kind !== 'none')
        await until(`${mark} at ${name}`, async () => {
          const page = '/config_dump?resource=dynamic_listeners&name_regex=virtualInbound';
          return (await mesh.local(name, 15000, page)).body.includes(mark);
        });
  }

  for (const [i, { says, yaml = '', mesh: config = {}, expected }] of steps.entries())
    test(says, async () => {
      await mesh.meshConfig(config);
      const undo = await mesh.apply(yaml);
      try {
        await marked(`step-${i}`);
        await becomes(expected);
      } finally {
        await undo();
      }
    });

  test('nothing was rejected', async () => {
    for (const { name, kind } of mesh.pods) {
      if (kind === 'none') continue;
      const { body } = await mesh.local(name, 15000, '/stats?filter=update_rejected');
      assert.match(body, /lds.update_rejected: 0/, name);
      assert.match(body, /^(?!.*: [1-9])/s, name);
    }
    assert.doesNotMatch(mesh.log(), /rejected/);
  });
});
