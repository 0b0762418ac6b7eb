import {
  type ServerTLSSettings,
  ServerTLSSettings_TLSmode as TlsMode,
  ServerTLSSettings_TLSProtocol as TlsProtocol,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { cipherFault, ciphersFault } from '../../proto/tls-parameters.ts';
import type { Report } from '../report.ts';

/** The cipher suites that Envoy takes, each once; what it does not take is left out with a warning. */
export function sendableCiphers(ciphers: readonly string[], path: string, report: Report): readonly string[] {
  const known = ciphers.filter((entry, i) => {
    const fault = cipherFault(entry);
    if (fault) report.warning(`${path}[${i}]`, `${fault}; left out`);
    return !fault && entry !== '';
  });
  const fault = ciphersFault(known);
  if (fault) report.warning(path, `${fault}; the default ones are in force`);
  return fault ? [] : [...new Set(known)];
}

/** Checks the TLS of a server. Unknown and repeated cipher suites are left out with a warning. */
export function checkServerTls(
  tls: ServerTLSSettings | undefined,
  path: string,
  report: Report,
): ServerTLSSettings | undefined {
  if (!tls) return tls;
  const old = tls.minProtocolVersion === TlsProtocol.TLSV1_0 || tls.minProtocolVersion === TlsProtocol.TLSV1_1;
  if (old && !tls.cipherSuites?.length) {
    report.warning(
      `${path}.minProtocolVersion`,
      'versions below TLSV1_2 need cipherSuites: the default ones exclude them',
    );
  }
  checkCertificates(tls, path, report);
  if (!tls.cipherSuites) return tls;
  return { ...tls, cipherSuites: sendableCiphers(tls.cipherSuites, `${path}.cipherSuites`, report) };
}

function checkCertificates(tls: ServerTLSSettings, path: string, report: Report): void {
  const mode = tls.mode ?? TlsMode.PASSTHROUGH;
  const own = [
    'serverCertificate',
    'privateKey',
    'caCertificates',
    'tlsCertificates',
    'credentialName',
    'credentialNames',
  ] as const;
  const given = own.filter(field => tls[field]?.length);
  if (mode === TlsMode.ISTIO_MUTUAL) {
    for (const field of given) report.error(`${path}.${field}`, "mode ISTIO_MUTUAL uses the mesh's certificates");
    return;
  }
  if (mode === TlsMode.PASSTHROUGH || mode === TlsMode.AUTO_PASSTHROUGH) {
    for (const field of given)
      report.warning(`${path}.${field}`, 'a server that passes TLS through uses no certificate');
  }
  const sources = [
    tls.serverCertificate && tls.privateKey,
    tls.credentialName,
    tls.credentialNames?.length,
    tls.tlsCertificates?.length,
  ];
  if (sources.filter(Boolean).length > 1) {
    const message =
      'only one of credentialName, credentialNames, serverCertificate with privateKey and tlsCertificates may be set';
    report.error(path, message);
  }
  if (mode === TlsMode.SIMPLE || mode === TlsMode.MUTUAL || mode === TlsMode.OPTIONAL_MUTUAL) {
    if (!tls.credentialName && !tls.credentialNames?.length) checkFiles(tls, mode, path, report);
  }
  if (!tls.caCrl) return;
  if (tls.credentialName) report.error(`${path}.caCrl`, 'the credential holds it already');
  if (mode === TlsMode.SIMPLE) report.error(`${path}.caCrl`, 'mode SIMPLE checks no client certificate');
}

function checkFiles(tls: ServerTLSSettings, mode: TlsMode, path: string, report: Report): void {
  if (mode !== TlsMode.SIMPLE && !tls.caCertificates) {
    report.error(`${path}.caCertificates`, 'client certificates need it, or credentialName');
  }
  const several = tls.tlsCertificates?.length;
  if (several && several > 2) report.warning(`${path}.tlsCertificates`, 'Envoy takes at most two');
  for (const [i, certificate] of (several ? (tls.tlsCertificates ?? []) : [tls]).entries()) {
    const at = several ? `${path}.tlsCertificates[${i}]` : path;
    if (!certificate.serverCertificate) report.error(`${at}.serverCertificate`, 'it is needed, or credentialName');
    if (!certificate.privateKey) report.error(`${at}.privateKey`, 'it is needed, or credentialName');
  }
}
