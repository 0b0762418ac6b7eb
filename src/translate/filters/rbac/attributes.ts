/** What each attribute of an AuthorizationPolicy means to Envoy's RBAC filter (istio: security/authz/model/generator.go). */

import { onlyItem } from '../../../lists.ts';
import type { CidrRange } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { Permission, Principal } from '../../../proto/generated/envoy/config/rbac/v3.ts';
import type { StringMatcher } from '../../../proto/generated/envoy/type/matcher/v3.ts';
import { lowerCase } from '../../../proto/hostname.ts';
import { cidrRange } from '../../cidr.ts';
import {
  anyValue,
  claimMatcher,
  claimsMatcher,
  headerMatcher,
  literally,
  metadataMatcher,
  regexMatcher,
  valueMatcher,
} from './matchers.ts';
import { hostPermission, pathPermission } from './request-target.ts';

/** Where a rule is evaluated: on TCP nothing is known of requests. */
export interface RuleContext {
  readonly tcp: boolean;
  /** Of the policy: what a service account without a namespace is in. */
  readonly namespace: string;
  /** Whether a request that matches is refused, or more is asked of it. */
  readonly restricts: boolean;
}

/** What is asked of the values of an attribute. */
export interface Attribute<T> {
  /** Whether all values come to one matcher; else each has its own. */
  readonly isWhole: boolean;
  /** Undefined where a value cannot be evaluated. */
  readonly matchers: (values: readonly string[], context: RuleContext) => readonly (T | undefined)[];
}

const each = <T>(one: (value: string, context: RuleContext) => T | undefined): Attribute<T> => ({
  isWhole: false,
  matchers: (values, context) => values.map(value => one(value, context)),
});

/** All values in one matcher. */
const all = <T>(make: (values: readonly string[]) => T | undefined): Attribute<T> => ({
  isWhole: true,
  matchers: values => [make(values)],
});

const httpOnly = <T>({ isWhole, matchers }: Attribute<T>): Attribute<T> => ({
  isWhole,
  matchers: (values, context) => (context.tcp ? values.map(() => undefined) : matchers(values, context)),
});

/** Blocks of addresses. */
const blocks = <T>(make: (range: CidrRange) => T): Attribute<T> =>
  each(value => {
    const range = cidrRange(value);
    return range && make(range);
  });

const authenticated = (principal_name: StringMatcher): Principal => ({ authenticated: { principal_name } });

function serviceAccount(value: string, { namespace }: RuleContext): Principal {
  const at = value.indexOf('/');
  const ns = at < 0 ? namespace : value.slice(0, at);
  const account = at < 0 ? value : value.slice(at + 1);
  return authenticated(regexMatcher(`spiffe://.+/ns/${literally(ns)}/(.+/|)sa/${literally(account)}(/.+)?`));
}

function trustDomain(value: string): Principal {
  if (value === '*') return authenticated({ prefix: 'spiffe://' });
  if (!value.includes('*')) return authenticated({ prefix: `spiffe://${value}/` });
  const at = value.indexOf('*');
  const pattern = `${literally(value.slice(0, at))}[^/]*${literally(value.slice(at + 1))}`;
  return authenticated(regexMatcher(`spiffe://${pattern}/.*`));
}

const ANY = regexMatcher('.+');

/** `issuer/subject`, either of them with an asterisk at its outer end. */
function issuerAndSubject(value: string): readonly [StringMatcher, StringMatcher] {
  const at = value.lastIndexOf('/');
  const found = at >= 0;
  const issuer = found ? value.slice(0, at) : value;
  const subject = found ? value.slice(at + 1) : '';
  if (value === '*') return [ANY, ANY];
  if (value.startsWith('*')) {
    if (!found) return [ANY, { suffix: value.slice(1) }];
    return [issuer === '*' ? ANY : { suffix: issuer.slice(1) }, { exact: subject }];
  }
  if (value.endsWith('*')) {
    if (!found) return [{ prefix: value.slice(0, -1) }, ANY];
    return [{ exact: issuer }, subject === '*' ? ANY : { prefix: subject.slice(0, -1) }];
  }
  return [{ exact: issuer }, { exact: subject }];
}

function requestPrincipals(values: readonly string[]): Principal {
  const pairs = values.map((value): Principal => {
    const [issuer, subject] = issuerAndSubject(value);
    return {
      and_ids: {
        ids: [{ metadata: claimMatcher('iss', issuer) }, { metadata: claimMatcher('sub', subject) }],
      },
    };
  });
  return onlyItem(pairs) ?? { or_ids: { ids: pairs } };
}

const claims =
  (path: readonly string[]) =>
  (values: readonly string[]): Principal => ({ metadata: claimsMatcher(path, anyValue(values)) });

/** `[a][b]` as a path; undefined where it is none. */
function bracketed(text: string): readonly string[] | undefined {
  if (/^(\[[^[\]]*\])+$/.test(text)) return text.slice(1, -1).split('][');
  return text.startsWith('[') && text.endsWith(']') ? [text.slice(1, -1)] : undefined;
}

/** Who calls. */
export const PRINCIPALS = {
  'source.ip': blocks<Principal>(direct_remote_ip => ({ direct_remote_ip })),
  'remote.ip': blocks<Principal>(remote_ip => ({ remote_ip })),
  'source.namespace': each<Principal>(value =>
    authenticated(regexMatcher(`.*/ns/${value.split('*').map(literally).join('.*')}/.*`)),
  ),
  'source.trustDomain': each<Principal>(trustDomain),
  'source.serviceAccount': each<Principal>(serviceAccount),
  'source.principal': each<Principal>(value => authenticated(valueMatcher(value, 'spiffe://'))),
  'request.auth.principal': httpOnly(all<Principal>(requestPrincipals)),
  'request.auth.audiences': httpOnly(all<Principal>(claims(['aud']))),
  'request.auth.presenter': httpOnly(all<Principal>(claims(['azp']))),
} as const satisfies Readonly<Record<string, Attribute<Principal>>>;

function port(value: string): Permission | undefined {
  const number = Number(value);
  return /^\d+$/.test(value) && number <= 65535 ? { destination_port: number } : undefined;
}

/** What is called. */
export const PERMISSIONS = {
  'destination.ip': blocks<Permission>(destination_ip => ({ destination_ip })),
  'destination.port': each<Permission>(port),
  // Envoy reads a client's server name in small letters.
  'connection.sni': each<Permission>(value => ({ requested_server_name: valueMatcher(lowerCase(value)) })),
} as const satisfies Readonly<Record<string, Attribute<Permission>>>;

/** What is asked for, by the fields of an operation. */
export const OPERATION = {
  hosts: httpOnly(each<Permission>((value, { restricts }) => hostPermission(value, restricts))),
  methods: httpOnly(each<Permission>(value => ({ header: headerMatcher(':method', value) }))),
  paths: httpOnly(each<Permission>((value, { restricts }) => pathPermission(value, restricts))),
} as const satisfies Readonly<Record<string, Attribute<Permission>>>;

const isKey = <T extends object>(table: T, key: string): key is Extract<keyof T, string> => Object.hasOwn(table, key);

/** What a key of `when` asks about the caller; undefined where it does not. */
export function principalAttribute(key: string): Attribute<Principal> | undefined {
  if (isKey(PRINCIPALS, key)) return PRINCIPALS[key];
  if (key.startsWith('request.headers')) {
    const name = /^\[(.*)\]$/s.exec(key.slice('request.headers'.length))?.[1];
    return httpOnly(each(value => (name === undefined ? undefined : { header: headerMatcher(name, value) })));
  }
  if (key.startsWith('request.auth.claims')) {
    const path = bracketed(key.slice('request.auth.claims'.length));
    return httpOnly(all(values => path && claims(path)(values)));
  }
  return undefined;
}

/** What a key of `when` asks about the destination; undefined where it does not. */
export function permissionAttribute(key: string): Attribute<Permission> | undefined {
  if (isKey(PERMISSIONS, key)) return PERMISSIONS[key];
  if (!key.startsWith('experimental.envoy.filters.')) return undefined;
  const [filter = '', field] = key
    .slice('experimental.'.length)
    .replace(/\]$/, '')
    .split(/\[(.*)/s);
  return all(values => (field === undefined ? undefined : { metadata: metadataMatcher(filter, field, values) }));
}
