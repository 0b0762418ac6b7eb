/**
 * Values of AuthorizationPolicies that are allowed and hardly mean what they say: most match nothing. istiod takes them without a word.
 */

import { isIP } from 'node:net';
import type { Condition, Operation, Source } from '../../proto/generated/istio/security/v1beta1.ts';
import { isHeaderName } from '../header.ts';
import { each, type Report } from '../report.ts';
import { negated } from './rule-lists.ts';

/** Why a value matches nothing, or other things than it seems to, and what may be meant; undefined where nothing is strange. */
type Doubt = (value: string) => string | undefined;

const first =
  (...doubts: readonly Doubt[]): Doubt =>
  value => {
    for (const doubt of doubts) {
      const found = doubt(value);
      if (found) return found;
    }
    return undefined;
  };

/** A value without the one asterisk that is a wildcard. */
const literal = (value: string): string =>
  value === '*' ? '' : value.startsWith('*') ? value.slice(1) : value.endsWith('*') ? value.slice(0, -1) : value;

const asterisk: Doubt = value =>
  literal(value).includes('*')
    ? 'it matches a literal *: one at the beginning or the end alone is a wildcard, and not both'
    : undefined;

const path: Doubt = first(
  value =>
    literal(value).includes('*') && !value.includes('{')
      ? 'it matches a literal *: one at the beginning or the end alone is a wildcard; {*} stands for a segment, {**} for all that follow'
      : undefined,
  value =>
    /^[^/*]/.test(value) ? `it matches nothing: paths begin with a slash; "/${value}" may be meant` : undefined,
  value => (/[?#]/.test(value) ? 'it matches nothing: a path is compared without its query and fragment' : undefined),
  value =>
    /\/\.\.?(?:\/|$)/.test(value) ? 'it matches nothing: paths are compared without "." and ".." in them' : undefined,
  value =>
    /[^\x21-\x7e]/.test(value)
      ? `it matches nothing: a path has such characters encoded (${encodeURI(value)})`
      : undefined,
);

const method: Doubt = first(asterisk, value => {
  if (/[a-z]/.test(value))
    return `it matches nothing: methods have capital letters; "${value.toUpperCase()}" may be meant`;
  return value === '*' || isHeaderName(value) ? undefined : 'it matches nothing: it is no method';
});

const host: Doubt = first(asterisk, value => {
  if (value.includes('://')) return 'it matches nothing: a host has no scheme';
  if (value.includes('/')) return 'it matches nothing: a host has no path, and here no namespace';
  if (/\s/.test(value)) return 'it matches nothing: a host has no spaces';
  const port = /^[^:[]*:(\d+)$|\]:(\d+)$/.exec(value);
  const number = Number(port?.[1] ?? port?.[2] ?? 1);
  if (number < 1 || number > 65535) return `it matches nothing: ${number} is no port`;
  if (number === 80 || number === 443) {
    const bare = value.slice(0, value.lastIndexOf(':'));
    return `clients leave the port ${number} out of the host mostly; "${bare}" beside it may be meant`;
  }
  return undefined;
});

const port: Doubt = value => (/^0+$/.test(value) ? 'it matches nothing: no connection is to port 0' : undefined);

/** The block in which an address is, by the bits that count; undefined for an IPv6 address, and where all others are zero. */
function blockOf(value: string): string | undefined {
  const [address = '', length] = value.split('/');
  if (length === undefined || isIP(address) !== 4) return undefined;
  const bits = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(length));
  const base = Math.floor(bits / size) * size;
  if (base === bits) return undefined;
  return `${[24, 16, 8, 0].map(shift => Math.floor(base / 2 ** shift) % 256).join('.')}/${length}`;
}

const subnet: Doubt = value => {
  const block = blockOf(value);
  if (block) return `it is all of ${block}; "${value.split('/')[0]}" is the one address`;
  return /^::ffff:/i.test(value) ? 'it matches nothing: IPv4 addresses are compared as such' : undefined;
};

const IDENTITY = 'TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT';

const principal: Doubt = first(
  value =>
    /^\*?spiffe:/.test(value) ? `it matches nothing: principals are without spiffe:// (${IDENTITY})` : undefined,
  asterisk,
  value => {
    if (value.includes('*')) return undefined;
    if (/^[^/]+\/ns\/[^/]+\/sa\/[^/]+$/.test(value)) return undefined;
    return value.includes('/')
      ? `no workload of the mesh is called so: its identity is ${IDENTITY}`
      : `it matches nothing: an identity is ${IDENTITY}`;
  },
);

const namespace: Doubt = value =>
  /^[-a-z0-9*]*$/.test(value) ? undefined : 'it matches nothing: it is not the name of a namespace';

const account: Doubt = value =>
  /^(?:[-a-z0-9]+\/)?[-.a-z0-9]+$/.test(value)
    ? undefined
    : 'it matches nothing: it is not the name of a service account';

const requestPrincipal: Doubt = first(
  value => (value === '*/*' ? 'it matches nobody but the subject "*"; "*" is anybody with a valid token' : undefined),
  asterisk,
  value =>
    /[*/]/.test(value) ? undefined : 'it matches nothing: it is ISSUER/SUBJECT, either with a * at its outer end',
);

const serverName: Doubt = first(asterisk, value => {
  if (isIP(value)) return 'it matches nothing: TLS has no addresses as server names';
  return /[/:\s]/.test(value) ? 'it matches nothing: it is no server name' : undefined;
});

/** By the field of a source or an operation; `not` before it says the same of other values. */
const ofFields: Readonly<Record<string, Doubt>> = {
  principals: principal,
  requestPrincipals: requestPrincipal,
  namespaces: namespace,
  serviceAccounts: account,
  ipBlocks: subnet,
  remoteIpBlocks: subnet,
  hosts: host,
  ports: port,
  methods: method,
  paths: path,
};

/** By the key of a condition, without what it has in brackets. */
const ofKeys: Readonly<Record<string, Doubt>> = {
  'request.headers': asterisk,
  'source.ip': subnet,
  'remote.ip': subnet,
  'source.namespace': namespace,
  'source.serviceAccount': account,
  'source.principal': principal,
  'request.auth.principal': requestPrincipal,
  'request.auth.audiences': asterisk,
  'request.auth.presenter': asterisk,
  'request.auth.claims': asterisk,
  'destination.ip': subnet,
  'destination.port': port,
  'connection.sni': serverName,
};

type Values = readonly string[] | undefined;

/** Warns of values that are right and strange. */
function warn(values: Values, doubt: Doubt, path: string, report: Report): void {
  each(values, path, (value, at) => {
    const message = report.failed(at) ? undefined : doubt(value);
    if (message) report.warning(at, `"${value}": ${message}`);
  });
}

/** Warns where every value is excepted again. */
function warnOfNothing(values: Values, exceptions: Values, path: string, report: Report): void {
  if (values?.length && values.every(value => exceptions?.includes(value))) {
    report.warning(path, 'it matches nothing: all of it is excepted again');
  }
}

/** Warns of doubtful values of a source or an operation. */
export function warnOfValues(part: Source | Operation, path: string, report: Report): void {
  const lists = part as Readonly<Record<string, Values>>;
  for (const [field, doubt] of Object.entries(ofFields)) {
    const exceptions = negated(field);
    warn(lists[field], doubt, `${path}.${field}`, report);
    warn(lists[exceptions], doubt, `${path}.${exceptions}`, report);
    warnOfNothing(lists[field], lists[exceptions], `${path}.${field}`, report);
  }
}

/** Warns of doubtful values of a condition, and of names in its key that nothing has. */
export function warnOfCondition({ key = '', values, notValues }: Condition, path: string, report: Report): void {
  const [, name = '', inner] = /^([^[]*)(?:\[(.*)\])?$/s.exec(key) ?? [];
  if (name === 'request.headers' && inner !== undefined && !isHeaderName(inner) && !/^:[a-z]+$/.test(inner)) {
    report.warning(`${path}.key`, `"${inner}" is the name of no header: it matches nothing`);
  }
  if (name === 'request.auth.claims' && inner !== undefined && !/^[^[\]]+(?:\]\[[^[\]]+)*$/.test(inner)) {
    report.warning(`${path}.key`, `"${inner}" is the name of no claim; claims within claims are [OUTER][INNER]`);
  }
  const doubt = ofKeys[name];
  if (doubt) {
    warn(values, doubt, `${path}.values`, report);
    warn(notValues, doubt, `${path}.notValues`, report);
  }
  warnOfNothing(values, notValues, `${path}.values`, report);
}
