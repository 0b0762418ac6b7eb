import type { KubeNode } from '../../istio/kubernetes.ts';
import { readMeta } from '../meta.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { fields, items, text } from '../read.ts';

/** Reads a Node: its labels are the locality of its pods, its addresses where NodePorts are. Conditions and heartbeats are not read. */
export function parseNode(raw: RawObject): Parsed<KubeNode> {
  const { meta, report } = readMeta('Node', raw, 'cluster');
  if (!meta.name) return { ok: false, problems: report.problems };
  const addresses: string[] = [];
  for (const [item, at] of items(fields(raw, 'status', '', report), 'addresses', 'status', report)) {
    const type = text(item, 'type', at, report);
    const address = text(item, 'address', at, report);
    if (address && (type === 'InternalIP' || type === 'ExternalIP')) addresses.push(address);
  }
  return { ok: true, value: { kind: 'Node', meta, addresses }, problems: report.problems };
}
