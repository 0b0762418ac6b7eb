import type {
  JwtAuthentication,
  JwtProvider,
  JwtRequirement,
} from '../../../src/proto/generated/envoy/extensions/filters/http/jwt_authn/v3.ts';
import { isFields, type JsonFields, member } from '../../support/json.ts';
import type { Call } from '../call.ts';
import type { Request } from '../route/route.ts';

/** What became of a token: it is none where nothing is at the places that a provider looks at. */
type TokenStatus = 'ok' | 'missing' | 'unknown issuer' | 'audience not allowed';

/** A token as calls write it, its claims, at the place where it was found. */
interface Token {
  readonly claims: JsonFields;
  /** The header that it came in. */
  readonly header?: string;
}

/** What the JWT filter makes of a request. */
export interface Authentication {
  /** The answer where a token is wrong. */
  readonly response?: { readonly status: number; readonly body: string };
  /** The claims of the tokens that are right. */
  readonly claims?: NonNullable<Call['claims']>;
  /** Headers for the application. */
  readonly set: Readonly<Record<string, string>>;
  readonly removed: readonly string[];
}

const DEFAULT_HEADER = { name: 'authorization', value_prefix: 'Bearer ' };
const DEFAULT_PARAMETER = 'access_token';

/** Tokens are written as their claims in JSON, and every signature is right. */
function tokenOf(text: string, header?: string): readonly Token[] {
  const claims: unknown = JSON.parse(text);
  return isFields(claims) ? [{ claims, ...(header && { header }) }] : [];
}

function cookiesOf(request: Request): ReadonlyMap<string, string> {
  const pairs = (request.headers['cookie'] ?? '').split(/; */).map(pair => pair.split('='));
  return new Map(pairs.map(([name = '', ...value]) => [name, value.join('=')]));
}

/** The tokens at the places of a provider: those it names, or the usual ones. */
function tokensFor(provider: JwtProvider, request: Request): readonly Token[] {
  const named = [...(provider.from_headers ?? []), ...(provider.from_params ?? []), ...(provider.from_cookies ?? [])];
  const usual = named.length === 0;
  const cookies = cookiesOf(request);
  const headers = usual ? [DEFAULT_HEADER] : (provider.from_headers ?? []);
  const parameters = usual ? [DEFAULT_PARAMETER] : (provider.from_params ?? []);
  return [
    ...headers.flatMap(({ name = '', value_prefix: prefix = '' }) => {
      const value = request.headers[name.toLowerCase()];
      return value?.startsWith(prefix) ? tokenOf(value.slice(prefix.length), name) : [];
    }),
    ...[...parameters.map(name => request.query.get(name)), ...(provider.from_cookies ?? []).map(n => cookies.get(n))]
      .filter(text => text !== null && text !== undefined)
      .flatMap(text => tokenOf(text)),
  ];
}

const listed = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.map(String) : value === undefined ? [] : [String(value)];

function statusOf(provider: JwtProvider, tokens: readonly Token[]): TokenStatus {
  const [token] = tokens;
  if (!token) return 'missing';
  if (provider.issuer && token.claims['iss'] !== provider.issuer) return 'unknown issuer';
  const audiences = provider.audiences ?? [];
  const fits = audiences.length === 0 || listed(token.claims['aud']).some(audience => audiences.includes(audience));
  return fits ? 'ok' : 'audience not allowed';
}

/** Of several failures the one that says most. */
const worst = (statuses: readonly TokenStatus[]): TokenStatus =>
  statuses.findLast(s => s === 'audience not allowed') ?? statuses.find(s => s === 'unknown issuer') ?? 'missing';

function meets(requirement: JwtRequirement, statuses: ReadonlyMap<string, TokenStatus>): TokenStatus {
  if (requirement.provider_name !== undefined) return statuses.get(requirement.provider_name) ?? 'missing';
  if (requirement.requires_all) {
    const each = (requirement.requires_all.requirements ?? []).map(inner => meets(inner, statuses));
    return each.find(status => status !== 'ok') ?? 'ok';
  }
  const any = requirement.requires_any?.requirements ?? [];
  const each = any.filter(inner => !inner.allow_missing).map(inner => meets(inner, statuses));
  // A token may be missing, but one that is there must be right: of the providers beside it.
  const mayMiss = any.some(inner => inner.allow_missing) && each.every(status => status === 'missing');
  return mayMiss || each.includes('ok') ? 'ok' : worst(each);
}

/** One record of several; later ones win. */
const joined = <V>(records: readonly Readonly<Record<string, V>>[]): Readonly<Record<string, V>> =>
  Object.fromEntries(records.flatMap(record => Object.entries(record)));

/** Claims by their path, as policies name them; those that are lists in one text are taken apart. */
function flattened(claims: JsonFields, spaced: readonly string[], path = ''): NonNullable<Call['claims']> {
  const found = Object.entries(claims).map(([key, value]): NonNullable<Call['claims']> => {
    const at = path + key;
    if (isFields(value)) return flattened(value, [], `${at}.`);
    if (Array.isArray(value)) return { [at]: value.map(String) };
    return { [at]: spaced.includes(key) && String(value).includes(' ') ? String(value).split(' ') : String(value) };
  });
  return joined(found);
}

const answers: Readonly<Record<Exclude<TokenStatus, 'ok'>, Authentication['response']>> = {
  missing: { status: 401, body: 'Jwt is missing' },
  'unknown issuer': { status: 401, body: 'Jwt issuer is not configured' },
  'audience not allowed': { status: 403, body: 'Audiences in Jwt are not allowed' },
};

/** Headers that a provider sets and takes away for a token that is right. */
function headersFor(provider: JwtProvider, { claims, header }: Token): Pick<Authentication, 'set' | 'removed'> {
  const { forward_payload_header: payload, claim_to_headers: copies = [], forward } = provider;
  const copied = copies.flatMap(({ header_name: name = '', claim_name: claim = '' }) => {
    const value = member(claims, claim);
    return value === undefined ? [] : [[name, String(value)]];
  });
  return {
    set: {
      ...Object.fromEntries(copied),
      ...(payload && { [payload]: Buffer.from(JSON.stringify(claims)).toString('base64url') }),
    },
    removed: header && !forward ? [header] : [],
  };
}

/** Checks a request's tokens as the JWT filter would. */
export function authenticate(filter: JwtAuthentication, request: Request): Authentication {
  const providers = Object.entries(filter.providers ?? {}).map(([name, provider]) => {
    const tokens = tokensFor(provider, request);
    return { name, provider, tokens, status: statusOf(provider, tokens) };
  });
  const statuses = new Map(providers.map(({ name, status }) => [name, status]));
  const rule = (filter.rules ?? []).find(({ match }) => request.path.startsWith(match?.prefix ?? '/'));
  const status = rule?.requires ? meets(rule.requires, statuses) : 'ok';
  if (status !== 'ok') return { ...(answers[status] && { response: answers[status] }), set: {}, removed: [] };
  const right = providers.flatMap(p => (p.status === 'ok' && p.tokens[0] ? [{ ...p, token: p.tokens[0] }] : []));
  const headers = right.map(({ provider, token }) => headersFor(provider, token));
  const claims = right.map(({ provider, token }) =>
    flattened(token.claims, provider.normalize_payload_in_metadata?.space_delimited_claims ?? []),
  );
  return {
    ...(claims.length > 0 && { claims: joined(claims) }),
    set: joined(headers.map(h => h.set)),
    removed: headers.flatMap(h => h.removed),
  };
}
