import type { KubeNode } from '../../istio/kubernetes.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { fields, items, text } from '../read.ts';
import { parseKube } from './kube.ts';

/** Reads a Node: its labels are the locality of its pods, its addresses where NodePorts are, its kubelet's version what pods there can be. Conditions and heartbeats are not read. */
export const parseNode = (raw: RawObject): Parsed<KubeNode> =>
  parseKube(
    'Node',
    raw,
    (meta, report) => {
      const status = fields(raw, 'status', '', report);
      const addresses = items(status, 'addresses', 'status', report).flatMap(([item, at]) => {
        const type = text(item, 'type', at, report);
        const address = text(item, 'address', at, report);
        return address && (type === 'InternalIP' || type === 'ExternalIP') ? [address] : [];
      });
      const kubelet = text(fields(status, 'nodeInfo', 'status', report), 'kubeletVersion', 'status.nodeInfo', report);
      return { kind: 'Node', meta, addresses, kubelet };
    },
    'cluster',
  );
