import { findContainer, type Pod, PROXY } from '../../src/injection/pod.ts';

/** What the kubelet knows of a pod that runs. */
export interface RunningPod {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly node: string;
  readonly ips: readonly string[];
  readonly cpus: number;
}

/** The arguments with which the kubelet starts the proxy of a pod: `$(NAME)` is a variable of its container, `$$` a dollar. */
export function proxyArguments(pod: Pod, of: RunningPod): readonly string[] {
  const fields: { readonly [path: string]: string } = {
    'metadata.name': of.name,
    'metadata.namespace': of.namespace,
    'status.podIP': of.ips[0] ?? '',
    'status.podIPs': of.ips.join(','),
    'spec.serviceAccountName': of.serviceAccount,
    'spec.nodeName': of.node,
    'limits.cpu': String(of.cpus),
  };
  const proxy = findContainer(pod, PROXY);
  const env = new Map<string, string>();
  for (const { name, value, valueFrom } of proxy?.env ?? []) {
    const from = valueFrom as { fieldRef?: { fieldPath: string }; resourceFieldRef?: { resource: string } } | undefined;
    env.set(name, value ?? fields[from?.fieldRef?.fieldPath ?? from?.resourceFieldRef?.resource ?? ''] ?? '');
  }
  return (proxy?.args ?? []).map(arg =>
    arg.replaceAll(/\$\$|\$\(([\w.-]+)\)/g, (all, name: string | undefined) =>
      name === undefined ? '$' : (env.get(name) ?? all),
    ),
  );
}
