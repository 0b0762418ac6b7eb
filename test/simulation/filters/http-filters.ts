import { typeName, unpackAs } from '../../../src/proto/any.ts';
import type { RBAC } from '../../../src/proto/generated/envoy/extensions/filters/http/rbac/v3.ts';
import type { HttpFilter } from '../../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { Call, Outcome } from '../call.ts';
import type { HeaderChanges } from '../route/header-changes.ts';
import type { Request } from '../route/route.ts';
import { type Authorizer, authorizerOf, isAsked } from './external-authorization.ts';
import { authenticate } from './jwt.ts';
import { isAudited, verdict } from './rbac.ts';

const JWT = 'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication';
const RBAC_FILTER = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const EXT_AUTHZ = 'envoy.extensions.filters.http.ext_authz.v3.ExtAuthz';

/** What the HTTP filters before the router make of a request. */
export interface Passage {
  /** With the claims of the request's tokens. */
  readonly call: Call;
  /** What RBAC's shadow rules said, by the keys of their metadata. */
  readonly shadow: Readonly<Record<string, string>>;
  /** What they answer in the router's stead. */
  readonly response?: NonNullable<Outcome['response']>;
  readonly requestHeaders?: HeaderChanges;
  readonly asks?: readonly Authorizer[];
  readonly audited?: true;
}

/** Walks a request through the filters that authenticate and authorize it, until one answers. */
export function throughFilters(filters: readonly HttpFilter[], request: Request, call: Call): Passage {
  let passage: Passage = { call, shadow: {} };
  for (const { typed_config: any } of filters) {
    if (!any || passage.response) continue;
    switch (typeName(any.type_url ?? '')) {
      case JWT: {
        const { response, claims, set, removed } = authenticate(unpackAs(JWT, any), request);
        const changed = Object.keys(set).length + removed.length > 0;
        passage = {
          ...passage,
          ...(response && { response }),
          ...(changed && { requestHeaders: { set, removed } }),
          ...(claims && { call: { ...call, claims } }),
        };
        break;
      }
      case RBAC_FILTER:
        passage = authorized(unpackAs(RBAC_FILTER, any), request, passage);
        break;
      case EXT_AUTHZ: {
        const filter = unpackAs(EXT_AUTHZ, any);
        if (isAsked(filter, passage.shadow))
          passage = { ...passage, asks: [...(passage.asks ?? []), authorizerOf(filter)] };
        break;
      }
    }
  }
  return passage;
}

function authorized(filter: RBAC, request: Request, passage: Passage): Passage {
  const { rules, shadow_rules: tried, shadow_rules_stat_prefix: prefix = '' } = filter;
  const { call } = passage;
  const said = tried && verdict(tried, call, request);
  const denied = rules && !verdict(rules, call, request).allowed;
  return {
    ...passage,
    ...(said && {
      shadow: {
        ...passage.shadow,
        [`${prefix}shadow_engine_result`]: said.allowed ? 'allowed' : 'denied',
        ...(said.policy && { [`${prefix}shadow_effective_policy_id`]: said.policy }),
      },
    }),
    ...(isAudited(rules, call, request) && { audited: true }),
    ...(denied && { response: { status: 403, body: 'RBAC: access denied' } }),
  };
}

/** What policies that are only tried out would have said: Istio's shadow rules, by the action. */
export function dryRunOf({ shadow }: Passage): Outcome['dryRun'] {
  const tried = Object.entries(shadow).flatMap(([key, result]) => {
    const [, action] = /^istio_dry_run_(allow|deny)_shadow_engine_result$/.exec(key) ?? [];
    return action ? [[action, result]] : [];
  });
  return tried.length > 0 ? Object.fromEntries(tried) : undefined;
}
