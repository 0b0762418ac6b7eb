import type { PeerAuthentication } from '../../model/config.ts';
import { checkPort } from '../port.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { entry } from '../report.ts';
import { checkSelector } from '../selector.ts';
import { parseIstio } from './istio.ts';

/** Reads a PeerAuthentication. A policy in which anything is wrong is invalid as a whole. */
export const parsePeerAuthentication = (raw: RawObject): Parsed<PeerAuthentication> =>
  parseIstio('PeerAuthentication', 'istio.security.v1beta1.PeerAuthentication', raw, (spec, report) => {
    const labels = spec.selector?.matchLabels ?? {};
    if (spec.selector) checkSelector(labels, 'spec.selector.matchLabels', report);
    const ports = spec.portLevelMtls && Object.keys(spec.portLevelMtls);
    if (ports?.length && Object.keys(labels).length === 0) {
      report.error('spec.portLevelMtls', 'ports can be set for selected workloads only');
    }
    if (ports?.length === 0) report.error('spec.portLevelMtls', 'it has no port');
    for (const port of ports ?? []) checkPort(Number(port), entry('spec.portLevelMtls', port), report);
    return spec;
  });
