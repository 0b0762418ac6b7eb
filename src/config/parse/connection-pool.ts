import {
  type ConnectionPoolSettings,
  type ConnectionPoolSettings_HTTPSettings,
  type ConnectionPoolSettings_TCPSettings,
  ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy as H2Upgrade,
  type OutlierDetection,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkDuration, checkDurationOrNever } from '../duration.ts';
import type { Report } from '../report.ts';

/** Reports limits that are no limits. */
export function checkConnectionPool(pool: ConnectionPoolSettings | undefined, path: string, report: Report): void {
  if (!pool) return;
  if (!pool.http && !pool.tcp) report.error(path, 'one of http and tcp is needed');
  if (pool.http) checkHttp(pool.http, `${path}.http`, report);
  if (pool.tcp) checkTcp(pool.tcp, `${path}.tcp`, report);
}

function checkHttp(http: ConnectionPoolSettings_HTTPSettings, path: string, report: Report): void {
  const limits = [
    'http1MaxPendingRequests',
    'http2MaxRequests',
    'maxRequestsPerConnection',
    'maxRetries',
    'maxConcurrentStreams',
  ] as const;
  for (const field of limits)
    if ((http[field] ?? 0) < 0) report.error(`${path}.${field}`, `${http[field]} is negative`);
  checkDuration(http.idleTimeout, `${path}.idleTimeout`, report);
  if (http.h2UpgradePolicy === H2Upgrade.UPGRADE && http.useClientProtocol) {
    report.error(`${path}.useClientProtocol`, 'it contradicts h2UpgradePolicy UPGRADE');
  }
  if (!http.http2KeepAlive) return;
  for (const field of ['interval', 'timeout'] as const) {
    const at = `${path}.http2KeepAlive.${field}`;
    if (http.http2KeepAlive[field]) checkDuration(http.http2KeepAlive[field], at, report);
    else report.error(at, 'it is needed');
  }
}

function checkTcp(tcp: ConnectionPoolSettings_TCPSettings, path: string, report: Report): void {
  if ((tcp.maxConnections ?? 0) < 0) report.error(`${path}.maxConnections`, `${tcp.maxConnections} is negative`);
  checkDuration(tcp.connectTimeout, `${path}.connectTimeout`, report);
  checkDuration(tcp.maxConnectionDuration, `${path}.maxConnectionDuration`, report);
  checkDurationOrNever(tcp.idleTimeout, `${path}.idleTimeout`, report);
  checkDuration(tcp.tcpKeepalive?.time, `${path}.tcpKeepalive.time`, report);
  checkDuration(tcp.tcpKeepalive?.interval, `${path}.tcpKeepalive.interval`, report);
}

/** Reports conditions for ejecting endpoints that contradict each other. */
export function checkOutlierDetection(outlier: OutlierDetection | undefined, path: string, report: Report): void {
  if (!outlier) return;
  checkDuration(outlier.interval, `${path}.interval`, report);
  checkDuration(outlier.baseEjectionTime, `${path}.baseEjectionTime`, report);
  for (const field of ['maxEjectionPercent', 'minHealthPercent'] as const) {
    const value = outlier[field] ?? 0;
    if (value < 0 || value > 100) report.error(`${path}.${field}`, `${value} is not in 0 to 100`);
  }
  if (outlier.consecutiveErrors) {
    report.warning(`${path}.consecutiveErrors`, 'deprecated: use consecutiveGatewayErrors or consecutive5xxErrors');
  }
  if ((outlier.consecutiveLocalOriginFailures?.value ?? 0) > 0 && !outlier.splitExternalLocalOriginErrors) {
    report.error(`${path}.consecutiveLocalOriginFailures`, 'it needs splitExternalLocalOriginErrors');
  }
}
