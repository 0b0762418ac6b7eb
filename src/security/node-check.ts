import { status } from '../grpc/status.ts';
import type { Caller } from './authenticate.ts';
import { type Refusal, refused } from './refusal.ts';

/** Who a Node message says that its proxy is. */
export interface ClaimedNode {
  /** Empty where it does not say. */
  readonly namespace: string;
  /** Metadata SERVICE_ACCOUNT; empty where it does not say. */
  readonly serviceAccount: string;
  /** The name of its pod. */
  readonly pod: string;
}

/**
 * Whether a caller may be the node that it says it is: PermissionDenied where not. As istiod (checkConnectionIdentity) namespace and service
 * account are compared where they are claimed; beyond istiod, a proof that is for one pod serves no other.
 */
export function checkNode({ identity, pod }: Caller, node: ClaimedNode): { readonly ok: true } | Refusal {
  const { namespace, serviceAccount } = node;
  const denied = (why: string): Refusal => refused(status.PERMISSION_DENIED, `authorization failed: ${why}`);
  if ((namespace && namespace !== identity.namespace) || (serviceAccount && serviceAccount !== identity.serviceAccount))
    return denied(`no identities ([${identity.uri}]) matched ${namespace}/${serviceAccount}`);
  return pod && node.pod !== pod.name
    ? denied(`the token is bound to pod ${pod.name}, the node says that it is ${node.pod || 'no pod'}`)
    : { ok: true };
}
