import { UsageError } from '../command.ts';
import { checkJwks } from '../config/jwks.ts';
import { Report } from '../config/report.ts';
import { type KeyLocation, keyLocation } from '../istio/remote-keys.ts';
import { objectKey } from '../object-key.ts';
import type { JWTRule } from '../proto/generated/istio/security/v1beta1.ts';
import { fromJson } from '../proto/json.ts';

/** An issuer whose tokens proxies may show: istiod's JWT_RULE. */
export interface JwtRule {
  readonly issuer: string;
  /** One of them has to be a token's; there is one at least. */
  readonly audiences: readonly string[];
  /** Its keys, or where they are fetched from. */
  readonly keys: { readonly jwks: string } | KeyLocation;
}

/** What of a JWTRule says whose a token is; the rest is about requests. */
const FIELDS: readonly (keyof JWTRule)[] = ['issuer', 'jwks', 'jwksUri', 'audiences', 'timeout'];

const example = '{"issuer": "https://issuer.example.com", "audiences": ["istio-ca"]}';

/** Reads a JWTRule in JSON. Throws a UsageError that names the option and the field. */
export function readJwtRule(option: string, text: string): JwtRule {
  const wrong = (what: string): UsageError => new UsageError(`--${option}: ${what}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong(`it is no JSON; expected a JWTRule such as ${example}`);
  }
  const { value: rule, problems } = fromJson('istio.security.v1beta1.JWTRule', json);
  const [problem] = problems;
  if (problem)
    throw wrong(`${problem.path && `${problem.path}: `}${problem.message}; expected a JWTRule such as ${example}`);
  const other = (Object.keys(rule) as (keyof JWTRule)[]).find(field => !FIELDS.includes(field));
  if (other) throw wrong(`${other}: it says nothing about who a proxy is; the fields are ${FIELDS.join(', ')}`);
  const { issuer = '', audiences = [], jwks } = rule;
  if (!issuer) throw wrong('issuer: it is missing; tokens say whose they are in their claim "iss"');
  if (!audiences.length || audiences.includes(''))
    throw wrong('audiences: one at least is needed, and none may be empty: no token would be taken');
  if (jwks) {
    const report = new Report(objectKey('Option', '', option));
    checkJwks(jwks, 'jwks', report);
    const [fault] = report.problems;
    if (fault) throw wrong(`${fault.path}: ${fault.message}`);
    return { issuer, audiences, keys: { jwks } };
  }
  const location = keyLocation(rule);
  if (!location)
    throw wrong(
      rule.jwksUri
        ? `jwksUri: "${rule.jwksUri}" is no http(s) URL`
        : `issuer: "${issuer}" is no http(s) URL to ask for its keys; jwksUri may say where they are`,
    );
  return { issuer, audiences, keys: rule.jwksUri ? location : { ...location, issuer } };
}
