import type { Permission, Policy, Principal } from '../../../proto/generated/envoy/config/rbac/v3.ts';
import type { Operation, Rule, Source } from '../../../proto/generated/istio/security/v1beta1.ts';
import {
  type Attribute,
  OPERATION,
  PERMISSIONS,
  PRINCIPALS,
  permissionAttribute,
  principalAttribute,
  type RuleContext,
} from './attributes.ts';
import { expandDomains, type TrustDomains, withAliases } from './trust-domain.ts';

/** One condition: any of `values`, and none of `notValues`. */
interface Condition<T> {
  readonly attribute: Attribute<T>;
  readonly values: readonly string[];
  readonly notValues: readonly string[];
}

/** How a kind of matcher is combined. */
interface Logic<T> {
  readonly or: (of: readonly T[]) => T;
  readonly not: (of: T) => T;
}

const PERMISSION: Logic<Permission> = { or: rules => ({ or_rules: { rules } }), not: rule => ({ not_rule: rule }) };
const PRINCIPAL: Logic<Principal> = { or: ids => ({ or_ids: { ids } }), not: id => ({ not_id: id }) };

const condition = <T>(
  attribute: Attribute<T>,
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
): readonly Condition<T>[] =>
  values?.length || notValues?.length ? [{ attribute, values: values ?? [], notValues: notValues ?? [] }] : [];

/** How a rule of a policy becomes one of Envoy's. */
export interface RuleOptions extends Omit<RuleContext, 'restricts'> {
  /**
   * What cannot be evaluated (HTTP attributes on TCP): a rule that allows is dropped whole, so that less is allowed; of any other only the
   * condition is dropped, so that more is denied.
   */
  readonly allows: boolean;
  readonly trustDomains: TrustDomains;
}

/** The matchers of some conditions; undefined where the rule must be dropped. */
function matchersOf<T>(
  conditions: readonly Condition<T>[],
  logic: Logic<T>,
  options: RuleOptions,
): readonly T[] | undefined {
  const found: T[] = [];
  for (const { attribute, values, notValues } of conditions) {
    for (const [list, negated] of [
      [values, false],
      [notValues, true],
    ] as const) {
      if (list.length === 0) continue;
      const made = attribute.matchers(list, { ...options, restricts: negated === options.allows });
      const known = made.filter(m => m !== undefined);
      if (known.length < made.length && options.allows) return undefined;
      const [first] = known;
      if (first === undefined) continue;
      const any = attribute.isWhole ? first : logic.or(known);
      found.push(negated ? logic.not(any) : any);
    }
  }
  return found;
}

function sourceConditions(source: Source | undefined, domains: TrustDomains): readonly Condition<Principal>[] {
  if (!source) return [];
  const s = source;
  const principals = (list: readonly string[] | undefined) => list && withAliases(list, domains);
  const trusted = (list: readonly string[] | undefined) => list && expandDomains(list, domains);
  return [
    ...condition(PRINCIPALS['source.principal'], principals(s.principals), principals(s.notPrincipals)),
    ...condition(PRINCIPALS['request.auth.principal'], s.requestPrincipals, s.notRequestPrincipals),
    ...condition(PRINCIPALS['source.serviceAccount'], s.serviceAccounts, s.notServiceAccounts),
    ...condition(PRINCIPALS['source.trustDomain'], trusted(s.trustDomains), trusted(s.notTrustDomains)),
    ...condition(PRINCIPALS['source.namespace'], s.namespaces, s.notNamespaces),
    ...condition(PRINCIPALS['remote.ip'], s.remoteIpBlocks, s.notRemoteIpBlocks),
    ...condition(PRINCIPALS['source.ip'], s.ipBlocks, s.notIpBlocks),
  ];
}

const operationConditions = (o: Operation | undefined): readonly Condition<Permission>[] => [
  ...condition(OPERATION.hosts, o?.hosts, o?.notHosts),
  ...condition(OPERATION.methods, o?.methods, o?.notMethods),
  ...condition(OPERATION.paths, o?.paths, o?.notPaths),
  ...condition(PERMISSIONS['destination.port'], o?.ports, o?.notPorts),
];

/** The RBAC policy of a rule; undefined where it cannot be had on these terms (istio: authz model.New and Generate). */
export function rbacPolicy(rule: Rule, options: RuleOptions): Policy | undefined {
  const { trustDomains } = options;
  const whenPrincipals: Condition<Principal>[] = [];
  const whenPermissions: Condition<Permission>[] = [];
  for (const { key = '', values, notValues } of rule.when ?? []) {
    const migrate = (list: readonly string[] | undefined) => {
      if (list && key === 'source.principal') return withAliases(list, trustDomains);
      return list && key === 'source.trustDomain' ? expandDomains(list, trustDomains) : list;
    };
    const permission = permissionAttribute(key);
    const principal = principalAttribute(key);
    if (permission) whenPermissions.push(...condition(permission, values, notValues));
    else if (principal) whenPrincipals.push(...condition(principal, migrate(values), migrate(notValues)));
    else if (options.allows) return undefined;
  }
  const principals: Principal[] = [];
  for (const { source } of rule.from?.length ? rule.from : [{}]) {
    const ids = matchersOf([...sourceConditions(source, trustDomains), ...whenPrincipals], PRINCIPAL, options);
    if (!ids) return undefined;
    principals.push({ and_ids: { ids: ids.length > 0 ? ids : [{ any: true }] } });
  }
  const permissions: Permission[] = [];
  for (const { operation } of rule.to?.length ? rule.to : [{}]) {
    const rules = matchersOf([...operationConditions(operation), ...whenPermissions], PERMISSION, options);
    if (!rules) return undefined;
    permissions.push({ and_rules: { rules: rules.length > 0 ? rules : [{ any: true }] } });
  }
  return { permissions, principals };
}
