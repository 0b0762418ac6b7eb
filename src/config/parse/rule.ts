import type { Condition, Operation, Source } from '../../proto/generated/istio/security/v1beta1.ts';
import { subnetFault } from '../address.ts';
import { each, type Report } from '../report.ts';
import { warnOfCondition, warnOfValues } from './doubtful-value.ts';
import { negated, operationLists, sourceLists, withNegated } from './rule-lists.ts';

type Values = readonly string[] | undefined;

/** What is wrong with a value; undefined where nothing is. */
type Fault = (value: string) => string | undefined;

/** Empty values would match nothing, or everything. */
const emptyFault: Fault = value => (value ? undefined : 'it must not be empty');

/** The policies' own form of ports: text, and 0 is possible. */
const portFault: Fault = value =>
  /^\d+$/.test(value) && Number(value) <= 65535 ? undefined : `"${value}" is not a port`;

const serviceAccountFault: Fault = value =>
  /^(?:[^/*]+\/)?[^/*]+$/.test(value) && value.length <= 320
    ? undefined
    : `"${value}" is not the name of a service account, or namespace/name`;

const wildcardFault: Fault = value =>
  (value !== '*' && /.\*./.test(value)) || (value.match(/\*/g)?.length ?? 0) > 1
    ? `"${value}": one * at the beginning or the end is possible`
    : undefined;

const trustDomainFault: Fault = value => (value.includes('/') ? `"${value}" is not a trust domain` : undefined);

/** Of paths with templates that Envoy refuses: `{*}` is one segment, `{**}` the rest. */
const pathFault: Fault = value => {
  const template = value.includes('{*}') || value.includes('{**}');
  const segments = value.replace(/^\/+|\/+$/g, '').split('/');
  const rest = segments.indexOf('{**}');
  if (rest >= 0 && segments.slice(rest + 1).some(segment => /^\{\*\*?\}$/.test(segment))) {
    return `"${value}": nothing can be matched after {**}`;
  }
  const wrong = segments.find(segment =>
    /^\{\*\*?\}$/.test(segment)
      ? false
      : /[{}]/.test(segment) || (template && !/^[\w\-.~%!$&'()+,;:@=]+$/.test(segment)),
  );
  return wrong === undefined ? undefined : `"${value}": "${wrong}" is not a segment of a path`;
};

/** How the values of a list are checked. */
interface Checks {
  readonly faults: readonly Fault[];
  readonly most?: number;
  /** Whether an external authorizer can be asked by it. */
  readonly custom: boolean;
}

function checkValues(
  values: Values,
  { faults, most = Infinity }: Pick<Checks, 'faults' | 'most'>,
  path: string,
  report: Report,
): void {
  if (values && values.length > most) report.error(path, `there are more than ${most}`);
  for (const fault of faults) {
    each(values, path, (value, at) => {
      const message = fault(value);
      if (message) report.error(at, message);
    });
  }
}

const notEmpty: Checks = { faults: [emptyFault], custom: false };
const anything: Checks = { faults: [], custom: false };
const accounts: Checks = { faults: [serviceAccountFault], most: 16, custom: false };
const subnets: Checks = { faults: [subnetFault], custom: true };
const customToo = (checks: Checks): Checks => ({ ...checks, custom: true });

const ofSource: Readonly<Record<(typeof sourceLists)[number], Checks>> = {
  principals: notEmpty,
  requestPrincipals: notEmpty,
  namespaces: notEmpty,
  serviceAccounts: accounts,
  trustDomains: { faults: [emptyFault, wildcardFault, trustDomainFault], custom: false },
  ipBlocks: subnets,
  remoteIpBlocks: subnets,
};

/** Reports a source that matches nothing or everything, or that an external authorizer cannot be asked by. */
export function checkSource(source: Source | undefined, custom: boolean, path: string, report: Report): void {
  if (!source || !Object.values(source).some((values: Values) => values?.length)) {
    report.error(path, 'it must not be empty');
    return;
  }
  if (source.serviceAccounts?.length || source.notServiceAccounts?.length) {
    for (const list of withNegated(['principals', 'namespaces'])) {
      if (source[list]?.length) report.error(`${path}.${list}`, 'it cannot stand beside serviceAccounts');
    }
  }
  for (const name of sourceLists) {
    for (const list of [name, negated(name)]) {
      const values = source[list];
      if (custom && !ofSource[name].custom && values?.length) report.error(`${path}.${list}`, 'not with action CUSTOM');
      checkValues(values, ofSource[name], `${path}.${list}`, report);
    }
  }
  warnOfValues(source, path, report);
}

/** Reports an operation that matches nothing or everything. */
export function checkOperation(operation: Operation | undefined, path: string, report: Report): void {
  const all = [...operationLists, ...operationLists.map(negated)];
  if (!operation || !all.some(list => operation[list]?.length)) {
    report.error(path, 'it must not be empty');
    return;
  }
  for (const list of all) checkValues(operation[list], notEmpty, `${path}.${list}`, report);
  for (const list of withNegated(['ports'])) {
    checkValues(operation[list], { faults: [portFault] }, `${path}.${list}`, report);
  }
  for (const list of withNegated(['paths'])) {
    checkValues(operation[list], { faults: [pathFault] }, `${path}.${list}`, report);
  }
  warnOfValues(operation, path, report);
}

const keyed = /^[^[]+\[.+\]$/s;

/** The attributes that conditions can be about; names that end in `[` have a key in brackets. */
const attributes: Readonly<Record<string, Checks>> = {
  'request.headers[': customToo(anything),
  'source.ip': subnets,
  'remote.ip': subnets,
  'source.namespace': anything,
  'source.serviceAccount': accounts,
  'source.principal': anything,
  'source.trustDomain': { faults: [wildcardFault], custom: false },
  'request.auth.principal': anything,
  'request.auth.audiences': anything,
  'request.auth.presenter': anything,
  'request.auth.claims[': anything,
  'destination.ip': subnets,
  'destination.port': { faults: [portFault], custom: true },
  'connection.sni': customToo(anything),
  'experimental.envoy.filters.': customToo(anything),
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
  if (!attribute || (name !== key && !keyed.test(key))) {
    report.error(`${path}.key`, key ? `"${key}" is not an attribute that is known${instead(key)}` : 'it is needed');
    return;
  }
  if (custom && !attribute.custom) report.error(`${path}.key`, `"${key}": not with action CUSTOM`);
  if (!values?.length && !notValues?.length) report.error(path, 'one of values and notValues is needed');
  for (const [field, list] of Object.entries({ values, notValues })) {
    checkValues(list, notEmpty, `${path}.${field}`, report);
    checkValues(list, attribute, `${path}.${field}`, report);
  }
  warnOfCondition(condition, path, report);
}
