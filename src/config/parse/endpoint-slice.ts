import type { KubeEndpointSlice } from '../../istio/kubernetes.ts';
import { addressesIn } from '../address.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { type Fields, fields, flag, integer, items, text, texts, word } from '../read.ts';
import type { Report } from '../report.ts';
import { parseKube } from './kube.ts';

/** Reads an EndpointSlice of discovery.k8s.io/v1. */
export const parseEndpointSlice = (raw: RawObject): Parsed<KubeEndpointSlice> =>
  parseKube('EndpointSlice', raw, (meta, report) => {
    const addressType = word(raw, 'addressType', ['IPv4', 'IPv6', 'FQDN'], 'IPv4', '', report);
    const service = meta.labels['kubernetes.io/service-name'] ?? '';
    const value: KubeEndpointSlice = {
      kind: 'EndpointSlice',
      meta,
      service,
      addressType,
      ports: readEndpointPorts(raw, '', report),
      endpoints: items(raw, 'endpoints', '', report).map(([item, at]) =>
        readEndpoint(item, at, meta.namespace, addressType === 'FQDN', report),
      ),
    };
    if (!service) {
      report.warning('metadata.labels', 'without the label kubernetes.io/service-name it belongs to no Service');
    }
    return value;
  });

/** The ports of a slice or of a subset of Endpoints. */
export const readEndpointPorts = (from: Fields, at: string, report: Report): KubeEndpointSlice['ports'] =>
  items(from, 'ports', at, report).map(([item, path]) => ({
    name: text(item, 'name', path, report),
    port: integer(item, 'port', 0, 65535, path, report),
    protocol: text(item, 'protocol', path, report) || 'TCP',
    appProtocol: text(item, 'appProtocol', path, report),
  }));

function readEndpoint(
  item: Fields,
  at: string,
  namespace: string,
  names: boolean,
  report: Report,
): KubeEndpointSlice['endpoints'][number] {
  const given = texts(item, 'addresses', at, report);
  const conditions = fields(item, 'conditions', at, report);
  const ready = flag(conditions, 'ready', true, at, report);
  return {
    addresses: names ? given : addressesIn(given, `${at}.addresses`, report),
    ready,
    serving: flag(conditions, 'serving', ready, at, report),
    // istiod takes an endpoint that is not ready, and does not say why, for one on its way out.
    terminating: flag(conditions, 'terminating', !ready, at, report),
    hostname: text(item, 'hostname', at, report),
    node: text(item, 'nodeName', at, report),
    zone: text(item, 'zone', at, report),
    pod: readPodReference(item, at, namespace, report),
  };
}

/** `namespace/name` of the Pod that an endpoint is; empty where it is none. */
export function readPodReference(item: Fields, at: string, namespace: string, report: Report): string {
  const target = fields(item, 'targetRef', at, report);
  if (target['kind'] !== 'Pod') return '';
  const name = text(target, 'name', at, report);
  return name && `${text(target, 'namespace', at, report) || namespace}/${name}`;
}
