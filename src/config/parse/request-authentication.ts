import type { RequestAuthentication } from '../../model/config.ts';
import type { JWTRule } from '../../proto/generated/istio/security/v1beta1.ts';
import { checkDuration } from '../duration.ts';
import { checkHeaderText, isHeaderName } from '../header.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { isFields } from '../read.ts';
import type { Report } from '../report.ts';
import { checkAttachment } from '../selector.ts';
import { parseIstio } from './istio.ts';

/** Reads a RequestAuthentication. A policy in which anything is wrong is invalid as a whole. */
export const parseRequestAuthentication = (raw: RawObject): Parsed<RequestAuthentication> =>
  parseIstio('RequestAuthentication', 'istio.security.v1beta1.RequestAuthentication', raw, (spec, report) => {
    checkAttachment(spec, 'spec', report);
    for (const [i, rule] of (spec.jwtRules ?? []).entries()) checkRule(rule, `spec.jwtRules[${i}]`, report);
    return spec;
  });

function checkRule(rule: JWTRule, path: string, report: Report): void {
  if (!rule.issuer && !rule.jwksUri) report.error(`${path}.issuer`, 'one of issuer and jwksUri is needed');
  if (rule.jwksUri && !isHttpUrl(rule.jwksUri))
    report.error(`${path}.jwksUri`, `"${rule.jwksUri}" is not an http(s) URL`);
  if (rule.jwks) checkJwks(rule.jwks, `${path}.jwks`, report);
  for (const field of ['audiences', 'fromParams', 'fromCookies'] as const) {
    for (const [i, value] of (rule[field] ?? []).entries()) {
      if (!value) report.error(`${path}.${field}[${i}]`, 'it must not be empty');
    }
  }
  for (const [i, { name = '' }] of (rule.fromHeaders ?? []).entries()) {
    if (!isHeaderName(name)) report.error(`${path}.fromHeaders[${i}].name`, `"${name}" is no header's name`);
  }
  for (const [i, { header = '', claim }] of (rule.outputClaimToHeaders ?? []).entries()) {
    const at = `${path}.outputClaimToHeaders[${i}]`;
    if (!claim) report.error(`${at}.claim`, 'it must not be empty');
    if (!/^[-_A-Za-z0-9]+$/.test(header)) report.error(`${at}.header`, `"${header}" is no header's name`);
  }
  if (rule.outputPayloadToHeader && !isHeaderName(rule.outputPayloadToHeader)) {
    report.error(`${path}.outputPayloadToHeader`, `"${rule.outputPayloadToHeader}" is no header's name`);
  }
  for (const [i, { prefix }] of (rule.fromHeaders ?? []).entries()) {
    checkHeaderText(prefix, `${path}.fromHeaders[${i}].prefix`, report);
  }
  checkDuration(rule.timeout, `${path}.timeout`, report);
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'http:' || url?.protocol === 'https:';
}

/** A key set, or a single key. Private keys would be sent to every proxy, so they are worth a warning. */
function checkJwks(text: string, path: string, report: Report): void {
  let keys: unknown;
  try {
    const set: unknown = JSON.parse(text);
    keys = isFields(set) && 'keys' in set ? set['keys'] : [set];
  } catch {
    report.error(path, 'not JSON');
    return;
  }
  if (!Array.isArray(keys)) {
    report.error(path, '"keys" is not a list');
    return;
  }
  keys.forEach((key: unknown, i) => {
    if (!isFields(key) || typeof key['kty'] !== 'string') report.error(path, `key ${i} has no "kty"`);
    else if ('d' in key || key['kty'] === 'oct')
      report.warning(path, `key ${i} is private; only public ones are needed`);
  });
}
