import type { KubeNode } from '../../istio/kubernetes.ts';
import { readMeta } from '../meta.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { fields, items, text } from '../read.ts';

/** Reads a Node: its labels are the locality of its pods, its addresses where NodePorts are, its kubelet's version what pods there can be. Conditions and heartbeats are not read. */
export function parseNode(raw: RawObject): Parsed<KubeNode> {
  const { meta, report } = readMeta('Node', raw, 'cluster');
  if (!meta.name) return { ok: false, problems: report.problems };
  const addresses: string[] = [];
  const status = fields(raw, 'status', '', report);
  for (const [item, at] of items(status, 'addresses', 'status', report)) {
    const type = text(item, 'type', at, report);
    const address = text(item, 'address', at, report);
    if (address && (type === 'InternalIP' || type === 'ExternalIP')) addresses.push(address);
  }
  const kubelet = text(fields(status, 'nodeInfo', 'status', report), 'kubeletVersion', 'status.nodeInfo', report);
  return { ok: true, value: { kind: 'Node', meta, addresses, kubelet }, problems: report.problems };
}
