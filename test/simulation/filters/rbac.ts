import { unpackAs } from '../../../src/proto/any.ts';
import type { Permission, Policy, Principal, RBAC } from '../../../src/proto/generated/envoy/config/rbac/v3.ts';
import type { RBAC as NetworkRbac } from '../../../src/proto/generated/envoy/extensions/filters/network/rbac/v3.ts';
import type { Call } from '../call.ts';
import { addressInRange } from '../match/cidr.ts';
import { headerMatches, stringMatches } from '../match/match.ts';
import { metadataMatches } from '../match/metadata.ts';
import type { Request } from '../route/route.ts';

const DENY = 1;
const LOG = 2;

/** What a policy is asked about. Without a request (TCP) nothing of HTTP matches. */
interface Subject {
  readonly call: Call;
  readonly request: Request | undefined;
}

/** What a set of rules says of a call: whether it may pass, and the policy that matched it, first by name. */
export interface Verdict {
  readonly allowed: boolean;
  readonly policy?: string;
}

/** Asks a set of rules about a call, and its request unless it is TCP. Rules that only log let everything pass. */
export function verdict(rules: RBAC, call: Call, request?: Request): Verdict {
  const [policy] = Object.entries(rules.policies ?? {})
    .filter(([, policy]) => policyMatches(policy, { call, request }))
    .map(([name]) => name)
    .sort();
  const matched = policy !== undefined;
  const allowed = rules.action === LOG || (rules.action === DENY ? !matched : matched);
  return { allowed, ...(matched && { policy }) };
}

/** Whether a call is marked for the audit log: it matches rules that only log. */
export const isAudited = (rules: RBAC | undefined, call: Call, request?: Request): boolean =>
  rules?.action === LOG && verdict(rules, call, request).policy !== undefined;

/** Why an RBAC filter closes a connection; undefined where it does not. */
export const networkDenial = ({ rules }: NetworkRbac, call: Call): string | undefined =>
  rules && !verdict(rules, call).allowed ? 'denied by RBAC' : undefined;

const policyMatches = (policy: Policy, subject: Subject): boolean =>
  (policy.permissions ?? []).some(p => permits(p, subject)) &&
  (policy.principals ?? []).some(p => isPrincipal(p, subject));

/** A path template of `*` (a segment) and `**` (the rest), as AuthorizationPolicy writes them. */
function templateMatches(template: string, path: string): boolean {
  const expression = template
    .split('/')
    .map(segment =>
      segment.includes('**')
        ? '.*'
        : segment.includes('*') || segment.startsWith('{')
          ? '[^/]+'
          : segment.replaceAll(/[.+^$()|[\]\\]/g, '\\$&'),
    )
    .join('/');
  return new RegExp(`^${expression}$`).test(path);
}

function permits(p: Permission, subject: Subject): boolean {
  const { call, request } = subject;
  if (p.any) return true;
  if (p.and_rules) return (p.and_rules.rules ?? []).every(rule => permits(rule, subject));
  if (p.or_rules) return (p.or_rules.rules ?? []).some(rule => permits(rule, subject));
  if (p.not_rule) return !permits(p.not_rule, subject);
  if (p.header) return request !== undefined && headerMatches(p.header, request.headers);
  if (p.url_path?.path) return request !== undefined && stringMatches(p.url_path.path, request.path);
  if (p.uri_template?.typed_config) {
    const { path_template } = unpackAs(
      'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
      p.uri_template.typed_config,
    );
    return request !== undefined && templateMatches(path_template ?? '', request.path);
  }
  if (p.destination_ip) return addressInRange(call.address, p.destination_ip);
  if (p.destination_port !== undefined) return call.port === p.destination_port;
  if (p.destination_port_range)
    return call.port >= (p.destination_port_range.start ?? 0) && call.port < (p.destination_port_range.end ?? 0);
  if (p.requested_server_name) return stringMatches(p.requested_server_name, call.tls?.sni ?? '');
  if (p.metadata) return metadataMatches(p.metadata, call);
  return false;
}

function isPrincipal(p: Principal, subject: Subject): boolean {
  const { call, request } = subject;
  if (p.any) return true;
  if (p.and_ids) return (p.and_ids.ids ?? []).every(id => isPrincipal(id, subject));
  if (p.or_ids) return (p.or_ids.ids ?? []).some(id => isPrincipal(id, subject));
  if (p.not_id) return !isPrincipal(p.not_id, subject);
  if (p.authenticated) {
    const { principal_name: name } = p.authenticated;
    return call.tls?.principal !== undefined && (!name || stringMatches(name, call.tls.principal));
  }
  if (p.header) return request !== undefined && headerMatches(p.header, request.headers);
  if (p.url_path?.path) return request !== undefined && stringMatches(p.url_path.path, request.path);
  const peer = call.source ?? '127.0.0.1';
  const range = p.direct_remote_ip ?? p.source_ip;
  if (range) return addressInRange(peer, range);
  if (p.remote_ip) return addressInRange(call.forwarded ?? peer, p.remote_ip);
  if (p.metadata) return metadataMatches(p.metadata, call);
  return false;
}
