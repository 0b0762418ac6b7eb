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
