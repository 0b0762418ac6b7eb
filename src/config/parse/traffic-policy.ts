import {
  type ClientTLSSettings,
  ClientTLSSettings_TLSmode as TlsMode,
  type TrafficPolicy,
  type TrafficPolicy_PortTrafficPolicy,
  type TrafficPolicy_TunnelSettings,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { isAddress } from '../address.ts';
import { checkNotNegative } from '../duration.ts';
import { hostFault } from '../host.ts';
import { checkPort } from '../port.ts';
import type { Report } from '../report.ts';
import { checkConnectionPool, checkOutlierDetection } from './connection-pool.ts';
import { checkLoadBalancer } from './load-balancer.ts';

/** The part of a policy that a port can have for itself. */
type PortPolicy = Pick<TrafficPolicy_PortTrafficPolicy, 'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'tls'>;

/** Checks how a destination is spoken to. What tunes it is left out when it is invalid; invalid TLS makes the whole policy invalid. */
export function checkTrafficPolicy(
  policy: TrafficPolicy | undefined,
  path: string,
  report: Report,
): TrafficPolicy | undefined {
  if (!policy) return policy;
  if (!Object.values(policy).some(value => value !== undefined)) report.warning(path, 'an empty policy has no effect');
  checkPortPolicy(policy, path, report);
  const ports = `${path}.portLevelSettings`;
  const checked = policy.portLevelSettings?.map((settings, i) => {
    const at = `${ports}[${i}]`;
    if (settings.port) checkPort(settings.port.number, `${at}.port.number`, report);
    else report.error(`${at}.port`, 'it says for which port it is');
    const { port: _, ...rest } = settings;
    if (!Object.values(rest).some(value => value !== undefined) && !report.failed(at))
      report.error(at, 'an empty policy has no effect');
    checkPortPolicy(settings, at, report);
    return report.without(settings, at, ['loadBalancer', 'connectionPool', 'outlierDetection']);
  });
  // Without its own settings the port might be spoken to in plaintext.
  const losesTls =
    report.misses(ports) || checked?.some(({ tls }, i) => report.failed(`${ports}[${i}]${tls ? '' : '.tls'}`));
  const portLevelSettings = losesTls ? checked : report.keep(checked, ports, settings => settings);
  if (policy.tunnel) {
    checkTunnel(policy.tunnel, `${path}.tunnel`, report);
    if (policy.proxyProtocol) report.error(`${path}.proxyProtocol`, 'only one of tunnel and proxyProtocol may be set');
  }
  const budget = policy.retryBudget;
  const percent = budget?.percent?.value ?? 0;
  if (!(percent >= 0 && percent <= 100)) report.error(`${path}.retryBudget.percent`, `${percent} is not in 0 to 100`);
  checkNotNegative(budget?.budgetInterval, `${path}.retryBudget.budgetInterval`, report);
  return report.without({ ...policy, portLevelSettings }, path, [
    'loadBalancer',
    'connectionPool',
    'outlierDetection',
    'retryBudget',
  ]);
}

/** TLS that trusts nobody, in place of settings that cannot be read: nothing is sent. */
const UNTRUSTING: ClientTLSSettings = { mode: TlsMode.SIMPLE, subjectAltNames: ['nobody.invalid'] };

/** A policy in which something is wrong, so that nothing goes out in plaintext that might have been meant for TLS. */
export function closeTrafficPolicy(policy: TrafficPolicy | undefined, path: string, report: Report): TrafficPolicy {
  const portLevelSettings = policy?.portLevelSettings?.flatMap((settings, i) => {
    const at = `${path}.portLevelSettings[${i}]`;
    if (!report.failed(at)) return [settings];
    if (!settings.port || report.failed(`${at}.port`)) return [];
    report.absorb(at);
    return [{ ...settings, tls: UNTRUSTING }];
  });
  const tls = report.failed(path) ? UNTRUSTING : policy?.tls;
  const tunings = report.without({ ...policy, tls, portLevelSettings }, path, ['tunnel', 'proxyProtocol']);
  report.absorb(path);
  return tunings;
}

function checkPortPolicy(policy: PortPolicy, path: string, report: Report): void {
  checkLoadBalancer(policy.loadBalancer, policy.outlierDetection, `${path}.loadBalancer`, report);
  checkConnectionPool(policy.connectionPool, `${path}.connectionPool`, report);
  checkOutlierDetection(policy.outlierDetection, `${path}.outlierDetection`, report);
  checkClientTls(policy.tls, `${path}.tls`, report);
}

/** Reports TLS settings that contradict each other or lack a certificate. */
export function checkClientTls(tls: ClientTLSSettings | undefined, path: string, report: Report): void {
  if (!tls) return;
  const { mode = TlsMode.DISABLE } = tls;
  if (tls.insecureSkipVerify?.value && (mode === TlsMode.SIMPLE || mode === TlsMode.MUTUAL)) {
    for (const field of ['caCertificates', 'subjectAltNames', 'credentialName'] as const) {
      // In mode MUTUAL the credential may hold the client's certificate only.
      if (field === 'credentialName' && mode === TlsMode.MUTUAL) continue;
      if (tls[field]?.length) report.error(`${path}.${field}`, 'it contradicts insecureSkipVerify');
    }
  }
  if (mode !== TlsMode.SIMPLE && mode !== TlsMode.MUTUAL) return;
  if (tls.credentialName) {
    for (const field of ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const) {
      if (tls[field]) report.error(`${path}.${field}`, 'credentialName holds it already');
    }
    return;
  }
  if (mode !== TlsMode.MUTUAL) return;
  if (!tls.clientCertificate) report.error(`${path}.clientCertificate`, 'mode MUTUAL needs it, or credentialName');
  if (!tls.privateKey) report.error(`${path}.privateKey`, 'mode MUTUAL needs it, or credentialName');
}

function checkTunnel(tunnel: TrafficPolicy_TunnelSettings, path: string, report: Report): void {
  const { protocol, targetHost = '', targetPort } = tunnel;
  if (protocol && protocol !== 'CONNECT' && protocol !== 'POST') {
    report.error(`${path}.protocol`, `"${protocol}" is neither CONNECT nor POST`);
  }
  const fault = isAddress(targetHost) ? undefined : hostFault(targetHost);
  if (fault) report.error(`${path}.targetHost`, fault);
  checkPort(targetPort, `${path}.targetPort`, report);
}
