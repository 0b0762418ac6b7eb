import type {
  LoadBalancerSettings,
  LoadBalancerSettings_ConsistentHashLB,
  LocalityLoadBalancerSetting,
  LocalityLoadBalancerSetting_Failover,
  OutlierDetection,
  ZoneAwareLoadBalancerSetting,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkDuration } from '../duration.ts';
import { isHeaderName } from '../header.ts';
import { entry, type Report } from '../report.ts';

const topology = new Set(['topology.kubernetes.io/region', 'topology.kubernetes.io/zone', 'topology.istio.io/subzone']);

/** Reports load balancing that Envoy refuses or that cannot be meant. */
export function checkLoadBalancer(
  settings: LoadBalancerSettings | undefined,
  outlier: OutlierDetection | undefined,
  path: string,
  report: Report,
): void {
  if (!settings) return;
  const { consistentHash, localityLbSetting: locality, zoneAwareLbSetting: zones, warmup } = settings;
  if (consistentHash) checkHash(consistentHash, `${path}.consistentHash`, report);
  if (locality && zones) {
    report.error(`${path}.zoneAwareLbSetting`, 'only one of localityLbSetting and zoneAwareLbSetting may be set');
  }
  checkLocalities(locality, outlier, `${path}.localityLbSetting`, report);
  checkZones(zones, outlier, `${path}.zoneAwareLbSetting`, report);
  if (!warmup) return;
  if (warmup.duration) checkDuration(warmup.duration, `${path}.warmup.duration`, report);
  else report.error(`${path}.warmup.duration`, 'it is needed');
  const percent = warmup.minimumPercent?.value ?? 0;
  if (!(percent >= 0 && percent <= 100)) report.error(`${path}.warmup.minimumPercent`, `${percent} is not in 0 to 100`);
  if (warmup.aggression && !((warmup.aggression.value ?? 0) > 0)) {
    report.error(`${path}.warmup.aggression`, 'it must be above 0');
  }
}

function checkHash(hash: LoadBalancerSettings_ConsistentHashLB, path: string, report: Report): void {
  if (hash.httpHeaderName !== undefined && !isHeaderName(hash.httpHeaderName)) {
    report.error(`${path}.httpHeaderName`, `"${hash.httpHeaderName}" is no header's name`);
  }
  if (hash.httpQueryParameterName === '') report.error(`${path}.httpQueryParameterName`, 'a name is needed');
  if (hash.httpCookie) {
    if (!hash.httpCookie.name) report.error(`${path}.httpCookie.name`, 'a cookie needs a name');
    const names = new Set<string>();
    for (const [i, { name = '' }] of (hash.httpCookie.attributes ?? []).entries()) {
      const at = `${path}.httpCookie.attributes[${i}].name`;
      if (!name || names.has(name)) report.error(at, name ? `"${name}" is there twice` : 'an attribute needs a name');
      names.add(name);
    }
  }
  if (hash.minimumRingSize) {
    report.warning(`${path}.minimumRingSize`, 'deprecated: use ringHash.minimumRingSize');
    if (hash.ringHash || hash.maglev) {
      report.error(`${path}.minimumRingSize`, 'only one of minimumRingSize, ringHash and maglev may be set');
    }
  }
  // Without a size it is Envoy's default.
  const size = hash.maglev?.tableSize;
  if (size && (size >= 5_000_011 || !isPrime(size))) {
    report.error(`${path}.maglev.tableSize`, `${size} is not a prime below 5000011`);
  }
}

function isPrime(n: number): boolean {
  if (n < 4) return n > 0;
  if (n % 2 === 0) return false;
  for (let factor = 3; factor * factor <= n; factor += 2) if (n % factor === 0) return false;
  return true;
}

/** Reports weights and failovers between localities that contradict each other. */
export function checkLocalities(
  settings: LocalityLoadBalancerSetting | undefined,
  outlier: OutlierDetection | undefined,
  path: string,
  report: Report,
): void {
  if (!settings) return;
  const { distribute = [], failover = [], failoverPriority = [] } = settings;
  if (distribute.length && failover.length) {
    report.error(`${path}.failover`, 'only one of distribute and failover may be set');
  }
  const label = failover.length ? failoverPriority.findIndex(name => topology.has(name)) : -1;
  if (label >= 0) report.error(`${path}.failoverPriority[${label}]`, 'localities are in failover already');
  for (const [i, { to = {} }] of distribute.entries()) {
    const at = `${path}.distribute[${i}].to`;
    let total = 0;
    for (const [locality, weight] of Object.entries(to)) {
      if (weight < 1 || weight > 100) report.error(entry(at, locality), `${weight} is not in 1 to 100`);
      total += weight;
    }
    if (total !== 100) report.error(at, `the weights add up to ${total}, not to 100`);
    checkDistinct(Object.keys(to), at, report);
  }
  checkDistinct(
    distribute.map(({ from = '' }) => from),
    `${path}.distribute`,
    report,
  );
  checkFailover(failover, failoverPriority, outlier, path, report);
}

function checkZones(
  settings: ZoneAwareLoadBalancerSetting | undefined,
  outlier: OutlierDetection | undefined,
  path: string,
  report: Report,
): void {
  if (!settings) return;
  const { failover = [], failoverPriority = [] } = settings;
  const label = failoverPriority.findIndex(name => topology.has(name));
  if (label >= 0) report.error(`${path}.failoverPriority[${label}]`, 'zones and regions are taken care of already');
  checkFailover(failover, failoverPriority, outlier, path, report);
}

function checkFailover(
  failover: readonly LocalityLoadBalancerSetting_Failover[],
  priority: readonly string[],
  outlier: OutlierDetection | undefined,
  path: string,
  report: Report,
): void {
  if ((failover.length || priority.length) && !outlier) {
    report.warning(path, 'without outlierDetection nothing ever fails over');
  }
  for (const [i, { from = '', to = '' }] of failover.entries()) {
    const at = `${path}.failover[${i}]`;
    if (from === to) report.error(at, 'from and to are the same region');
    for (const [field, region] of Object.entries({ from, to })) {
      if (/[/*]/.test(region)) report.error(`${at}.${field}`, `"${region}" is not the name of a region alone`);
    }
  }
}

/** `region`, `region/zone`, `region/zone/subzone`, each with `*` as last; none may be within another. */
function checkDistinct(localities: readonly string[], path: string, report: Report): void {
  const seen: (readonly string[])[] = [];
  for (const locality of localities) {
    const parts = locality.split('/');
    if (parts.includes('') || parts.length > 3 || /\*./.test(locality)) {
      report.error(path, `"${locality}" is not a locality (region/zone/subzone, * as the last)`);
      continue;
    }
    if (parts.at(-1) === '*') parts.pop();
    const overlaps = seen.some(other => {
      const [short, long] = other.length <= parts.length ? [other, parts] : [parts, other];
      return (other.length === 0 || parts.length > 0) && short.every((part, i) => part === long[i]);
    });
    if (overlaps) report.error(path, `"${locality}" overlaps with another`);
    seen.push(parts);
  }
}
