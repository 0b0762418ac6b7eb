import type { KubePod } from '../../istio/kubernetes.ts';
import { isAddress } from '../address.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { type Fields, fields, flag, integer, items, text } from '../read.ts';
import { parseKube } from './kube.ts';

/** Reads a Pod. */
export const parsePod = (raw: RawObject): Parsed<KubePod> =>
  parseKube('Pod', raw, (meta, report) => {
    const spec = fields(raw, 'spec', '', report);
    const status = fields(raw, 'status', '', report);

    const ips: string[] = [];
    const add = (ip: string, path: string): void => {
      if (!ip || ips.includes(ip)) return;
      if (isAddress(ip)) ips.push(ip);
      else report.error(path, `"${ip}" is not an IP address`);
    };
    add(text(status, 'podIP', 'status', report), 'status.podIP');
    for (const [item, at] of items(status, 'podIPs', 'status', report)) add(text(item, 'ip', at, report), `${at}.ip`);

    const containers: { name: string; image: string }[] = [];
    const containerPorts: { name: string; port: number; protocol: string }[] = [];
    const readContainer = (container: Fields, at: string) => {
      containers.push({ name: text(container, 'name', at, report), image: text(container, 'image', at, report) });
      for (const [port, path] of items(container, 'ports', at, report)) {
        containerPorts.push({
          name: text(port, 'name', path, report),
          port: integer(port, 'containerPort', 1, 65535, path, report),
          protocol: text(port, 'protocol', path, report) || 'TCP',
        });
      }
    };
    for (const [container, at] of items(spec, 'containers', 'spec', report)) readContainer(container, at);
    // A native sidecar (an init container that stays) serves ports as any container does.
    for (const [container, at] of items(spec, 'initContainers', 'spec', report)) {
      if (container['restartPolicy'] === 'Always') readContainer(container, at);
    }

    let ready = false;
    for (const [condition, at] of items(status, 'conditions', 'status', report)) {
      if (text(condition, 'type', at, report) === 'Ready') ready = text(condition, 'status', at, report) === 'True';
    }

    let ownerKind = '';
    let ownerName = '';
    const metadata = fields(raw, 'metadata', '', report);
    for (const [owner, at] of items(metadata, 'ownerReferences', 'metadata', report)) {
      if (owner['controller'] !== true) continue;
      ownerKind = text(owner, 'kind', at, report);
      ownerName = text(owner, 'name', at, report);
    }

    return {
      kind: 'Pod',
      meta,
      ips,
      node: text(spec, 'nodeName', 'spec', report),
      serviceAccount: text(spec, 'serviceAccountName', 'spec', report) || 'default',
      hostname: text(spec, 'hostname', 'spec', report),
      subdomain: text(spec, 'subdomain', 'spec', report),
      hostNetwork: flag(spec, 'hostNetwork', false, 'spec', report),
      phase: text(status, 'phase', 'status', report),
      ready,
      terminating: text(metadata, 'deletionTimestamp', 'metadata', report) !== '',
      containers,
      containerPorts,
      ownerKind,
      ownerName,
    };
  });
