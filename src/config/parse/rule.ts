import type { Condition, Source } from '../../proto/generated/istio/security/v1beta1.ts';
import { checkSubnet } from '../address.ts';
import type { Report } from '../report.ts';
import { warnOfCondition, warnOfValues } from './doubtful-value.ts';

type Values = readonly string[] | undefined;
type Check = (values: Values, path: string, report: Report) => void;

/** Reports empty values: they would match nothing, or everything. */
export const checkNotEmpty: Check = (values, path, report) => {
  for (const [i, value] of (values ?? []).entries()) if (!value) report.error(`${path}[${i}]`, 'it must not be empty');
};

const checkSubnets: Check = (values, path, report) => {
  for (const [i, value] of (values ?? []).entries()) checkSubnet(value, `${path}[${i}]`, report);
};

/** Reports what is not the number of a port, in the policies' own form: text, and 0 is possible. */
export const checkPorts: Check = (values, path, report) => {
  for (const [i, value] of (values ?? []).entries()) {
    if (!/^\d+$/.test(value) || Number(value) > 65535) report.error(`${path}[${i}]`, `"${value}" is not a port`);
  }
};

const checkServiceAccounts: Check = (values, path, report) => {
  if ((values?.length ?? 0) > 16) report.error(path, 'there are more than 16');
  for (const [i, value] of (values ?? []).entries()) {
    if (!/^(?:[^/*]+\/)?[^/*]+$/.test(value) || value.length > 320) {
      report.error(`${path}[${i}]`, `"${value}" is not the name of a service account, or namespace/name`);
    }
  }
};

const checkWildcards: Check = (values, path, report) => {
  checkNotEmpty(values, path, report);
  for (const [i, value] of (values ?? []).entries()) {
    if ((value !== '*' && /.\*./.test(value)) || (value.match(/\*/g)?.length ?? 0) > 1) {
      report.error(`${path}[${i}]`, `"${value}": one * at the beginning or the end is possible`);
    }
  }
};

const checkTrustDomains: Check = (values, path, report) => {
  checkWildcards(values, path, report);
  for (const [i, value] of (values ?? []).entries()) {
    if (value.includes('/')) report.error(`${path}[${i}]`, `"${value}" is not a trust domain`);
  }
};

/** Reports paths with templates that Envoy refuses: `{*}` is one segment, `{**}` the rest. */
export const checkPathTemplates: Check = (values, path, report) => {
  for (const [i, value] of (values ?? []).entries()) {
    const template = value.includes('{*}') || value.includes('{**}');
    const segments = value.replace(/^\/+|\/+$/g, '').split('/');
    const rest = segments.indexOf('{**}');
    if (rest >= 0 && segments.slice(rest + 1).some(segment => /^\{\*\*?\}$/.test(segment))) {
      report.error(`${path}[${i}]`, `"${value}": nothing can be matched after {**}`);
      continue;
    }
    const wrong = segments.find(segment =>
      /^\{\*\*?\}$/.test(segment)
        ? false
        : /[{}]/.test(segment) || (template && !/^[\w\-.~%!$&'()+,;:@=]+$/.test(segment)),
    );
    if (wrong !== undefined) report.error(`${path}[${i}]`, `"${value}": "${wrong}" is not a segment of a path`);
  }
};

/** How each list of a source is checked, and whether an external authorizer can be asked by it. */
const sourceLists: Readonly<Record<keyof Source, { readonly check: Check; readonly custom: boolean }>> = {
  principals: { check: checkNotEmpty, custom: false },
  notPrincipals: { check: checkNotEmpty, custom: false },
  requestPrincipals: { check: checkNotEmpty, custom: false },
  notRequestPrincipals: { check: checkNotEmpty, custom: false },
  namespaces: { check: checkNotEmpty, custom: false },
  notNamespaces: { check: checkNotEmpty, custom: false },
  serviceAccounts: { check: checkServiceAccounts, custom: false },
  notServiceAccounts: { check: checkServiceAccounts, custom: false },
  trustDomains: { check: checkTrustDomains, custom: false },
  notTrustDomains: { check: checkTrustDomains, custom: false },
  ipBlocks: { check: checkSubnets, custom: true },
  notIpBlocks: { check: checkSubnets, custom: true },
  remoteIpBlocks: { check: checkSubnets, custom: true },
  notRemoteIpBlocks: { check: checkSubnets, custom: true },
};

/** Reports a source that matches nothing or everything, or that an external authorizer cannot be asked by. */
export function checkSource(source: Source | undefined, custom: boolean, path: string, report: Report): void {
  if (!source || !Object.values(source).some((values: Values) => values?.length)) {
    report.error(path, 'it must not be empty');
    return;
  }
  const others = ['principals', 'notPrincipals', 'namespaces', 'notNamespaces'] as const;
  if (source.serviceAccounts?.length || source.notServiceAccounts?.length) {
    for (const field of others) {
      if (source[field]?.length) report.error(`${path}.${field}`, 'it cannot stand beside serviceAccounts');
    }
  }
  for (const [field, row] of Object.entries(sourceLists)) {
    const values = source[field as keyof Source];
    if (custom && !row.custom && values?.length) report.error(`${path}.${field}`, 'not with action CUSTOM');
    row.check(values, `${path}.${field}`, report);
  }
  warnOfValues(source, path, report);
}

const noCheck: Check = () => {};
const checkKey = /^[^[]+\[.+\]$/s;

/** The attributes that conditions can be about; names that end in `[` have a key in brackets. */
const attributes: Readonly<Record<string, { readonly check: Check; readonly custom: boolean }>> = {
  'request.headers[': { check: noCheck, custom: true },
  'source.ip': { check: checkSubnets, custom: true },
  'remote.ip': { check: checkSubnets, custom: true },
  'source.namespace': { check: noCheck, custom: false },
  'source.serviceAccount': { check: checkServiceAccounts, custom: false },
  'source.principal': { check: noCheck, custom: false },
  'source.trustDomain': { check: checkWildcards, custom: false },
  'request.auth.principal': { check: noCheck, custom: false },
  'request.auth.audiences': { check: noCheck, custom: false },
  'request.auth.presenter': { check: noCheck, custom: false },
  'request.auth.claims[': { check: noCheck, custom: false },
  'destination.ip': { check: checkSubnets, custom: true },
  'destination.port': { check: checkPorts, custom: true },
  'connection.sni': { check: noCheck, custom: true },
  'experimental.envoy.filters.': { check: noCheck, custom: true },
};

/** What to write instead of attributes that Istio no longer has, or that are almost right. */
function instead(key: string): string {
  if (/^destination\.(?:labels|namespace|name|user)\b/.test(key))
    return ': the selector and the namespace of the policy say for whom it is';
  if (/^request\.(?:host|path|method)/.test(key)) return ': "to" says it of hosts, paths and methods';
  return `; known are ${Object.keys(attributes)
    .map(name => (name.endsWith('[') ? `${name}NAME]` : name))
    .join(', ')}`;
}

/** Reports a condition about an attribute that is not known, or with values that it cannot have. */
export function checkCondition(condition: Condition, custom: boolean, path: string, report: Report): void {
  const { key = '', values, notValues } = condition;
  const name = Object.keys(attributes).find(known => (/[[.]$/.test(known) ? key.startsWith(known) : key === known));
  const attribute = name === undefined ? undefined : attributes[name];
  if (!attribute || (name !== key && !checkKey.test(key))) {
    report.error(`${path}.key`, key ? `"${key}" is not an attribute that is known${instead(key)}` : 'it is needed');
    return;
  }
  if (custom && !attribute.custom) report.error(`${path}.key`, `"${key}": not with action CUSTOM`);
  if (!values?.length && !notValues?.length) report.error(path, 'one of values and notValues is needed');
  for (const [field, list] of Object.entries({ values, notValues })) {
    checkNotEmpty(list, `${path}.${field}`, report);
    attribute.check(list, `${path}.${field}`, report);
  }
  warnOfCondition(condition, path, report);
}
