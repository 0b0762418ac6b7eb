import { freeze } from '../../config/json.ts';
import type { Problem } from '../../config/problem.ts';
import type { ConfigContents } from '../../config/store.ts';
import { type RequestAuthentication, writtenPath } from '../../istio/config.ts';
import { byAge } from '../../istio/object.ts';
import { type Jwks, type KeyLocation, keyLocation, type RemoteKeys } from '../../istio/remote-keys.ts';
import { memo, one, oneMap } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import type { JWTRule } from '../../proto/generated/istio/security/v1beta1.ts';

/** The RequestAuthentications with the keys that were fetched for them. */
export interface KeyedAuthentications {
  readonly policies: ConfigContents['RequestAuthentication'];
  /** What is to be fetched for them, each URL once; what older policies name comes first. The same map until it changes. */
  readonly locations: ReadonlyMap<string, KeyLocation>;
  readonly problems: readonly Problem[];
}

interface KeyedInputs {
  readonly requests: ConfigContents['RequestAuthentication'];
  readonly remoteKeys: ConfigContents['remoteKeys'];
}

const lacksKeys = ({ jwks }: JWTRule): boolean => !jwks;

const refused = 'tokens of this rule are refused until there are keys';

/** What is to be said about the keys of a rule, and how bad it is. */
function fault(
  rule: JWTRule,
  url: string | undefined,
  known: RemoteKeys | undefined,
): Pick<Problem, 'message' | 'severity'> | undefined {
  if (url === undefined) {
    const message = `neither jwks nor jwksUri is given, and "${rule.issuer ?? ''}" is no http(s) URL of an issuer whose keys could be found; ${refused}`;
    return { message, severity: 'error' };
  }
  if (!known) return { message: `no keys have been fetched from ${url} yet; ${refused}`, severity: 'error' };
  if (!known.jwks) return { message: `no keys from ${url}: ${known.failure}; ${refused}`, severity: 'error' };
  return known.failure === undefined
    ? undefined
    : { message: `no new keys from ${url}: ${known.failure}; the last ones stay in force`, severity: 'warning' };
}

/** A policy with the keys of its rules, each at the place of its rule: made anew where one of them is. */
const withKeys = memo(
  (policy: RequestAuthentication, ...keys: readonly (Jwks | undefined)[]): RequestAuthentication => {
    if (!keys.some(Boolean)) return policy;
    const jwtRules = (policy.spec.jwtRules ?? []).map((rule, i) => (keys[i] ? { ...rule, jwks: keys[i].text } : rule));
    return freeze({ ...policy, spec: { ...policy.spec, jwtRules } });
  },
);

/** Whoever reads policies reads their keys as if users had written them there. */
export function withRemoteKeys({ requests, remoteKeys }: KeyedInputs): KeyedAuthentications {
  const remote = [...requests.values()].filter(({ spec }) => spec.jwtRules?.some(lacksKeys)).sort(byAge);
  if (!remote.length) return { policies: requests, locations: oneMap(new Map()), problems: [] };
  const locations = new Map<string, KeyLocation>();
  const filled = new Map<ObjectKey, RequestAuthentication>();
  const problems: Problem[] = [];
  for (const policy of remote) {
    const rules = policy.spec.jwtRules ?? [];
    const places = rules.map(keyLocation);
    const keys = places.map(place => place && remoteKeys.get(place.url));
    filled.set(policy.meta.key, withKeys(policy, ...keys.map(known => known?.jwks)));
    for (const [i, rule] of rules.entries()) {
      const place = places[i];
      if (place) {
        const timeoutMs = Math.max(place.timeoutMs, locations.get(place.url)?.timeoutMs ?? 0);
        locations.set(place.url, one({ ...place, timeoutMs }));
      }
      const found = lacksKeys(rule) && fault(rule, place?.url, keys[i]);
      if (!found) continue;
      const path = writtenPath(policy, `spec.jwtRules[${i}].${rule.jwksUri ? 'jwksUri' : 'issuer'}`);
      problems.push({ object: policy.meta.key, path, ...found });
    }
  }
  const all = new Map([...requests].map(([key, policy]) => [key, filled.get(key) ?? policy]));
  return { policies: oneMap(all), locations: oneMap(locations), problems };
}
