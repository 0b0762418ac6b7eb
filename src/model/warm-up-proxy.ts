import type { MeshModel } from './mesh.ts';
import { parseNode } from './proxy/node.ts';
import type { Proxy } from './proxy/proxy.ts';

/** A sidecar as Istio injects it, of no pod, in the namespace that has the most Services: what it is to have, most proxies are to have too. */
export function warmUpProxy({ serviceIndex, settings }: MeshModel): Proxy {
  let namespace = settings.rootNamespace;
  let most = 0;
  for (const [name, { length }] of serviceIndex.inNamespace) {
    if (length <= most) continue;
    namespace = name;
    most = length;
  }
  const parsed = parseNode({
    id: `sidecar~192.0.2.1~warm-up.${namespace}~${namespace}.svc.${settings.domain}`,
    metadata: {
      fields: {
        CLUSTER_ID: { string_value: settings.clusterId },
        INTERCEPTION_MODE: { string_value: 'REDIRECT' },
        ISTIO_VERSION: { string_value: '1.31.0' },
      },
    },
  });
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.proxy;
}
