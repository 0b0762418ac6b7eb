import type { RequestAuthentication } from '../../istio/config.ts';
import type { JWTRule, RequestAuthentication as Spec } from '../../proto/generated/istio/security/v1beta1.ts';
import { checkDuration } from '../duration.ts';
import { checkHeaderText, isHeaderName } from '../header.ts';
import { checkJwks, NO_KEYS } from '../jwks.ts';
import type { Closed, Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';
import { checkAttachment, widestAttachment } from '../selector.ts';
import { parseIstio } from './istio.ts';

/**
 * Reads a RequestAuthentication. What cannot be read never makes a token valid. One of several audiences and places of tokens is left out, and
 * so is what is told of a valid token; anything else that is wrong makes the policy invalid, and it is closed.
 */
export const parseRequestAuthentication = (raw: RawObject): Parsed<RequestAuthentication> =>
  parseIstio('RequestAuthentication', 'istio.security.v1beta1.RequestAuthentication', raw, check, close);

function check(spec: Spec, report: Report): Spec {
  checkAttachment(spec, 'spec', report);
  warnOfSameIssuers(spec.jwtRules ?? [], report);
  return { ...spec, jwtRules: spec.jwtRules?.map((rule, i) => checkRule(rule, `spec.jwtRules[${i}]`, report)) };
}

/** A claim that no token has: its header is still taken from requests that bring it along. */
const NO_CLAIM = 'pilotlight.invalid/unreadable';

function checkRule(rule: JWTRule, path: string, report: Report): JWTRule {
  if (!rule.issuer && !rule.jwksUri) report.error(`${path}.issuer`, 'one of issuer and jwksUri is needed');
  if (rule.jwksUri && !isHttpUrl(rule.jwksUri)) {
    report.error(`${path}.jwksUri`, `"${rule.jwksUri}" is not an http(s) URL`);
  }
  if (rule.jwks) checkJwks(rule.jwks, `${path}.jwks`, report);
  if (rule.jwks && rule.jwksUri) report.warning(`${path}.jwksUri`, 'it is not asked: jwks has the keys');
  const notEmpty = (value: string, at: string): string => {
    if (!value) report.error(at, 'it must not be empty');
    return value;
  };
  const audiences = report.keepSome(rule.audiences, `${path}.audiences`, notEmpty);
  const fromParams = report.keepSome(rule.fromParams, `${path}.fromParams`, notEmpty);
  const fromCookies = report.keepSome(rule.fromCookies, `${path}.fromCookies`, notEmpty);
  const fromHeaders = report.keepSome(rule.fromHeaders, `${path}.fromHeaders`, (header, at) => {
    if (!isHeaderName(header.name ?? '')) report.error(`${at}.name`, `"${header.name ?? ''}" is no header's name`);
    checkHeaderText(header.prefix, `${at}.prefix`, report);
    return header;
  });
  const outputClaimToHeaders = report.keep(rule.outputClaimToHeaders, `${path}.outputClaimToHeaders`, (output, at) => {
    const { header = '', claim } = output;
    if (!/^[-_A-Za-z0-9]+$/.test(header)) report.error(`${at}.header`, `"${header}" is no header's name`);
    if (claim) return output;
    report.error(`${at}.claim`, 'it must not be empty');
    report.absorb(`${at}.claim`);
    return { header, claim: NO_CLAIM };
  });
  if (rule.outputPayloadToHeader && !isHeaderName(rule.outputPayloadToHeader)) {
    report.error(`${path}.outputPayloadToHeader`, `"${rule.outputPayloadToHeader}" is no header's name`);
  }
  checkDuration(rule.timeout, `${path}.timeout`, report);
  const read = { ...rule, audiences, fromParams, fromCookies, fromHeaders, outputClaimToHeaders };
  return report.without(read, path, [
    'outputPayloadToHeader',
    'timeout',
    'spaceDelimitedClaims',
    'forwardOriginalToken',
  ]);
}

/** A token of an issuer is valid if the keys and audiences of either rule say so, and its places are those of both. */
function warnOfSameIssuers(rules: readonly JWTRule[], report: Report): void {
  const seen = new Set<string>();
  for (const [i, { issuer }] of rules.entries()) {
    if (!issuer) continue;
    if (seen.has(issuer))
      report.warning(`spec.jwtRules[${i}].issuer`, `another rule is for "${issuer}": a token is valid by either`);
    seen.add(issuer);
  }
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'http:' || url?.protocol === 'https:';
}

/** The tokens of what cannot be read are looked for, and all of them are refused, unless its last valid version says how to check them. */
function close(
  policy: RequestAuthentication,
  report: Report,
  last: RequestAuthentication | undefined,
): Closed<RequestAuthentication> | undefined {
  const { spec } = policy;
  const attachment = widestAttachment(spec, 'spec', report);
  for (const field of ['selector', 'targetRef', 'targetRefs']) report.absorb(`spec.${field}`);
  const right = (spec.jwtRules ?? []).filter((_, i) => !report.failed(`spec.jwtRules[${i}]`));
  const closed = (spec.jwtRules ?? []).map((rule, i) => {
    const path = `spec.jwtRules[${i}]`;
    const refusing = attachment || report.failed(path) ? refusingAll(rule, path, report) : rule;
    report.absorb(path);
    return refusing;
  });
  const missing = report.failed('spec.jwtRules');
  report.absorb('spec.jwtRules');
  if (last) {
    if (attachment || report.failed('spec')) return undefined;
    const issuers = new Set(right.map(rule => rule.issuer));
    const before = (last.spec.jwtRules ?? []).filter(({ issuer }) => !issuers.has(issuer));
    const value = { ...policy, spec: { ...spec, jwtRules: [...right, ...before] } };
    return { value, meaning: 'its valid rules are in force, and for other issuers those of its last valid version' };
  }
  // A rule that is none, or what may have been one: the tokens of whomever else are refused.
  const jwtRules = missing || report.failed('spec') ? [...closed, { jwks: NO_KEYS }] : closed;
  const value = { ...policy, spec: { ...spec, ...attachment, jwtRules } };
  return { value, meaning: 'the tokens of the rules that cannot be read are refused' };
}

function refusingAll(rule: JWTRule, path: string, report: Report): JWTRule {
  const readable = report.without(rule, path, ['fromHeaders', 'fromParams', 'fromCookies', 'audiences']);
  return { ...readable, jwks: NO_KEYS, jwksUri: undefined };
}
