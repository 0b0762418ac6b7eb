import type { AuthorizationPolicy } from '../../istio/config.ts';
import type { ObjectMeta } from '../../istio/object.ts';
import {
  AuthorizationPolicy_Action as Action,
  type Rule,
  type AuthorizationPolicy as Spec,
} from '../../proto/generated/istio/security/v1beta1.ts';
import type { Closed, Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { each, type Report } from '../report.ts';
import { checkAttachment, widestAttachment } from '../selector.ts';
import { dryRun, parseIstio } from './istio.ts';
import { checkCondition, checkOperation, checkSource } from './rule.ts';
import { narrowest, widest } from './rule-bounds.ts';
import { withNegated } from './rule-lists.ts';

/**
 * Reads an AuthorizationPolicy. What cannot be read never allows a request. An ALLOW goes on without the values, sources, operations and rules
 * that are wrong, as long as a rule is left. Any other policy in which something is wrong is invalid, and closed.
 */
export const parseAuthorizationPolicy = (raw: RawObject): Parsed<AuthorizationPolicy> =>
  parseIstio('AuthorizationPolicy', 'istio.security.v1beta1.AuthorizationPolicy', raw, check, close);

function check(spec: Spec, report: Report, meta: ObjectMeta): Spec {
  const { action = Action.ALLOW, rules, provider } = spec;
  checkAttachment(spec, 'spec', report);
  checkDryRun(meta.annotations['istio.io/dry-run'], action, report);
  if (action === Action.CUSTOM && !provider?.name) report.error('spec.provider.name', 'action CUSTOM needs it');
  if (action !== Action.CUSTOM && provider) report.error('spec.provider', 'it is for action CUSTOM only');
  each(rules, 'spec.rules', (rule, at) => checkRule(rule, action, at, report));
  if (action === Action.ALLOW) {
    return { ...spec, rules: report.keepSome(rules, 'spec.rules', (rule, at) => narrowest(rule, at, report)) };
  }
  if (rules || report.failed('spec.rules')) return spec;
  if (action !== Action.AUDIT) {
    report.error('spec.rules', 'without rules it never applies; `rules: [{}]` applies always');
  }
  return { ...spec, rules: [] };
}

type Close = Closed<AuthorizationPolicy> | undefined;

/** The most that the policy may forbid, and the least that it may allow. */
function close(policy: AuthorizationPolicy, report: Report, last: AuthorizationPolicy | undefined): Close {
  const { action = Action.ALLOW, rules = [] } = policy.spec;
  const attachment = widestAttachment(policy.spec, 'spec', report);
  const rehearsal = report.failed(dryRun);
  const right = rules.filter((_, i) => !report.failed(`spec.rules[${i}]`));
  const widened = rules.map((rule, i) => widest(rule, `spec.rules[${i}]`, report));
  // Where a rule is no rule, or the list is none, there may have been any.
  const lost = !policy.spec.rules || report.misses('spec.rules');
  for (const field of ['selector', 'targetRef', 'targetRefs', 'rules']) report.absorb(`spec.${field}`);
  const unknown = report.failed('spec');
  if (last) return attachment || rehearsal || unknown ? undefined : besideLast(policy, right, last);
  const closed = (fields: Partial<Spec>, meaning: string): Closed<AuthorizationPolicy> => {
    const own = rehearsal ? withoutRehearsal(policy) : policy;
    return { value: { ...own, spec: { ...policy.spec, ...attachment, ...fields } }, meaning };
  };
  // What is wrong may be the action itself: it is, it contradicts the provider, or it is the field that we do not know.
  if (report.failed('spec.action') || (unknown && action === Action.ALLOW)) {
    const all = { action: Action.DENY, provider: undefined, rules: [{}] };
    return closed(all, 'whether it allows or denies cannot be read: everything is denied');
  }
  if (action !== Action.ALLOW) {
    const all = lost || (unknown && !rules.length) ? [...widened, {}] : widened;
    const meaning = all.some((rule, i) => isForAll(rule) && rule !== rules[i])
      ? 'nothing can be read of one of its rules, which counts as met: it is for every request'
      : 'what cannot be read of it counts as met: it is for more requests than it says';
    return closed({ rules: all }, meaning);
  }
  if (!attachment && !rehearsal) return closed({ rules: right }, 'no rule of it can be read: it allows nothing');
  const meaning = 'for whom it is cannot be read: beside other ALLOW policies it allows nothing';
  const { value } = closed({ rules: right }, meaning);
  return { value: { ...value, onlyRestricts: true }, meaning };
}

/** What is right of a policy that forbids, and what its last valid version forbids. */
function besideLast(policy: AuthorizationPolicy, right: readonly Rule[], last: AuthorizationPolicy): Close {
  const { action = Action.ALLOW } = policy.spec;
  if (action === Action.ALLOW || last.spec.action !== action) return undefined;
  const texts = new Set(right.map(rule => JSON.stringify(rule)));
  const before = (last.spec.rules ?? []).filter(rule => !texts.has(JSON.stringify(rule)));
  const meaning = 'its valid rules are in force, and beside them those of its last valid version';
  return { value: { ...policy, spec: { ...policy.spec, rules: [...right, ...before] } }, meaning };
}

const isEmpty = (lists: object | undefined): boolean =>
  !Object.values(lists ?? {}).some((list: readonly string[] | undefined) => list?.length);

/** Whether a rule is for every request: one without conditions. */
const isForAll = ({ from, to, when }: Rule): boolean =>
  !when?.length &&
  (!from?.length || from.some(({ source }) => isEmpty(source))) &&
  (!to?.length || to.some(({ operation }) => isEmpty(operation)));

function withoutRehearsal({ meta, ...policy }: AuthorizationPolicy): AuthorizationPolicy {
  const { 'istio.io/dry-run': _, ...annotations } = meta.annotations;
  return { ...policy, meta: { ...meta, annotations } };
}

function checkDryRun(value: string | undefined, action: Action, report: Report): void {
  if (value === undefined) return;
  if (action !== Action.ALLOW && action !== Action.DENY)
    report.error(dryRun, 'it is for the actions ALLOW and DENY only');
  else if (!/^(?:1|0|t|f|true|false)$/i.test(value)) report.error(dryRun, `"${value}" is neither true nor false`);
}

function checkRule(rule: Rule, action: Action, path: string, report: Report): void {
  const custom = action === Action.CUSTOM;
  each(rule.from, `${path}.from`, ({ source }, at) => checkSource(source, custom, `${at}.source`, report));
  each(rule.to, `${path}.to`, ({ operation }, at) => checkOperation(operation, `${at}.operation`, report));
  each(rule.when, `${path}.when`, (condition, at) => checkCondition(condition, custom, at, report));
  if (action === Action.DENY && deniesAllTcp(rule)) {
    report.warning(path, 'of HTTP attributes only: it denies all TCP traffic too; name the ports');
  }
}

/** On TCP the HTTP attributes of a DENY rule are not known, and what is not known is denied. */
function deniesAllTcp({ from, to }: Rule): boolean {
  const tcp = withNegated(['principals', 'ipBlocks', 'namespaces', 'remoteIpBlocks', 'serviceAccounts']);
  const fromTcp = from?.some(({ source }) => tcp.some(list => source?.[list]));
  const toTcp = to?.some(({ operation }) => operation?.ports || operation?.notPorts);
  return to ? !toTcp : Boolean(from) && !fromTcp;
}
