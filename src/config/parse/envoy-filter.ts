import type { EnvoyFilter } from '../../model/config.ts';
import type * as networking from '../../proto/generated/istio/networking/v1alpha3.ts';
import {
  EnvoyFilter_ApplyTo as ApplyTo,
  EnvoyFilter_PatchContext as Context,
  EnvoyFilter_Patch_Operation as Operation,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { checkRegex } from '../regex.ts';
import type { Report } from '../report.ts';
import { checkAttachment, checkSelector } from '../selector.ts';
import { parseIstio } from './istio.ts';

type Patch = networking.EnvoyFilter_EnvoyConfigObjectPatch;

/** Reads an EnvoyFilter. Its patches build on each other, so a bad one makes all of it invalid; the values are checked where they are merged. */
export const parseEnvoyFilter = (raw: RawObject): Parsed<EnvoyFilter> =>
  parseIstio('EnvoyFilter', 'istio.networking.v1alpha3.EnvoyFilter', raw, (spec, report) => {
    if (spec.workloadSelector) checkSelector(spec.workloadSelector.labels, 'spec.workloadSelector.labels', report);
    checkAttachment({ targetRefs: spec.targetRefs }, 'spec', report);
    for (const [i, patch] of (spec.configPatches ?? []).entries()) {
      if (patch.match?.context !== Context.WAYPOINT) checkPatch(patch, `spec.configPatches[${i}]`, report);
    }
    return spec;
  });

/** Which match each class of objects can have. */
const matches: Readonly<Record<ApplyTo, 'listener' | 'routeConfiguration' | 'cluster' | 'any'>> = {
  [ApplyTo.INVALID]: 'any',
  [ApplyTo.LISTENER]: 'listener',
  [ApplyTo.FILTER_CHAIN]: 'listener',
  [ApplyTo.NETWORK_FILTER]: 'listener',
  [ApplyTo.HTTP_FILTER]: 'listener',
  [ApplyTo.LISTENER_FILTER]: 'any',
  [ApplyTo.ROUTE_CONFIGURATION]: 'routeConfiguration',
  [ApplyTo.VIRTUAL_HOST]: 'routeConfiguration',
  [ApplyTo.HTTP_ROUTE]: 'routeConfiguration',
  [ApplyTo.CLUSTER]: 'cluster',
  [ApplyTo.EXTENSION_CONFIG]: 'any',
  [ApplyTo.BOOTSTRAP]: 'any',
};

function checkPatch({ applyTo = ApplyTo.INVALID, match, patch }: Patch, path: string, report: Report): void {
  if (applyTo === ApplyTo.INVALID) report.error(`${path}.applyTo`, 'it is needed');
  if (!patch) report.error(`${path}.patch`, 'it is needed');
  else if (!patch.operation) report.error(`${path}.patch.operation`, 'it is needed');
  else if (patch.operation !== Operation.REMOVE && !patch.value) {
    report.error(`${path}.patch.value`, 'every operation but REMOVE needs it');
  }
  if (match?.proxy?.proxyVersion) checkRegex(match.proxy.proxyVersion, `${path}.match.proxy.proxyVersion`, report);
  const wanted = matches[applyTo];
  for (const kind of ['listener', 'routeConfiguration', 'cluster'] as const) {
    if (match?.[kind] && wanted !== 'any' && kind !== wanted) {
      report.error(`${path}.match.${kind}`, `what it applies to is matched by ${wanted}`);
    }
  }
  if (match?.listener) checkListenerMatch(match.listener, applyTo, `${path}.match.listener`, report);
}

function checkListenerMatch(
  match: networking.EnvoyFilter_ListenerMatch,
  applyTo: ApplyTo,
  path: string,
  report: Report,
): void {
  const filter = match.filterChain?.filter;
  if (!filter || matches[applyTo] !== 'listener') return;
  const at = `${path}.filterChain.filter`;
  if (applyTo === ApplyTo.LISTENER || applyTo === ApplyTo.FILTER_CHAIN) {
    report.warning(at, 'it has no effect for a listener or a filter chain');
  }
  if (!filter.name) report.error(`${at}.name`, 'a filter is matched by its name');
  if (!filter.subFilter) return;
  if (applyTo !== ApplyTo.HTTP_FILTER) report.error(`${at}.subFilter`, 'it is for HTTP_FILTER only');
  else if (!/^envoy\.(?:filters\.network\.)?http_connection_manager$/.test(filter.name ?? '')) {
    report.error(`${at}.name`, 'a subFilter is within envoy.filters.network.http_connection_manager');
  }
  if (!filter.subFilter.name) report.error(`${at}.subFilter.name`, 'a filter is matched by its name');
}
