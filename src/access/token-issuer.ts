import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Problem } from '../config/problem.ts';
import type { Log } from '../log/log.ts';
import { objectKey } from '../object-key.ts';
import type { Authenticator } from '../security/authenticate.ts';
import { issuedTokens, type TokenIssuer } from '../security/oidc.ts';
import { type KeyContext, RemoteKeySource } from '../sources/jwks/remote-keys.ts';
import type { JwtRule } from './jwt-rule.ts';

/** An issuer with keys that are known or are not, yet or any more. */
export interface FollowedIssuer {
  /** Knows callers by its tokens. */
  readonly authenticator: Authenticator;
  /** Why its keys could not be fetched. */
  problems(): readonly Problem[];
  /** Resolves once they have been asked for, and in a while where nobody answers. */
  tried(): Promise<void>;
}

const keySet = (text: string): JWTVerifyGetKey => createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);

/** What its keys are fetched with. */
export interface IssuerContext extends Omit<KeyContext, 'emit'> {
  readonly trustDomain: () => string;
  readonly log: Log;
}

/** Follows the keys of an issuer: fetched beside all else, never while a proxy waits, and anew where a token fits none of them. */
export function followIssuer(rule: JwtRule, context: IssuerContext): FollowedIssuer {
  const { issuer, audiences, keys } = rule;
  const { trustDomain, clock, log } = context;
  if ('jwks' in keys) {
    const authenticator = issuedTokens({ issuer, audiences, keys: keySet(keys.jwks) }, trustDomain, clock);
    return { authenticator, problems: () => [], tried: async () => {} };
  }
  const { url } = keys;
  const object = objectKey('Option', '', '--jwt-rule');
  let known: JWTVerifyGetKey | undefined;
  let text: string | undefined;
  let failure: string | undefined = 'they have not been fetched yet';
  const source = new RemoteKeySource({
    ...context,
    emit(change) {
      if (change.op !== 'keys') return;
      const { jwks, failure: now } = change.keys ?? {};
      if (jwks && jwks.text !== text) known = keySet(jwks.text);
      text = jwks?.text;
      if (now !== undefined && now !== failure)
        log.error({ url, problem: now }, 'the keys of the issuer of --jwt-rule cannot be fetched');
      failure = now;
    },
  });
  source.follow(new Map([[url, keys]]));
  const tokens: TokenIssuer = {
    issuer,
    audiences,
    keys(header, token) {
      if (!known) throw new Error(`its keys are not there: ${failure}`);
      return known(header, token);
    },
    fitsNoKey: () => source.renew(url),
  };
  return {
    authenticator: issuedTokens(tokens, trustDomain, clock),
    problems() {
      if (failure === undefined) return [];
      const without = known ? 'those of before are used' : 'no token of it is taken';
      const message = `its keys at ${url} cannot be fetched: ${failure}; ${without}`;
      return [{ object, path: 'issuer', message, severity: known ? 'warning' : 'error' }];
    },
    tried: () => source.tried(),
  };
}
