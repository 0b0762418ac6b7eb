import type { DebugView } from './http/debug/view.ts';
import type { Readings } from './http/metrics.ts';
import type { Line } from './line.ts';
import { envoyVersion } from './model/proxy/traits.ts';
import type { SecurePortState } from './ports/secure-port.ts';

/** What is read of a control plane when its metrics are asked for. `view` is called then. */
export const readings = (
  view: () => DebugView,
  line: Pick<Line, 'counts' | 'world'>,
  secure: SecurePortState | undefined,
): Readings => ({
  connections() {
    const counts = new Map<string, number>();
    for (const { client } of view().ads.connections) {
      const { istioVersion, build } = client.class;
      const version = istioVersion || `envoy ${envoyVersion(build)}`.trim();
      counts.set(version, (counts.get(version) ?? 0) + 1);
    }
    return counts;
  },
  objects: () => line.counts(),
  services: () => line.world?.mesh.services.length ?? 0,
  virtualServices: () => line.world?.mesh.contents.VirtualService.size ?? 0,
  problems: () => (line.world?.problems.length ?? 0) + view().otherProblems().length,
  restarts() {
    const restarts = view().restarts();
    return typeof restarts === 'string' ? undefined : restarts;
  },
  authority: () => ({
    lives: secure?.lives?.() ?? [],
    chainExpiry: secure?.chainExpiry,
    rotation: secure?.rotation,
  }),
  watches: () =>
    new Map(
      view()
        .watches()
        .map(watch => [watch.name, watch.state === 'watching' || watch.state === 'absent']),
    ),
});
