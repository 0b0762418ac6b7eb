import { typed } from '../../proto/any.ts';
import type { Any } from '../../proto/generated/google/protobuf.ts';
import { type CorsPolicy, CorsPolicy_UnmatchedPreflights } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { stringMatcher } from '../string-match.ts';
import { wholePercent } from './fault.ts';

/** The CORS filter's configuration for one route (istio: route.TranslateCORSPolicy). */
export function cors(policy: CorsPolicy): Any {
  const origins = policy.allowOrigins?.length
    ? policy.allowOrigins.flatMap(match => stringMatcher(match) ?? [])
    : (policy.allowOrigin ?? []).map(exact => ({ exact }));
  return typed('envoy.extensions.filters.http.cors.v3.CorsPolicy', {
    allow_origin_string_match: origins,
    allow_methods: (policy.allowMethods ?? []).join(','),
    allow_headers: (policy.allowHeaders ?? []).join(','),
    expose_headers: (policy.exposeHeaders ?? []).join(','),
    ...(policy.maxAge && { max_age: String(policy.maxAge.seconds ?? 0) }),
    ...(policy.allowCredentials && { allow_credentials: policy.allowCredentials }),
    filter_enabled: { default_value: wholePercent(100) },
    forward_not_matching_preflights: { value: policy.unmatchedPreflights !== CorsPolicy_UnmatchedPreflights.IGNORE },
  });
}
