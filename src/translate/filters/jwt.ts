import { hasUsableKey } from '../../config/jwks.ts';
import type { RequestAuthentication } from '../../istio/config.ts';
import { compare } from '../../istio/object.ts';
import { onlyItem } from '../../lists.ts';
import { extension } from '../../proto/any.ts';
import type { JwtProvider, JwtRequirement } from '../../proto/generated/envoy/extensions/filters/http/jwt_authn/v3.ts';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { JWTRule } from '../../proto/generated/istio/security/v1beta1.ts';
import { JWT_AUTHN } from './well-known.ts';

/**
 * A public key whose private half nobody has: a token that should be checked against keys which are not to be had is refused, rather than
 * taken unchecked (istio: PublicOnlyJwks).
 */
const UNKNOWN_KEYS = `{
  "keys": [
    {
      "kty": "RSA",
      "e": "AQAB",
      "n": "0xObjM0UvS_oaazjpEYlAbwctEJ4L8pH3OuTb7qth7gUwqet-EzQB4dgFdvSdMgrLnSncQGRjpEYz3F3viIbH-3EN3TxSlPNviHxeOdyiBVfumN8dMxbLvVJUpfNOnvmMxJcl-8NNjAwcOjk4otSALaYgYYyOPyvKtgVdrQr-FoubWX4yrjxW-MJ2-7OBeepUUNOsVwGV23YX03sVkkyvY3otRflkBcY3_HKpBxJl9wk2GyOShN4_PNUF9-vwfnvOXMbCDX-w4PTef4geeb_GiT40YCKHTKMSPVanGRn5GExIWmki-mmqh94-mPTJyBR74ShspL3BxPZitDL574T1w"
    }
  ]
}`;

/** The claims that hold several values separated by spaces, besides those that a rule names. */
const SPACE_DELIMITED = ['permission', 'scope'];

/** The keys that a rule's tokens are checked against. */
const keysOf = ({ jwks }: JWTRule): string => (jwks && hasUsableKey(jwks) ? jwks : UNKNOWN_KEYS);

function provider(rule: JWTRule, clearRouteCache: boolean): JwtProvider {
  const named = rule.spaceDelimitedClaims ?? [];
  const claims = rule.outputClaimToHeaders ?? [];
  return {
    issuer: rule.issuer,
    audiences: rule.audiences,
    forward: rule.forwardOriginalToken,
    forward_payload_header: rule.outputPayloadToHeader,
    payload_in_metadata: 'payload',
    normalize_payload_in_metadata: { space_delimited_claims: [...new Set([...named, ...SPACE_DELIMITED])].sort() },
    clear_route_cache: clearRouteCache,
    claim_to_headers: claims.map(c => ({ header_name: c.header, claim_name: c.claim })),
    from_headers: (rule.fromHeaders ?? []).map(h => ({ name: h.name, value_prefix: h.prefix })),
    from_params: rule.fromParams,
    from_cookies: rule.fromCookies,
    local_jwks: { inline_string: keysOf(rule) },
  };
}

const anyOf = (requirements: readonly JwtRequirement[]): JwtRequirement => ({ requires_any: { requirements } });

/** A token that is there must be valid; one that is missing is for the AuthorizationPolicies to judge. */
function requirement(names: readonly string[]): JwtRequirement {
  const optional = names.map(name => anyOf([{ provider_name: name }, { allow_missing: {} }]));
  const only = onlyItem(optional);
  if (only) return only;
  // Any single provider will do as well: several may look for their token in the same place.
  return anyOf([...names.map(provider_name => ({ provider_name })), { requires_all: { requirements: optional } }]);
}

/** The filter that verifies tokens by all RequestAuthentications of a workload; none where they have no rules (istio: convertToEnvoyJwtConfig). */
export function jwtFilters(
  policies: readonly RequestAuthentication[],
  clearRouteCache: boolean,
): readonly HttpFilter[] {
  const rules = policies.flatMap(p => p.spec.jwtRules ?? []).sort((a, b) => compare(a.issuer ?? '', b.issuer ?? ''));
  if (rules.length === 0) return [];
  const names = rules.map((_, i) => `origins-${i}`);
  return [
    extension(JWT_AUTHN, 'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication', {
      providers: Object.fromEntries(rules.map((r, i) => [`origins-${i}`, provider(r, clearRouteCache)])),
      rules: [{ match: { prefix: '/' }, requires: requirement(names) }],
      bypass_cors_preflight: true,
    }),
  ];
}
