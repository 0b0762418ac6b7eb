import type { IpFamilies } from '../../istio/ip-families.ts';
import type { Name } from '../../memo.ts';
import type { Locality } from '../endpoints/endpoint.ts';

/** The Envoy build that a proxy runs, from its Node message. Interned. */
export interface EnvoyBuild {
  /** 1.40.0 -> [1, 40, 0]; [0, 0, 0] where the Node does not say. */
  readonly version: readonly [number, number, number];
  /** Names of the extensions compiled in; undefined where the Node does not list them: then everything of upstream Envoy is assumed. */
  readonly extensions: readonly string[] | undefined;
  /** The protobuf packages of the messages that configure those extensions; undefined where the Node does not name the messages. */
  readonly configPackages: readonly string[] | undefined;
}

/** `1.40.0`; empty where the Node does not say. */
export const envoyVersion = ({ version }: EnvoyBuild): string =>
  version.some(part => part > 0) ? version.join('.') : '';

/** Whether a build has an extension by its name (`envoy.filters.http.router`). Istio's own filters are had only by a build that lists them. */
export const hasExtension = (build: EnvoyBuild, name: string): boolean =>
  build.extensions ? build.extensions.includes(name) : name.startsWith('envoy.');

/** The protobuf package of a message. */
export const packageOf = (message: string): string => message.replace(/\.[A-Z].*$/, '');

/**
 * Where a proxy gets its certificate and the mesh's roots: from Istio's agent beside it, which serves SDS on the cluster `sds-grpc`; from the
 * control plane, over the stream on which it proved who it is; or nowhere, so that it speaks plaintext.
 */
export type CertificateSource = 'agent' | 'ads' | 'none';

/** What shapes a proxy's configuration besides its scope and its workload. Interned: equal proxies share one value. */
export interface Traits extends IpFamilies {
  readonly type: 'sidecar' | 'router';
  readonly build: EnvoyBuild;
  /** `ISTIO_VERSION` of the Node's metadata; empty where no agent stands beside the proxy. */
  readonly istioVersion: string;
  readonly certificates: CertificateSource;
  readonly interception: 'REDIRECT' | 'TPROXY' | 'NONE';
  readonly locality: Locality;
  /** The Kubernetes node; undefined while no Service depends on it, so that proxies of different nodes stay equal. */
  readonly node: Name | undefined;
  readonly network: string;
  readonly clusterId: string;
  readonly meshId: string;
  /** The domain of the Node's id: `default.svc.cluster.local`. */
  readonly dnsDomain: string;
  readonly dnsCapture: boolean;
  /** Further metadata that Istio's translation reads, by Istio's names (HTTP10, IDLE_TIMEOUT, …), values as text; the known ones, and those that an EnvoyFilter matches; structures as JSON. */
  readonly options: Readonly<Record<string, string>>;
}
