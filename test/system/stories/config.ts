/** An object of Istio's, by the API group of its kind. */
const of =
  (apiVersion: string, kind: string) =>
  (namespace: string, name: string, spec: object): object => ({
    apiVersion,
    kind,
    metadata: { name, namespace },
    spec,
  });

export const virtualService = of('networking.istio.io/v1', 'VirtualService');
export const destinationRule = of('networking.istio.io/v1', 'DestinationRule');
export const gateway = of('networking.istio.io/v1', 'Gateway');
export const serviceEntry = of('networking.istio.io/v1', 'ServiceEntry');
export const sidecar = of('networking.istio.io/v1', 'Sidecar');
export const peerAuthentication = of('security.istio.io/v1', 'PeerAuthentication');
export const telemetry = of('telemetry.istio.io/v1', 'Telemetry');

/** A route to a subset. */
export const to = (host: string, subset: string, weight?: number): object => ({
  destination: { host, subset },
  ...(weight !== undefined && { weight }),
});

/** Subsets by the label `version`. */
export const versions = (...names: readonly string[]): readonly object[] =>
  names.map(name => ({ name, labels: { version: name } }));
