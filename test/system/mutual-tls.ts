/** What users write about mutual TLS, and what calls between pods come to then. */

import type { Kind } from './secure-mesh.ts';

/** An object in YAML, one of several. */
export const policy = (kind: string, namespace: string, name: string, spec: string): string => `
apiVersion: security.istio.io/v1
kind: ${kind}
metadata: {name: ${name}, namespace: ${namespace}}
spec: ${spec}
---
`;
export const peers = (namespace: string, mode: string): string =>
  policy('PeerAuthentication', namespace, 'all', `{mtls: {mode: ${mode}}}`);
const peersOf = (app: string, spec: string): string =>
  policy('PeerAuthentication', 'default', app, `{selector: {matchLabels: {app: ${app}}}, ${spec}}`);
export const rule = (host: string, tls: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${host}, namespace: default}
spec: {host: ${host}, trafficPolicy: {tls: ${tls}}}
---
`;
export const allow = (app: string, principals: string, action = 'ALLOW'): string =>
  policy(
    'AuthorizationPolicy',
    'default',
    app,
    `{selector: {matchLabels: {app: ${app}}}, action: ${action}, rules: [{from: [{source: {principals: ${principals}}}]}]}`,
  );

export const PODS = { agent: 'agent', other: 'agent', stock: 'envoy', bare: 'none' } as const satisfies Readonly<
  Record<string, Kind>
>;
export type Name = keyof typeof PODS;

/** What a call comes to. */
export type Expected = (from: Name, to: Name) => string;

export const outside = (name: Name): boolean => PODS[name] === 'none';
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

export interface Step {
  readonly says: string;
  readonly yaml?: string;
  readonly mesh?: object;
  readonly expected: Expected;
}

const san = (account: string): string => `subjectAltNames: ['spiffe://cluster.local/ns/default/sa/${account}']`;

export const steps: readonly Step[] = [
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
