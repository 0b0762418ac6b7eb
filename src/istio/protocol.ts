/**
 * What a Service port speaks, as Istio distinguishes it. `Unsupported` means that neither `appProtocol` nor the port's name says: the
 * protocol is sniffed on the connection (istio: pkg/config/protocol/instance.go).
 */
export type Protocol =
  | 'HTTP'
  | 'HTTP_PROXY'
  | 'HTTP2'
  | 'GRPC'
  | 'GRPCWeb'
  | 'HTTPS'
  | 'TLS'
  | 'TCP'
  | 'UDP'
  | 'Mongo'
  | 'Redis'
  | 'MySQL'
  | 'HBONE'
  | 'DoubleHBONE'
  | 'Unsupported';

/** Protocols that are routed as HTTP. */
export const isHttp = (p: Protocol): boolean =>
  p === 'HTTP' || p === 'HTTP2' || p === 'HTTP_PROXY' || p === 'GRPC' || p === 'GRPCWeb';

/** Protocols that need HTTP/2 to the endpoint. */
export const isHttp2 = (p: Protocol): boolean => p === 'HTTP2' || p === 'GRPC' || p === 'GRPCWeb';

/** Protocols that are TLS on the wire, routed by SNI. */
export const isTls = (p: Protocol): boolean => p === 'HTTPS' || p === 'TLS';

/** Protocols that are carried as opaque TCP (Mongo, Redis and MySQL have network filters of their own). */
export const isTcp = (p: Protocol): boolean =>
  p === 'TCP' || p === 'HTTPS' || p === 'TLS' || p === 'Mongo' || p === 'Redis' || p === 'MySQL';

/** Whether the protocol has to be sniffed. */
export const isUnsupported = (p: Protocol): boolean => p === 'Unsupported';

const byName: Readonly<Record<string, Protocol>> = {
  tcp: 'TCP',
  udp: 'UDP',
  grpc: 'GRPC',
  'grpc-web': 'GRPCWeb',
  http: 'HTTP',
  http_proxy: 'HTTP_PROXY',
  http2: 'HTTP2',
  https: 'HTTPS',
  tls: 'TLS',
  mongo: 'Mongo',
  redis: 'Redis',
  mysql: 'MySQL',
};

/** The protocol that a word names, in any case (istio: protocol.Parse). */
export const parseProtocol = (word: string): Protocol => byName[word.toLowerCase()] ?? 'Unsupported';

/** Names that Kubernetes gives a meaning of their own in `appProtocol`. */
const standardAppProtocols: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'HTTP2',
  'kubernetes.io/ws': 'HTTP',
  'kubernetes.io/wss': 'HTTPS',
};

/** SMTP, DNS, MySQL and MongoDB: the server speaks first, so sniffing would hang. */
const serverFirstPorts: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/** What a Kubernetes Service port speaks: UDP, `appProtocol`, then the prefix of its name (istio: kube.ConvertProtocol). */
export function servicePortProtocol(port: {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol: string;
}): Protocol {
  if (port.protocol === 'UDP') return 'UDP';
  const standard = standardAppProtocols[port.appProtocol];
  if (standard) return standard;
  const name = port.appProtocol || port.name;
  if (name.toLowerCase().startsWith('grpc-web')) return 'GRPCWeb';
  const protocol = parseProtocol(name.split('-', 1)[0] ?? '');
  return protocol === 'Unsupported' && serverFirstPorts.has(port.port) ? 'TCP' : protocol;
}
