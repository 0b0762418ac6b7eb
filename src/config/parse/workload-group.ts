import type { WorkloadGroup } from '../../istio/config.ts';
import type { ReadinessProbe } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkLabels } from '../host.ts';
import { checkPort } from '../port.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { each, type Report } from '../report.ts';
import { parseIstio } from './istio.ts';

/** Reads a WorkloadGroup. The template's address is not checked: each workload has its own. */
export const parseWorkloadGroup = (raw: RawObject): Parsed<WorkloadGroup> =>
  parseIstio('WorkloadGroup', 'istio.networking.v1alpha3.WorkloadGroup', raw, (spec, report) => {
    if (!spec.template) report.error('spec.template', 'it is needed');
    checkLabels(spec.metadata?.labels, 'spec.metadata.labels', report);
    if (spec.probe) checkProbe(spec.probe, 'spec.probe', report);
    return report.without(spec, 'spec', ['probe']);
  });

function checkProbe(probe: ReadinessProbe, path: string, report: Report): void {
  const numbers = [
    'periodSeconds',
    'initialDelaySeconds',
    'timeoutSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const;
  for (const field of numbers)
    if ((probe[field] ?? 0) < 0) report.error(`${path}.${field}`, `${probe[field]} is negative`);
  if (probe.httpGet) {
    checkPort(probe.httpGet.port, `${path}.httpGet.port`, report);
    if (probe.httpGet.scheme && !/^HTTPS?$/.test(probe.httpGet.scheme)) {
      report.error(`${path}.httpGet.scheme`, 'it must be HTTP or HTTPS');
    }
    each(probe.httpGet.httpHeaders, `${path}.httpGet.httpHeaders`, ({ name = '' }, at) => {
      if (!/^[-A-Za-z0-9]+$/.test(name)) report.error(`${at}.name`, `"${name}" is no header's name`);
    });
  } else if (probe.tcpSocket) {
    checkPort(probe.tcpSocket.port, `${path}.tcpSocket.port`, report);
  } else if (probe.exec) {
    if (!probe.exec.command?.length) report.error(`${path}.exec.command`, 'a command is needed');
  } else if (!probe.grpc) {
    report.error(path, 'one of httpGet, tcpSocket, exec and grpc is needed');
  }
}
