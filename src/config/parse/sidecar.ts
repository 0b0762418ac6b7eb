import type { Sidecar } from '../../istio/config.ts';
import type * as networking from '../../proto/generated/istio/networking/v1alpha3.ts';
import {
  CaptureMode,
  OutboundTrafficPolicy_Mode as OutboundMode,
  ServerTLSSettings_TLSmode as TlsMode,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkAddress, checkSocketPath, unixPrefix } from '../address.ts';
import { checkNamespacedHost } from '../host.ts';
import { checkPort, checkPortName, checkProtocol, isHttp, isTls } from '../port.ts';
import type { Closed, Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';
import { checkSelector, readableLabels } from '../selector.ts';
import { checkConnectionPool } from './connection-pool.ts';
import { checkDestination } from './destination.ts';
import { parseIstio } from './istio.ts';
import { checkServerTls } from './server-tls.ts';

/**
 * Reads a Sidecar. A listener that is invalid is left out, and so is one of several hosts. Anything else that is wrong makes it invalid, and it
 * is closed: what cannot be read lets nobody see or reach more.
 */
export const parseSidecar = (raw: RawObject): Parsed<Sidecar> =>
  parseIstio('Sidecar', 'istio.networking.v1alpha3.Sidecar', raw, check, close);

function check(spec: networking.Sidecar, report: Report): networking.Sidecar {
  if (spec.workloadSelector) {
    checkSelector(spec.workloadSelector.labels, 'spec.workloadSelector.labels', report);
  }
  if (saysNothing(spec) && !report.failed('spec')) report.error('spec', NOTHING);
  checkOutbound(spec.outboundTrafficPolicy, 'spec.outboundTrafficPolicy', report);
  checkConnectionPool(spec.inboundConnectionPool, 'spec.inboundConnectionPool', report);
  const ports = new Set<number>();
  const ingress = report.keep(spec.ingress, 'spec.ingress', (listener, at) => {
    unique(listener.port?.number, ports, at, report);
    return checkIngress(listener, at, report);
  });
  const egress = checkEgressList(spec.egress, report);
  return report.without({ ...spec, ingress, egress }, 'spec', ['inboundConnectionPool']);
}

const NOTHING = 'one of egress, ingress, outboundTrafficPolicy and inboundConnectionPool is needed';

const saysNothing = (spec: networking.Sidecar): boolean =>
  !spec.egress?.length && !spec.ingress?.length && !spec.outboundTrafficPolicy && !spec.inboundConnectionPool;

/** What may see and reach least: what cannot be read is as it was last, or REGISTRY_ONLY and nothing visible. */
function close(sidecar: Sidecar, report: Report, last: Sidecar | undefined): Closed<Sidecar> | undefined {
  const { spec } = sidecar;
  if (report.problems.every(({ message, severity }) => message === NOTHING || severity === 'warning')) return undefined;
  const selector = report.failed('spec.workloadSelector');
  const outbound = report.failed('spec.outboundTrafficPolicy');
  const egress = report.failed('spec.egress');
  for (const field of ['workloadSelector', 'outboundTrafficPolicy', 'egress']) report.absorb(`spec.${field}`);
  // A field that we do not know may be one that is not there.
  const unknown = report.failed('spec');
  if (last && (selector || unknown)) return undefined;
  const labels = readableLabels(spec.workloadSelector?.labels, 'spec.workloadSelector.labels', report);
  const closed = {
    ...spec,
    ...(selector && { workloadSelector: { labels } }),
    ...((outbound || (unknown && !spec.outboundTrafficPolicy)) && {
      outboundTrafficPolicy: last ? last.spec.outboundTrafficPolicy : {},
    }),
    ...((egress || (unknown && !spec.egress)) && { egress: last ? last.spec.egress : readableEgress(spec.egress) }),
  };
  const meaning = last
    ? 'what cannot be read of it stays as it was in its last valid version'
    : 'what cannot be read of it is REGISTRY_ONLY, and shows no more hosts than what can be read';
  return { value: { ...sidecar, spec: closed }, meaning };
}

/** The listeners that are left, the one for all ports last; where none is left, one that shows nothing: none at all would show everything. */
function readableEgress(egress: networking.Sidecar['egress']): networking.Sidecar['egress'] {
  const [forAll] = (egress ?? []).filter(listener => !listener.port);
  const forPorts = (egress ?? []).filter(listener => listener.port);
  return egress?.length ? [...forPorts, ...(forAll ? [forAll] : [])] : [{ hosts: ['~/*'] }];
}

function unique(port: number | undefined, ports: Set<number>, path: string, report: Report): void {
  if (port && ports.has(port)) report.error(`${path}.port.number`, `another listener has port ${port}`);
  if (port) ports.add(port);
}

function checkIngress(
  listener: networking.IstioIngressListener,
  path: string,
  report: Report,
): networking.IstioIngressListener {
  const { port, bind, tls, defaultEndpoint, connectionPool } = listener;
  if (!port) {
    report.error(`${path}.port`, 'a port is needed');
    return listener;
  }
  checkSidecarPort(port, path, report);
  checkPort(port.number, `${path}.port.number`, report);
  if (bind) checkAddress(bind, `${path}.bind`, report);
  if (defaultEndpoint) checkEndpoint(defaultEndpoint, `${path}.defaultEndpoint`, report);
  checkConnectionPool(connectionPool, `${path}.connectionPool`, report);
  if (connectionPool?.http && !isHttp(port.protocol)) {
    report.warning(`${path}.connectionPool.http`, `it has no effect with protocol ${port.protocol ?? ''}`);
  }
  if (tls) {
    report.warning(
      `${path}.tls`,
      'it has no effect: neither here nor in an istiod without ENABLE_TLS_ON_SIDECAR_INGRESS',
    );
    const fields = [
      'subjectAltNames',
      'httpsRedirect',
      'credentialName',
      'credentialNames',
      'tlsCertificates',
    ] as const;
    for (const field of fields) {
      const value = tls[field];
      if (typeof value === 'boolean' ? value : value?.length) report.error(`${path}.tls.${field}`, 'not for sidecars');
    }
    if (tls.mode === TlsMode.ISTIO_MUTUAL || tls.mode === TlsMode.AUTO_PASSTHROUGH) {
      report.error(`${path}.tls.mode`, 'not for sidecars');
    }
    if (!isTls(port.protocol)) report.error(`${path}.tls`, `protocol ${port.protocol ?? ''} has no TLS`);
  }
  return report.without({ ...listener, tls: checkServerTls(tls, `${path}.tls`, report) }, path, ['connectionPool']);
}

function checkSidecarPort(port: networking.SidecarPort, path: string, report: Report): void {
  if (port.name) checkPortName(port.name, `${path}.port.name`, report);
  if (port.targetPort) report.warning(`${path}.port.targetPort`, 'it has no effect');
  checkProtocol(port.protocol, `${path}.port.protocol`, report);
}

/** `127.0.0.1:port`, `[::1]:port`, `:port`, their any-address forms, or a socket. */
function checkEndpoint(endpoint: string, path: string, report: Report): void {
  if (endpoint.startsWith(unixPrefix)) {
    checkSocketPath(endpoint.slice(unixPrefix.length), path, report);
    return;
  }
  const match = /^(?:|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):(\d{1,5})$/.exec(endpoint);
  if (!match)
    report.error(path, `"${endpoint}" is none of 127.0.0.1:port, 0.0.0.0:port, [::1]:port, [::]:port and unix://path`);
  else checkPort(Number(match[1]), path, report);
}

/** A listener without a port takes everything that no other takes, so it is the last. */
function checkEgressList(egress: networking.Sidecar['egress'], report: Report): networking.Sidecar['egress'] {
  const ports = new Set<number>();
  const sockets = new Set<string>();
  for (const [i, listener] of (egress ?? []).entries()) {
    if (!listener.port && i < (egress ?? []).length - 1) {
      report.error('spec.egress', `the listener without a port must be the last (it is egress[${i}])`);
    }
  }
  const kept = report.keep(egress, 'spec.egress', (listener, at) => {
    unique(listener.port?.number, ports, at, report);
    if (listener.port && !listener.port.number && listener.bind) {
      if (sockets.has(listener.bind)) report.error(`${at}.bind`, `another listener has ${listener.bind}`);
      sockets.add(listener.bind);
    }
    return checkEgress(listener, at, report);
  });
  // No egress at all would mean: everything is visible.
  if (report.emptied(kept, 'spec.egress')) report.error('spec.egress', 'no listener is left');
  return kept;
}

function checkEgress(
  listener: networking.IstioEgressListener,
  path: string,
  report: Report,
): networking.IstioEgressListener {
  const { port, bind = '', captureMode } = listener;
  if (port) {
    checkSidecarPort(port, path, report);
    if (port.number) {
      checkPort(port.number, `${path}.port.number`, report);
      if (bind) checkAddress(bind, `${path}.bind`, report);
    } else if (!bind.startsWith(unixPrefix)) {
      report.error(`${path}.bind`, 'port 0 needs a socket (unix://path)');
    } else {
      checkSocketPath(bind.slice(unixPrefix.length), `${path}.bind`, report);
      if (captureMode === CaptureMode.IPTABLES) report.error(`${path}.captureMode`, 'a socket cannot be captured');
    }
  } else if (bind) checkAddress(bind, `${path}.bind`, report);
  const hosts = report.keep(listener.hosts, `${path}.hosts`, (host, at) =>
    checkNamespacedHost(host, 'sidecar', at, report),
  );
  if (!hosts?.length) report.error(`${path}.hosts`, listener.hosts?.length ? 'no host is left' : 'a host is needed');
  return { ...listener, hosts };
}

function checkOutbound(policy: networking.OutboundTrafficPolicy | undefined, path: string, report: Report): void {
  if (!policy?.egressProxy) return;
  if (policy.mode !== OutboundMode.ALLOW_ANY) report.error(`${path}.egressProxy`, 'it needs mode ALLOW_ANY');
  checkDestination(policy.egressProxy, `${path}.egressProxy`, report);
  if (!policy.egressProxy.port) report.error(`${path}.egressProxy.port`, 'a port is needed');
}
