import type { DestinationRule } from '../../istio/config.ts';
import type { ObjectMeta } from '../../istio/object.ts';
import type * as networking from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkHost, checkLabels, isDnsLabel } from '../host.ts';
import type { Closed, Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';
import { checkExportTo, checkSelector, readableLabels } from '../selector.ts';
import { parseIstio } from './istio.ts';
import { checkTrafficPolicy, closeTrafficPolicy } from './traffic-policy.ts';

/**
 * Reads a DestinationRule. A subset that is invalid is left out, and so are invalid tunings of a policy. Anything else that is wrong makes it
 * invalid, and it is closed: nothing goes out in plaintext that might have been meant for TLS.
 */
export const parseDestinationRule = (raw: RawObject): Parsed<DestinationRule> =>
  parseIstio('DestinationRule', 'istio.networking.v1alpha3.DestinationRule', raw, check, close);

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

const usesTls = (policy: networking.TrafficPolicy | undefined): boolean =>
  [policy?.tls, ...(policy?.portLevelSettings ?? []).map(({ tls }) => tls)].some(tls => tls?.mode);

/** Where the host can be read: for all whom it may be for, with TLS that trusts nobody where its own cannot be read. */
function close(
  rule: DestinationRule,
  report: Report,
  last: DestinationRule | undefined,
): Closed<DestinationRule> | undefined {
  if (last) return undefined;
  const { spec } = rule;
  const wrong = report.failed('spec.trafficPolicy');
  const trafficPolicy = wrong
    ? closeTrafficPolicy(spec.trafficPolicy, 'spec.trafficPolicy', report)
    : spec.trafficPolicy;
  const exported = report.failed('spec.exportTo');
  const selector = report.failed('spec.workloadSelector');
  const matchLabels = readableLabels(spec.workloadSelector?.matchLabels, 'spec.workloadSelector.matchLabels', report);
  for (const field of ['exportTo', 'workloadSelector', 'subsets']) report.absorb(`spec.${field}`);
  if (report.failed('spec') || !usesTls(trafficPolicy)) return undefined;
  const closed = {
    ...spec,
    trafficPolicy,
    ...(exported && { exportTo: undefined }),
    ...(selector && { workloadSelector: { matchLabels } }),
  };
  const meaning =
    'nothing is sent where it cannot be read which TLS is meant, and the rule is for all whom it may be for';
  return { value: { ...rule, spec: closed }, meaning };
}
