import type { Node } from '../../src/proto/generated/envoy/config/core/v3.ts';

/** The Node message of the n-th proxy, with Istio's agent or without. */
export function proxyNode(index: number, classes: number, namespaces = 0, agent = true): Node {
  const kind = `client-${index % classes}`;
  const namespace = namespaces ? `load-${(index % classes) % namespaces}` : 'load';
  const ip = `10.128.${Math.floor(index / 250)}.${1 + (index % 250)}`;
  const text = (string_value: string) => ({ string_value });
  return {
    id: `sidecar~${ip}~${kind}-${index}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: kind,
    metadata: {
      fields: {
        NAMESPACE: text(namespace),
        NAME: text(`${kind}-${index}`),
        LABELS: { struct_value: { fields: { app: text(kind) } } },
        ...(agent && { ISTIO_VERSION: text('1.31.0') }),
        CLUSTER_ID: text('Kubernetes'),
        INSTANCE_IPS: text(ip),
        INTERCEPTION_MODE: text('REDIRECT'),
      },
    },
  };
}

const began = Math.floor(Date.now() / 1_000);
const uid = 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6';

/** A token of a proxy's pod, as long as a cluster's; `jti` tells it from others of the same pod. Its signature is nothing that anybody checks. */
export function tokenOf({ id = '' }: Node, jti = uid): string {
  const [pod = '', namespace = ''] = id.split('~')[2]?.split('.') ?? [];
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iss: 'https://kubernetes.default.svc.cluster.local',
    aud: ['istio-ca'],
    sub: `system:serviceaccount:${namespace}:default`,
    iat: began,
    nbf: began,
    exp: began + 43_200,
    jti,
    'kubernetes.io': {
      namespace,
      node: { name: 'node-1', uid },
      pod: { name: pod, uid },
      serviceaccount: { name: 'default', uid },
    },
  };
  return `${part({ alg: 'RS256', kid: 'x'.repeat(43) })}.${part(claims)}.${'s'.repeat(342)}`;
}
