import type { ServiceEntry } from '../../istio/config.ts';
import type { ObjectMeta } from '../../istio/object.ts';
import type * as networking from '../../proto/generated/istio/networking/v1alpha3.ts';
import { ServiceEntry_Resolution as Resolution } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkSubnet } from '../address.ts';
import { checkHost, hostFault, isPartialWildcard } from '../host.ts';
import { checkPort, checkPortName, checkProtocol, isHttp, isTls } from '../port.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';
import { checkExportTo, checkSelector } from '../selector.ts';
import { parseIstio } from './istio.ts';
import { allocatedAddresses } from './status.ts';
import { checkWorkload } from './workload-entry.ts';

/** Reads a ServiceEntry. A host, address, port or endpoint that is invalid is left out; what does not fit the resolution makes it invalid. */
export function parseServiceEntry(raw: RawObject): Parsed<ServiceEntry> {
  const parsed = parseIstio('ServiceEntry', 'istio.networking.v1alpha3.ServiceEntry', raw, check);
  const allocated = allocatedAddresses(raw);
  return parsed.ok && allocated ? { ...parsed, value: { ...parsed.value, allocated } } : parsed;
}

function check(spec: networking.ServiceEntry, report: Report, meta: ObjectMeta): networking.ServiceEntry {
  const { resolution = Resolution.NONE } = spec;
  if (spec.workloadSelector) {
    checkSelector(spec.workloadSelector.labels, 'spec.workloadSelector.labels', report);
    if (spec.endpoints) report.error('spec.endpoints', 'only one of workloadSelector and endpoints may be set');
  }
  checkExportTo(spec.exportTo, meta.namespace, 'noneAllowed', 'spec.exportTo', report);

  const hosts = report.keep(spec.hosts, 'spec.hosts', (host, at) => {
    if (host === '*') report.error(at, '"*" is not a host of a ServiceEntry');
    checkHost(host, at, report);
    if (resolution !== Resolution.DYNAMIC_DNS && isPartialWildcard(host)) {
      report.warning(at, `"${host}": a wildcard should be the whole first label`);
    }
  });
  if (!hosts?.length) report.error('spec.hosts', spec.hosts?.length ? 'no host is left' : 'a host is needed');
  const addresses = report.keep(spec.addresses, 'spec.addresses', (address, at) => checkSubnet(address, at, report));
  // Without an address of its own the service would take every connection of its ports.
  if (report.emptied(addresses, 'spec.addresses')) report.error('spec.addresses', 'no address is left');
  const ports = checkPorts(spec.ports, report);
  const names = new Set((ports ?? []).map(({ name = '' }) => name));
  const checked = {
    ...spec,
    hosts,
    addresses,
    ports,
    endpoints: report.keep(spec.endpoints, 'spec.endpoints', (endpoint, at) =>
      checkWorkload(endpoint, resolution === Resolution.STATIC ? 'static' : 'dns', names, at, report),
    ),
  };
  checkResolution(checked, report);
  return checked;
}

function checkPorts(ports: networking.ServiceEntry['ports'], report: Report): networking.ServiceEntry['ports'] {
  const names = new Set<string>();
  const numbers = new Set<number>();
  return report.keep(ports, 'spec.ports', (port, at) => {
    const { name = '', number = 0 } = port;
    checkPortName(name, `${at}.name`, report);
    checkPort(number, `${at}.number`, report);
    if (names.has(name)) report.error(`${at}.name`, `there are two ports "${name}"`);
    if (numbers.has(number)) report.error(`${at}.number`, `there are two ports ${number}`);
    names.add(name);
    numbers.add(number);
    if (port.targetPort) checkPort(port.targetPort, `${at}.targetPort`, report);
    checkProtocol(port.protocol, `${at}.protocol`, report);
  });
}

/** What each way to find endpoints needs, and what contradicts it. */
function checkResolution(spec: networking.ServiceEntry, report: Report): void {
  const { resolution = Resolution.NONE, hosts = [], addresses = [], endpoints = [], ports = [] } = spec;
  if (
    addresses.some(address => address.includes('/')) &&
    ![Resolution.NONE, Resolution.STATIC].some(r => r === resolution)
  ) {
    report.error('spec.addresses', 'CIDR blocks are for the resolutions NONE and STATIC only');
  }
  if (
    resolution !== Resolution.NONE &&
    hosts.length > 1 &&
    !ports.every(p => isHttp(p.protocol) || isTls(p.protocol))
  ) {
    report.error('spec.hosts', 'a port that is neither HTTP nor TLS cannot tell several hosts apart');
  }
  switch (resolution) {
    case Resolution.NONE:
      if (endpoints.length) report.error('spec.endpoints', 'resolution NONE has no endpoints');
      if (spec.workloadSelector) report.warning('spec.workloadSelector', 'it has no effect with resolution NONE');
      break;
    case Resolution.STATIC:
      break;
    case Resolution.DNS:
    case Resolution.DNS_ROUND_ROBIN: {
      const bad = endpoints.length ? undefined : hosts.find(hostFault);
      if (bad !== undefined) report.error('spec.hosts', `"${bad}" cannot be looked up; endpoints are needed`);
      if (resolution === Resolution.DNS_ROUND_ROBIN && endpoints.length > 1) {
        report.error('spec.endpoints', 'resolution DNS_ROUND_ROBIN has at most one endpoint');
      }
      break;
    }
    case Resolution.DYNAMIC_DNS:
      if (!hosts.every(host => host.startsWith('*'))) {
        report.error('spec.hosts', 'resolution DYNAMIC_DNS is for wildcard hosts only');
      }
      if (addresses.length) report.error('spec.addresses', 'resolution DYNAMIC_DNS has no addresses');
      if (endpoints.length) report.error('spec.endpoints', 'resolution DYNAMIC_DNS has no endpoints');
      if (!ports.every(({ protocol = '' }) => /^(?:http|http2|tls|grpc)$/i.test(protocol))) {
        report.error('spec.ports', 'resolution DYNAMIC_DNS is for HTTP, HTTP2, GRPC and TLS only');
      }
      break;
  }
}
