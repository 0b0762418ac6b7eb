import { type DestinationRule, type EnvoyFilter, type Gateway, writtenPath } from '../../istio/config.ts';
import { parseCredential, ROOTS_SUFFIX } from '../../istio/credentials.ts';
import { memo, oneList } from '../../memo.ts';
import type { Identity } from '../../model/identify.ts';
import type { GatewayBinding } from '../../model/routing/merged-gateway.ts';
import type { Scope } from '../../model/scope/scope.ts';
import type { ObjectKey } from '../../object-key.ts';
import {
  ClientTLSSettings_TLSmode as ClientMode,
  type ClientTLSSettings,
  ServerTLSSettings_TLSmode as ServerMode,
  type ServerTLSSettings,
  type TrafficPolicy,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { fromStruct } from '../../proto/wellknown.ts';
import type { Json } from '../../unknown.ts';
import { credential, hasCredentialSocket } from '../clusters/sds.ts';

/** A field of an object that names a credential. */
export interface CredentialUse {
  /** The SDS resource that a proxy asks for because of it. */
  readonly resource: string;
  readonly object: ObjectKey;
  readonly path: string;
  /** Of a Gateway: its namespace. */
  readonly gatewayIn?: string;
}

type Named = readonly [field: string, credential: string];

/** The credentials of a server, as its listener names them. */
function ofServer(tls: ServerTLSSettings | undefined): readonly Named[] {
  const { credentialName = '', credentialNames = [], caCertCredentialName = '', mode } = tls ?? {};
  const listed = credentialNames.map((name, i): Named => [`credentialNames[${i}]`, name]);
  const own: readonly Named[] = listed.length ? listed : [['credentialName', credentialName]];
  const [[field, first] = ['', '']] = own;
  if (!first || (mode !== ServerMode.MUTUAL && mode !== ServerMode.OPTIONAL_MUTUAL)) return own;
  const roots: Named = caCertCredentialName
    ? ['caCertCredentialName', caCertCredentialName]
    : [field, `${first}${ROOTS_SUFFIX}`];
  return [...own, roots];
}

/** The credentials of a client, as its clusters name them. */
function ofClient({ credentialName = '', mode, insecureSkipVerify }: ClientTLSSettings): readonly Named[] {
  const certificate: readonly Named[] = mode === ClientMode.MUTUAL ? [['credentialName', credentialName]] : [];
  if (!credentialName || (mode !== ClientMode.MUTUAL && mode !== ClientMode.SIMPLE)) return [];
  if (insecureSkipVerify?.value) return certificate;
  return [...certificate, ['credentialName', `${credentialName}${ROOTS_SUFFIX}`]];
}

/** The SDS resources that these come to, but for those that are fetched from elsewhere (`external`: SDS servers in the pod are). */
const fetched = (named: readonly Named[], external: boolean) =>
  named.flatMap(([field, name]) => {
    const { name: resource = '', sds_config } = name
      ? credential(name, { certificates: 'agent', credentialSocket: external })
      : {};
    return sds_config?.ads ? [{ field, resource }] : [];
  });

const ofGateway = memo((gateway: Gateway, external: boolean): readonly CredentialUse[] =>
  (gateway.spec.servers ?? []).flatMap(({ tls }, i) =>
    fetched(ofServer(tls), external).map(({ field, resource }) => ({
      resource,
      object: gateway.meta.key,
      path: writtenPath(gateway, `spec.servers[${i}].tls.${field}`),
      gatewayIn: gateway.meta.namespace,
    })),
  ),
);

/** Every TLS setting of a traffic policy with its path in it. */
const settingsIn = (policy: TrafficPolicy | undefined): readonly (readonly [string, ClientTLSSettings])[] => [
  ...(policy?.tls ? [['tls', policy.tls] as const] : []),
  ...(policy?.portLevelSettings ?? []).flatMap(({ tls }, i) =>
    tls ? [[`portLevelSettings[${i}].tls`, tls] as const] : [],
  ),
];

const ofRule = memo((rule: DestinationRule, external: boolean): readonly CredentialUse[] => {
  const { trafficPolicy, subsets = [] } = rule.spec;
  const policies = [
    ['spec.trafficPolicy', trafficPolicy] as const,
    ...subsets.map((subset, i) => [`spec.subsets[${i}].trafficPolicy`, subset.trafficPolicy] as const),
  ];
  return policies.flatMap(([at, policy]) =>
    settingsIn(policy).flatMap(([path, tls]) =>
      fetched(ofClient(tls), external).map(({ field, resource }) => ({
        resource,
        object: rule.meta.key,
        path: writtenPath(rule, `${at}.${path}.${field}`),
      })),
    ),
  );
});

/** A sidecar takes Secrets only from rules that are for it by its labels. */
const ofRuleForSidecars = memo((rule: DestinationRule, external: boolean): readonly CredentialUse[] => {
  const uses = ofRule(rule, external);
  return rule.spec.workloadSelector ? uses : uses.filter(({ resource }) => resource.startsWith('configmap://'));
});

const ofGateways = memo((external: boolean, gateways: readonly GatewayBinding[]): readonly CredentialUse[] =>
  oneList(gateways.flatMap(({ gateway }) => ofGateway(gateway, external))),
);

const ofRules = memo(
  (external: boolean, sidecar: boolean, rules: Scope['destinationRules']): readonly CredentialUse[] => {
    const uses = sidecar ? ofRuleForSidecars : ofRule;
    return oneList([...rules.values()].flatMap(({ rule }) => uses(rule, external)));
  },
);

/** The names of credentials in the value of a patch, wherever it has an SdsSecretConfig. */
function* namesIn(value: Json | undefined): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  const { name, sds_config, sdsConfig } = value as { readonly [field: string]: Json | undefined };
  if (typeof name === 'string' && (sds_config ?? sdsConfig) && parseCredential(name, '-')) yield name;
  for (const member of Object.values(value)) yield* namesIn(member);
}

const ofFilter = memo((filter: EnvoyFilter): readonly CredentialUse[] =>
  (filter.spec.configPatches ?? []).flatMap(({ patch }, i) => {
    const path = writtenPath(filter, `spec.configPatches[${i}].patch.value`);
    const names = patch?.value ? [...namesIn(fromStruct(patch.value))] : [];
    return names.map(resource => ({ resource, object: filter.meta.key, path }));
  }),
);

const ofFilters = memo((filters: readonly EnvoyFilter[]): readonly CredentialUse[] =>
  oneList(filters.flatMap(ofFilter)),
);

const joined = memo((...lists: readonly (readonly CredentialUse[])[]) => oneList(lists.flat()));

/** The fields that name credentials, of all objects that a proxy is configured by; the same list while they are the same. */
export function credentialUses({ scope, workload, traits }: Identity): readonly CredentialUse[] {
  const external = hasCredentialSocket(traits);
  return joined(
    ofGateways(external, scope.gateways),
    ofRules(external, traits.type === 'sidecar', scope.destinationRules),
    ofFilters(workload.policies.envoyFilters),
  );
}
