import type { Permission, Policy, Principal } from '../../../proto/generated/envoy/config/rbac/v3.ts';
import type { Rule, Source } from '../../../proto/generated/istio/security/v1beta1.ts';
import {
  type Attribute,
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

/** Attributes that put all their values into one matcher need no further OR around it. */
const WHOLE: ReadonlySet<unknown> = new Set([
  PRINCIPALS['request.auth.principal'],
  PRINCIPALS['request.auth.audiences'],
  PRINCIPALS['request.auth.presenter'],
]);

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
  conditions: readonly (Condition<T> & { readonly whole: boolean })[],
  logic: Logic<T>,
  options: RuleOptions,
): readonly T[] | undefined {
  const found: T[] = [];
  for (const { attribute, values, notValues, whole } of conditions) {
    for (const [list, negated] of [
      [values, false],
      [notValues, true],
    ] as const) {
      if (list.length === 0) continue;
      const made = attribute(list, { ...options, restricts: negated === options.allows });
      const known = made.filter(m => m !== undefined);
      if (known.length < made.length && options.allows) return undefined;
      const [first] = known;
      if (first === undefined) continue;
      const any = whole ? first : logic.or(known);
      found.push(negated ? logic.not(any) : any);
    }
  }
  return found;
}

const isWhole = (key: string): boolean =>
  key.startsWith('request.auth.') || key.startsWith('experimental.envoy.filters.');

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

/** The RBAC policy of a rule; undefined where it cannot be had on these terms (istio: authz model.New and Generate). */
export function rbacPolicy(rule: Rule, options: RuleOptions): Policy | undefined {
  const { trustDomains } = options;
  const whenPrincipals: (Condition<Principal> & { readonly whole: boolean })[] = [];
  const whenPermissions: (Condition<Permission> & { readonly whole: boolean })[] = [];
  for (const { key = '', values, notValues } of rule.when ?? []) {
    const migrate = (list: readonly string[] | undefined) => {
      if (list && key === 'source.principal') return withAliases(list, trustDomains);
      return list && key === 'source.trustDomain' ? expandDomains(list, trustDomains) : list;
    };
    const whole = isWhole(key);
    const permission = permissionAttribute(key);
    const principal = principalAttribute(key);
    if (permission) whenPermissions.push(...condition(permission, values, notValues).map(c => ({ ...c, whole })));
    else if (principal) {
      const migrated = condition(principal, migrate(values), migrate(notValues));
      whenPrincipals.push(...migrated.map(c => ({ ...c, whole })));
    } else if (options.allows) return undefined;
  }
  const froms = rule.from?.length ? rule.from : [{}];
  const tos = rule.to?.length ? rule.to : [{}];
  const principals: Principal[] = [];
  for (const { source } of froms) {
    const own = sourceConditions(source, trustDomains).map(c => ({ ...c, whole: WHOLE.has(c.attribute) }));
    const ids = matchersOf([...own, ...whenPrincipals], PRINCIPAL, options);
    if (!ids) return undefined;
    principals.push({ and_ids: { ids: ids.length > 0 ? ids : [{ any: true }] } });
  }
  const permissions: Permission[] = [];
  for (const { operation: o } of tos) {
    const own = [
      ...condition(PERMISSIONS.hosts, o?.hosts, o?.notHosts),
      ...condition(PERMISSIONS.methods, o?.methods, o?.notMethods),
      ...condition(PERMISSIONS.paths, o?.paths, o?.notPaths),
      ...condition(PERMISSIONS['destination.port'], o?.ports, o?.notPorts),
    ].map(c => ({ ...c, whole: false }));
    const rules = matchersOf([...own, ...whenPermissions], PERMISSION, options);
    if (!rules) return undefined;
    permissions.push({ and_rules: { rules: rules.length > 0 ? rules : [{ any: true }] } });
  }
  return { permissions, principals };
}
