import type { Gateway } from '../../istio/config.ts';
import { canonicalAddress, isUnspecified } from '../../istio/ip-families.ts';
import type { ObjectMeta } from '../../istio/object.ts';
import type * as networking from '../../proto/generated/istio/networking/v1alpha3.ts';
import { ServerTLSSettings_TLSmode as TlsMode } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkAddress, checkSocketPath, unixPrefix } from '../address.ts';
import { checkNamespacedHost, isDnsLabel } from '../host.ts';
import { checkPort, checkProtocol, isHttp, isTls } from '../port.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';
import { parseIstio } from './istio.ts';
import { checkServerTls } from './server-tls.ts';

/** Reads a Gateway. A server that is invalid is left out, and so is one of several hosts. */
export const parseGateway = (raw: RawObject): Parsed<Gateway> =>
  parseIstio('Gateway', 'istio.networking.v1alpha3.Gateway', raw, check);

function check(spec: networking.Gateway, report: Report, meta: ObjectMeta): networking.Gateway {
  if (!isDnsLabel(meta.name)) report.error('metadata.name', 'the name of a Gateway is one DNS label, without dots');
  const names = new Set<string>();
  const servers = report.keep(spec.servers, 'spec.servers', (server, at) => {
    const name = server.port?.name ?? '';
    if (names.has(name)) report.warning(`${at}.port.name`, `another server's port has the name "${name}"`);
    names.add(name);
    return checkServer(server, at, report);
  });
  if (!servers?.length) report.error('spec.servers', spec.servers?.length ? 'no server is left' : 'a server is needed');
  return { ...spec, servers };
}

function checkServer(server: networking.Server, path: string, report: Report): networking.Server {
  const hosts = report.keep(server.hosts, `${path}.hosts`, (host, at) =>
    checkNamespacedHost(host, 'gateway', at, report),
  );
  if (!hosts?.length) report.error(`${path}.hosts`, server.hosts?.length ? 'no host is left' : 'a host is needed');
  const { port, bind = '' } = server;
  const socket = bind.startsWith(unixPrefix);
  if (socket) checkSocketPath(bind.slice(unixPrefix.length), `${path}.bind`, report);
  else if (bind) checkAddress(bind, `${path}.bind`, report);
  if (!port) {
    report.error(`${path}.port`, 'a port is needed');
    return server;
  }
  if (!port.protocol) report.error(`${path}.port.protocol`, 'a protocol is needed');
  checkProtocol(port.protocol, `${path}.port.protocol`, report);
  if (socket && port.number) report.error(`${path}.port.number`, 'it must be 0 where bind is a socket');
  if (!socket) checkPort(port.number, `${path}.port.number`, report);
  if (port.targetPort) report.warning(`${path}.port.targetPort`, 'it has no effect');
  if (!port.name) report.error(`${path}.port.name`, 'a name is needed');
  checkTlsFits(server, path, report);
  return { ...server, hosts, bind: boundTo(bind), tls: checkServerTls(server.tls, `${path}.tls`, report) };
}

/** Every address is the default: servers that say so and servers that say nothing share a listener. */
function boundTo(bind: string): string | undefined {
  const address = canonicalAddress(bind);
  return isUnspecified(address) ? undefined : address || undefined;
}

/** TLS settings go with a TLS protocol; beside HTTP they can only redirect. */
function checkTlsFits(server: networking.Server, path: string, report: Report): void {
  const protocol = server.port?.protocol;
  const { tls } = server;
  if (isTls(protocol)) {
    if (!tls) report.error(`${path}.tls`, `protocol ${protocol} needs it`);
    else if (tls.httpsRedirect) report.warning(`${path}.tls.httpsRedirect`, 'it has an effect with HTTP only');
    return;
  }
  if (!tls) return;
  const { mode = TlsMode.PASSTHROUGH } = tls;
  const passes = mode === TlsMode.PASSTHROUGH || mode === TlsMode.AUTO_PASSTHROUGH;
  if (!isHttp(protocol) || !passes || tls.caCertificates || tls.privateKey || tls.serverCertificate) {
    report.error(`${path}.tls`, `protocol ${protocol ?? ''} has no TLS; httpsRedirect alone is possible with HTTP`);
  }
}
