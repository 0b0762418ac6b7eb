import { isIPv6 } from 'node:net';
import type { KubeEndpointSlice } from '../../istio/kubernetes.ts';
import { checkAddress, isAddress } from '../address.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { type Fields, items, text } from '../read.ts';
import type { Report } from '../report.ts';
import { readEndpointPorts, readPodReference } from './endpoint-slice.ts';
import { parseKube } from './kube.ts';

type Endpoint = KubeEndpointSlice['endpoints'][number];

/**
 * Reads core v1 Endpoints into the shape of a slice. A slice has one list of ports for all its endpoints; of several subsets with different
 * ports the first stays, with a problem (Kubernetes itself mirrors each subset into a slice of its own).
 */
export const parseEndpoints = (raw: RawObject): Parsed<KubeEndpointSlice> =>
  parseKube('Endpoints', raw, (meta, report) => {
    let ports: KubeEndpointSlice['ports'] | undefined;
    const endpoints: Endpoint[] = [];
    for (const [subset, at] of items(raw, 'subsets', '', report)) {
      const own = readEndpointPorts(subset, at, report);
      if (ports && JSON.stringify(ports) !== JSON.stringify(own)) {
        report.error(`${at}.ports`, 'subsets with different ports are not supported; use one EndpointSlice for each');
        continue;
      }
      ports = own;
      for (const [item, path] of items(subset, 'addresses', at, report)) {
        endpoints.push(readAddress(item, path, true, meta.namespace, report));
      }
      for (const [item, path] of items(subset, 'notReadyAddresses', at, report)) {
        endpoints.push(readAddress(item, path, false, meta.namespace, report));
      }
    }
    const first = endpoints[0]?.addresses[0] ?? '';
    return {
      kind: 'Endpoints',
      meta,
      service: meta.name,
      addressType: isIPv6(first) ? 'IPv6' : 'IPv4',
      ports: ports ?? [],
      endpoints,
    };
  });

function readAddress(item: Fields, at: string, ready: boolean, namespace: string, report: Report): Endpoint {
  const ip = text(item, 'ip', at, report);
  if (ip) checkAddress(ip, `${at}.ip`, report);
  return {
    addresses: isAddress(ip) ? [ip] : [],
    ready,
    serving: ready,
    terminating: false,
    hostname: text(item, 'hostname', at, report),
    node: text(item, 'nodeName', at, report),
    zone: '',
    pod: readPodReference(item, at, namespace, report),
  };
}
