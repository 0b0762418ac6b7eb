import type { IpFamilies } from '../../istio/ip-families.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { memo, one } from '../../memo.ts';
import type { CertificateSource, Traits } from '../../model/proxy/traits.ts';
import { exchangesTcpMetadata } from '../filters/istio-build.ts';
import { proxyConfigOf } from '../proxy-config.ts';
import { hasCredentialSocket, hasFileSocket } from './sds.ts';

/** Client certificate files that the Node's metadata names, used in place of the workload's own for mutual TLS. */
export interface MetadataCerts {
  readonly clientCertificate: string;
  readonly privateKey: string;
  readonly caCertificates: string;
}

/** What of a proxy's traits its clusters depend on. Interned, so that proxies on different nodes share their clusters. */
export interface ClusterTraits extends IpFamilies {
  readonly sidecar: boolean;
  readonly certificates: CertificateSource;
  readonly metadataCerts: MetadataCerts | undefined;
  /** The pod has a socket of its own for `sds://` credentials, or for certificate files. */
  readonly credentialSocket: boolean;
  readonly fileCredentialSocket: boolean;
  /** ProxyConfig asks to keep the case of HTTP/1 header names. */
  readonly preserveCase: boolean;
  /** Istio's own build, which exchanges metadata with servers on TCP connections. */
  readonly metadataExchange: boolean;
}

/** The part of the traits that clusters read. */
export const clusterTraits = memo((mesh: MeshSettings, traits: Traits): ClusterTraits => {
  const { type, build, certificates, ipv4, ipv6, options } = traits;
  const chain = options['TLS_CLIENT_CERT_CHAIN'];
  return one<ClusterTraits>({
    sidecar: type === 'sidecar',
    certificates,
    ipv4,
    ipv6,
    metadataCerts: chain
      ? one({
          clientCertificate: chain,
          privateKey: options['TLS_CLIENT_KEY'] ?? '',
          caCertificates: options['TLS_CLIENT_ROOT_CERT'] ?? '',
        })
      : undefined,
    credentialSocket: hasCredentialSocket(traits),
    fileCredentialSocket: hasFileSocket(traits),
    metadataExchange: exchangesTcpMetadata(build),
    preserveCase: proxyConfigOf(mesh, traits).proxyHeaders?.preserveHttp1HeaderCase?.value === true,
  });
});
