import type { WorkloadEntry } from '../../istio/config.ts';
import type * as networking from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkSocketPath, isAddress, unixPrefix } from '../address.ts';
import { checkLabels, hostFault } from '../host.ts';
import { checkPort, checkPortName } from '../port.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { entry, type Report } from '../report.ts';
import { parseIstio } from './istio.ts';
import { isHealthy } from './status.ts';

/** Reads a WorkloadEntry. */
export function parseWorkloadEntry(raw: RawObject): Parsed<WorkloadEntry> {
  const parsed = parseIstio('WorkloadEntry', 'istio.networking.v1alpha3.WorkloadEntry', raw, (spec, report) => {
    checkWorkload(spec, 'any', undefined, 'spec', report);
    return spec;
  });
  if (!parsed.ok) return { ok: false, problems: parsed.problems };
  // Without health checks it counts as healthy; with them not before one has passed.
  const checked = parsed.value.meta.annotations['proxy.istio.io/health-checks-enabled']?.toLowerCase() === 'true';
  return { ...parsed, value: { ...parsed.value, healthy: !checked || isHealthy(raw) } };
}

/**
 * Reports an endpoint that cannot be reached. `ports` are the names of the ports of the ServiceEntry that it is part of; without a resolution
 * that says so, its address may be an IP, a host or a socket.
 */
export function checkWorkload(
  workload: networking.WorkloadEntry,
  resolution: 'static' | 'dns' | 'any',
  ports: ReadonlySet<string> | undefined,
  path: string,
  report: Report,
): void {
  const { address = '' } = workload;
  const at = `${path}.address`;
  if (!address) {
    if (workload.network) report.warning(at, 'it is reached through the gateways of its network only');
    else report.error(at, 'an address is needed');
  } else if (address.startsWith(unixPrefix) && resolution !== 'dns') {
    checkSocketPath(address.slice(unixPrefix.length), at, report);
    if (Object.keys(workload.ports ?? {}).length) report.error(`${path}.ports`, 'a socket has no ports');
    if (ports && ports.size !== 1) report.error(at, 'a socket can serve one port only');
  } else if (!isAddress(address) && (resolution === 'static' || hostFault(address))) {
    report.error(at, `"${address}" is not an IP address${resolution === 'static' ? '' : ' nor a host'}`);
  }
  for (const [name, port] of Object.entries(workload.ports ?? {})) {
    const place = entry(`${path}.ports`, name);
    checkPortName(name, place, report);
    checkPort(port, place, report);
    if (ports && !ports.has(name)) report.error(place, `the ServiceEntry has no port "${name}"`);
  }
  checkLabels(workload.labels, `${path}.labels`, report);
}
