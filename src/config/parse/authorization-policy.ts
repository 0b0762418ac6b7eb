import type { AuthorizationPolicy } from '../../model/config.ts';
import type { ObjectMeta } from '../../model/object.ts';
import {
  AuthorizationPolicy_Action as Action,
  type Operation,
  type Rule,
  type AuthorizationPolicy as Spec,
} from '../../proto/generated/istio/security/v1beta1.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';
import { checkAttachment } from '../selector.ts';
import { dryRun, parseIstio } from './istio.ts';
import { checkCondition, checkNotEmpty, checkPathTemplates, checkPorts, checkSource } from './rule.ts';

/** Reads an AuthorizationPolicy. A policy in which anything is wrong is invalid as a whole: half of it would allow or deny something else. */
export const parseAuthorizationPolicy = (raw: RawObject): Parsed<AuthorizationPolicy> =>
  parseIstio('AuthorizationPolicy', 'istio.security.v1beta1.AuthorizationPolicy', raw, check);

function check(spec: Spec, report: Report, meta: ObjectMeta): Spec {
  const { action = Action.ALLOW, rules, provider } = spec;
  checkAttachment(spec, 'spec', report);
  checkDryRun(meta.annotations['istio.io/dry-run'], action, report);
  if (!rules && (action === Action.DENY || action === Action.CUSTOM)) {
    report.error('spec.rules', 'without rules it never applies; `rules: [{}]` applies always');
  }
  if (action === Action.CUSTOM && !provider?.name) report.error('spec.provider.name', 'action CUSTOM needs it');
  if (action !== Action.CUSTOM && provider) report.error('spec.provider', 'it is for action CUSTOM only');
  for (const [i, rule] of (rules ?? []).entries()) checkRule(rule, action, `spec.rules[${i}]`, report);
  return spec;
}

function checkDryRun(value: string | undefined, action: Action, report: Report): void {
  if (value === undefined) return;
  if (action !== Action.ALLOW && action !== Action.DENY)
    report.error(dryRun, 'it is for the actions ALLOW and DENY only');
  else if (!/^(?:1|0|t|f|true|false)$/i.test(value)) report.error(dryRun, `"${value}" is neither true nor false`);
}

function checkRule(rule: Rule, action: Action, path: string, report: Report): void {
  const custom = action === Action.CUSTOM;
  if (rule.from?.length === 0) report.error(`${path}.from`, 'it must not be empty');
  for (const [i, { source }] of (rule.from ?? []).entries()) {
    checkSource(source, custom, `${path}.from[${i}].source`, report);
  }
  if (rule.to?.length === 0) report.error(`${path}.to`, 'it must not be empty');
  for (const [i, { operation }] of (rule.to ?? []).entries()) {
    checkOperation(operation, `${path}.to[${i}].operation`, report);
  }
  for (const [i, condition] of (rule.when ?? []).entries()) {
    checkCondition(condition, custom, `${path}.when[${i}]`, report);
  }
  if (action === Action.DENY && deniesAllTcp(rule)) {
    report.warning(path, 'of HTTP attributes only: it denies all TCP traffic too; name the ports');
  }
}

/** On TCP the HTTP attributes of a DENY rule are not known, and what is not known is denied. */
function deniesAllTcp({ from, to }: Rule): boolean {
  const tcp = ['principals', 'ipBlocks', 'namespaces', 'remoteIpBlocks', 'serviceAccounts'] as const;
  const negated = ['notPrincipals', 'notIpBlocks', 'notNamespaces', 'notRemoteIpBlocks', 'notServiceAccounts'] as const;
  const fromTcp = from?.some(({ source }) => [...tcp, ...negated].some(field => source?.[field]));
  const toTcp = to?.some(({ operation }) => operation?.ports || operation?.notPorts);
  return to ? !toTcp : Boolean(from) && !fromTcp;
}

const lists = ['hosts', 'ports', 'methods', 'paths', 'notHosts', 'notPorts', 'notMethods', 'notPaths'] as const;

function checkOperation(operation: Operation | undefined, path: string, report: Report): void {
  if (!operation || !lists.some(field => operation[field]?.length)) {
    report.error(path, 'it must not be empty');
    return;
  }
  for (const field of lists) checkNotEmpty(operation[field], `${path}.${field}`, report);
  for (const field of ['ports', 'notPorts'] as const) checkPorts(operation[field], `${path}.${field}`, report);
  for (const field of ['paths', 'notPaths'] as const) checkPathTemplates(operation[field], `${path}.${field}`, report);
}
