import type { DestinationRule } from '../../model/config.ts';
import type { ObjectMeta } from '../../model/object.ts';
import type * as networking from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkHost, checkLabels, isDnsLabel } from '../host.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';
import { checkExportTo, checkSelector } from '../selector.ts';
import { parseIstio } from './istio.ts';
import { checkTrafficPolicy } from './traffic-policy.ts';

/** Reads a DestinationRule. A subset that is invalid is left out, and so are invalid tunings of a policy. */
export const parseDestinationRule = (raw: RawObject): Parsed<DestinationRule> =>
  parseIstio('DestinationRule', 'istio.networking.v1alpha3.DestinationRule', raw, check);

function check(spec: networking.DestinationRule, report: Report, meta: ObjectMeta): networking.DestinationRule {
  checkHost(spec.host, 'spec.host', report);
  checkExportTo(spec.exportTo, meta.namespace, 'noneForbidden', 'spec.exportTo', report);
  if (spec.workloadSelector) {
    checkSelector(spec.workloadSelector.matchLabels, 'spec.workloadSelector.matchLabels', report);
    if (spec.exportTo?.some(to => to !== '.' && to !== meta.namespace)) {
      report.error('spec.exportTo', 'with a workloadSelector it is for its own namespace only');
    }
  }
  const names = new Set<string>();
  const trafficPolicy = checkTrafficPolicy(spec.trafficPolicy, 'spec.trafficPolicy', report);
  const subsets = report.keep(spec.subsets, 'spec.subsets', (subset, at) => {
    const { name = '' } = subset;
    if (!isDnsLabel(name)) report.error(`${at}.name`, `"${name}" is not the name of a subset`);
    else if (names.has(name)) report.error(`${at}.name`, `there are two subsets "${name}"`);
    names.add(name);
    checkLabels(subset.labels, `${at}.labels`, report);
    return { ...subset, trafficPolicy: checkTrafficPolicy(subset.trafficPolicy, `${at}.trafficPolicy`, report) };
  });
  return { ...spec, trafficPolicy, subsets };
}
