import { isDnsLabel } from './host.ts';
import type { Report } from './report.ts';

/** Reports what is not a port number. */
export function checkPort(port: number | undefined, path: string, report: Report): void {
  if (!port) report.error(path, 'a port is needed (1 to 65535)');
  else if (port < 1 || port > 65535) report.error(path, `${port} is not a port (1 to 65535)`);
}

/** Reports a name that no port can have. */
export function checkPortName(name: string | undefined, path: string, report: Report): void {
  if (!isDnsLabel(name ?? '')) report.error(path, `"${name ?? ''}" is not the name of a port`);
}

const http = ['http', 'http2', 'http_proxy', 'grpc', 'grpc-web'];
const tls = ['https', 'tls'];
const known = new Set([...http, ...tls, 'tcp', 'udp', 'mongo', 'redis', 'mysql']);

/** Reports a protocol that Istio does not know. An empty one means: find out by sniffing. */
export function checkProtocol(protocol: string | undefined, path: string, report: Report): void {
  if (protocol && !known.has(protocol.toLowerCase()))
    report.error(path, `"${protocol}" is not a protocol that is known`);
}

/** Whether the protocol is HTTP in the clear. */
export const isHttp = (protocol: string | undefined): boolean => http.includes((protocol ?? '').toLowerCase());

/** Whether the protocol is TLS with anything in it. */
export const isTls = (protocol: string | undefined): boolean => tls.includes((protocol ?? '').toLowerCase());
