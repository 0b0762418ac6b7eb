import type { EnvoyFilter } from '../../model/config.ts';
import { patchMessages, readPatchValue } from '../../model/patch-value.ts';
import type { Struct } from '../../proto/generated/google/protobuf.ts';
import type * as networking from '../../proto/generated/istio/networking/v1alpha3.ts';
import {
  EnvoyFilter_ApplyTo as ApplyTo,
  EnvoyFilter_PatchContext as Context,
  EnvoyFilter_Patch_Operation as Operation,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { walk } from '../../proto/walk.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { checkRegex } from '../regex.ts';
import type { Report } from '../report.ts';
import { checkAttachment, checkSelector } from '../selector.ts';
import { parseIstio } from './istio.ts';

type Patch = networking.EnvoyFilter_EnvoyConfigObjectPatch;

/** Reads an EnvoyFilter. Its patches build on each other, so a bad one makes all of it invalid. */
export const parseEnvoyFilter = (raw: RawObject): Parsed<EnvoyFilter> =>
  parseIstio('EnvoyFilter', 'istio.networking.v1alpha3.EnvoyFilter', raw, (spec, report) => {
    if (spec.workloadSelector) checkSelector(spec.workloadSelector.labels, 'spec.workloadSelector.labels', report);
    checkAttachment({ targetRefs: spec.targetRefs }, 'spec', report);
    for (const [i, patch] of (spec.configPatches ?? []).entries()) {
      if (patch.match?.context !== Context.WAYPOINT) checkPatch(patch, `spec.configPatches[${i}]`, report);
    }
    return spec;
  });

/** A class of objects that patches apply to. */
type Target = NonNullable<Patch['applyTo']>;

/** Which match each class of objects can have. */
const matches: Readonly<Record<Target, 'listener' | 'routeConfiguration' | 'cluster' | 'any'>> = {
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

const merging: readonly Operation[] = [Operation.MERGE, Operation.MERGE_AND_REPLACE_LIST];
const inserting: readonly Operation[] = [
  Operation.ADD,
  Operation.INSERT_BEFORE,
  Operation.INSERT_AFTER,
  Operation.INSERT_FIRST,
];
const general: readonly Operation[] = [...merging, ...inserting, Operation.REMOVE];
const ofFilters: readonly Operation[] = [...inserting, Operation.REMOVE, Operation.MERGE, Operation.REPLACE];

/** The operations that do something to each class of objects. */
const effective: Readonly<Record<Target, readonly Operation[]>> = {
  [ApplyTo.LISTENER]: general,
  [ApplyTo.FILTER_CHAIN]: general,
  [ApplyTo.NETWORK_FILTER]: ofFilters,
  [ApplyTo.HTTP_FILTER]: ofFilters,
  [ApplyTo.LISTENER_FILTER]: ofFilters,
  [ApplyTo.ROUTE_CONFIGURATION]: merging,
  [ApplyTo.VIRTUAL_HOST]: [...general, Operation.REPLACE],
  [ApplyTo.HTTP_ROUTE]: general,
  [ApplyTo.CLUSTER]: general,
  [ApplyTo.EXTENSION_CONFIG]: inserting,
  [ApplyTo.BOOTSTRAP]: [],
};

function checkPatch({ applyTo, match, patch }: Patch, path: string, report: Report): void {
  if (!applyTo) report.error(`${path}.applyTo`, 'it is needed');
  if (!patch) report.error(`${path}.patch`, 'it is needed');
  else if (!patch.operation) report.error(`${path}.patch.operation`, 'it is needed');
  else if (patch.operation !== Operation.REMOVE && !patch.value) {
    report.error(`${path}.patch.value`, 'every operation but REMOVE needs it');
  }
  if (!applyTo) return;
  if (patch?.value && patch.operation !== Operation.REMOVE) {
    checkValue(patchMessages[applyTo], patch.value, `${path}.patch.value`, report);
  }
  if (applyTo === ApplyTo.BOOTSTRAP) {
    report.warning(
      `${path}.applyTo`,
      'it has no effect: a proxy has read its bootstrap before it asks for configuration',
    );
  } else if (patch?.operation && !effective[applyTo].includes(patch.operation)) {
    report.warning(`${path}.patch.operation`, 'it does nothing to what the patch applies to');
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

/** Envoy rejects a whole resource for a field that it does not know and for a regular expression that is not RE2's. */
function checkValue(
  message: (typeof patchMessages)[keyof typeof patchMessages],
  raw: Struct,
  path: string,
  report: Report,
): void {
  const { value, problems } = readPatchValue(message, raw);
  for (const problem of problems) report.error(problem.path ? `${path}.${problem.path}` : path, problem.message);
  if (problems.length) return;
  walk(message, { ...value }, path, (name, { regex }, at) => {
    if (name === 'envoy.type.matcher.v3.RegexMatcher' && typeof regex === 'string')
      checkRegex(regex, `${at}.regex`, report);
  });
}

function checkListenerMatch(
  match: networking.EnvoyFilter_ListenerMatch,
  applyTo: Target,
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
