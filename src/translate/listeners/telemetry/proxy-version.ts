import type { Traits } from '../../../model/proxy/traits.ts';

/** Whether a proxy knows what came with a version of Istio and of Envoy, by those that its Node names; what it does not name counts as new. */
export function speaks(traits: Traits, istio: readonly [number, number], envoy: readonly [number, number]): boolean {
  const own = /^(\d+)\.(\d+)/.exec(traits.istioVersion);
  const [major, minor] = traits.build.version;
  return (
    (!own || newer([Number(own[1]), Number(own[2])], istio)) &&
    ((major === 0 && minor === 0) || newer([major, minor], envoy))
  );
}

const newer = (a: readonly [number, number], b: readonly [number, number]): boolean =>
  a[0] > b[0] || (a[0] === b[0] && a[1] >= b[1]);
