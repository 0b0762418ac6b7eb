import type { KubeService } from '../../istio/kubernetes.ts';
import { hostname } from '../../proto/hostname.ts';
import { addressesIn, isAddress } from '../address.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { type Fields, fields, flag, integer, items, text, textMap, texts, word } from '../read.ts';
import type { Report } from '../report.ts';
import { parseKube } from './kube.ts';

type Ports = KubeService['ports'];

/** Reads a Service; a port without a number is left out. */
export const parseService = (raw: RawObject): Parsed<KubeService> =>
  parseKube('Service', raw, (meta, report) => {
    const spec = fields(raw, 'spec', '', report);
    const status = fields(raw, 'status', '', report);
    const clusterIP = text(spec, 'clusterIP', 'spec', report);
    const clusterIPs = texts(spec, 'clusterIPs', 'spec', report).filter(ip => ip !== '');
    const headless = clusterIPs.length ? clusterIPs.includes('None') : clusterIP === 'None';
    const loadBalancer = fields(status, 'loadBalancer', 'status', report);
    const type = word(
      spec,
      'type',
      ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'],
      'ClusterIP',
      'spec',
      report,
    );
    const externalName = text(spec, 'externalName', 'spec', report);
    if (type === 'ExternalName' && !externalName) {
      report.error('spec.externalName', 'a Service of type ExternalName needs it');
      return undefined;
    }
    return {
      kind: 'Service',
      meta,
      type,
      clusterIPs: headless ? [] : addressesOf(clusterIP, clusterIPs, report),
      headless,
      externalName: hostname(externalName),
      selector: textMap(spec, 'selector', 'spec', report),
      ports: readPorts(spec, report),
      publishNotReady: flag(spec, 'publishNotReadyAddresses', false, 'spec', report),
      internalTrafficPolicy: word(spec, 'internalTrafficPolicy', ['Cluster', 'Local'], 'Cluster', 'spec', report),
      trafficDistribution: text(spec, 'trafficDistribution', 'spec', report),
      externalIPs: texts(spec, 'externalIPs', 'spec', report),
      loadBalancerAddresses: items(loadBalancer, 'ingress', 'status.loadBalancer', report)
        .map(([item, at]) => text(item, 'ip', at, report) || text(item, 'hostname', at, report))
        .filter(address => address !== ''),
    };
  });

function addressesOf(clusterIP: string, clusterIPs: readonly string[], report: Report): readonly string[] {
  if (clusterIPs.length) return addressesIn(clusterIPs, 'spec.clusterIPs', report);
  if (clusterIP === '' || isAddress(clusterIP)) return clusterIP ? [clusterIP] : [];
  report.error('spec.clusterIP', `"${clusterIP}" is not an IP address`);
  return [];
}

function readPorts(spec: Fields, report: Report): Ports {
  const ports: Ports[number][] = [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [item, at] of items(spec, 'ports', 'spec', report)) {
    const port = integer(item, 'port', 1, 65535, at, report);
    const name = text(item, 'name', at, report);
    if (port === 0) {
      if (item['port'] === undefined || item['port'] === null) report.error(`${at}.port`, 'a port needs a number');
      continue;
    }
    if (names.has(name)) {
      report.error(`${at}.name`, `another port has the name "${name}"`);
      continue;
    }
    const protocol = text(item, 'protocol', at, report) || 'TCP';
    // A proxy has one listener and one cluster for all that is not UDP.
    const number = `${protocol === 'UDP' ? 'UDP' : 'TCP'} ${port}`;
    if (numbers.has(number)) {
      report.error(`${at}.port`, `another port has the number ${port} already`);
      continue;
    }
    names.add(name);
    numbers.add(number);
    ports.push({
      name,
      port,
      protocol,
      appProtocol: text(item, 'appProtocol', at, report),
      targetPort: targetPort(item, port, at, report),
      nodePort: integer(item, 'nodePort', 0, 65535, at, report),
    });
  }
  return ports;
}

/** A number, or the name of a container's port; the port itself when absent. */
function targetPort(item: Fields, port: number, at: string, report: Report): number | string {
  const value = item['targetPort'];
  if (value === '') return port;
  if (typeof value === 'string') return /^\d+$/.test(value) ? Number(value) : value;
  return integer(item, 'targetPort', 0, 65535, at, report) || port;
}
