import type { Values } from './values.ts';

/** Kubernetes has had native sidecars for good since. */
const since = { major: 1, minor: 33 };

/**
 * Whether every kubelet can run native sidecars, by their versions (`v1.33.2-gke.1`): none that is older, or whose version cannot be read, and at
 * least one (inject/webhook.go DetectNativeSidecar).
 */
export const runNativeSidecars = (kubelets: readonly string[]): boolean =>
  kubelets.length > 0 &&
  kubelets.every(version => {
    const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
    return Number(major) > since.major || (Number(major) === since.major && Number(minor) >= since.minor);
  });

/** What the settings say of all nodes; undefined where each node's kubelet tells (inject/webhook.go DetectNativeSidecar). */
export function nativeSidecarsTold({ pilot }: Values): boolean | undefined {
  const told = String(pilot.env['ENABLE_NATIVE_SIDECARS'] ?? 'auto');
  return told === 'auto' ? undefined : told === 'true';
}
