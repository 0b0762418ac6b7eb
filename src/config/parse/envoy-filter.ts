import { bounds, sentenceOf } from '../../bounds.ts';
import type { EnvoyFilter } from '../../istio/config.ts';
import { patchMessages, readPatchValue } from '../../istio/patch-value.ts';
import type { Struct } from '../../proto/generated/google/protobuf.ts';
import type * as networking from '../../proto/generated/istio/networking/v1alpha3.ts';
import {
  EnvoyFilter_ApplyTo as ApplyTo,
  EnvoyFilter_PatchContext as Context,
  EnvoyFilter_Patch_Operation as Operation,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { walk } from '../../proto/walk.ts';
import { fromStruct } from '../../proto/wellknown.ts';
import type { Json } from '../../unknown.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { checkRegex } from '../regex.ts';
import type { Report } from '../report.ts';
import { checkAttachment, checkSelector } from '../selector.ts';
import { checkMatch } from './envoy-filter-match.ts';
import { parseIstio } from './istio.ts';

type Patch = networking.EnvoyFilter_EnvoyConfigObjectPatch;

/** Reads an EnvoyFilter. A patch that cannot be in force is left out; the others stay. */
export const parseEnvoyFilter = (raw: RawObject): Parsed<EnvoyFilter> =>
  parseIstio('EnvoyFilter', 'istio.networking.v1alpha3.EnvoyFilter', raw, (spec, report) => {
    if (spec.workloadSelector) checkSelector(spec.workloadSelector.labels, 'spec.workloadSelector.labels', report);
    checkAttachment({ targetRefs: spec.targetRefs }, 'spec', report);
    const versions = new Set<string>();
    const configPatches = report.keep(spec.configPatches, 'spec.configPatches', (patch, at) => {
      checkPatch(patch, at, report);
      checkVersion(patch.match?.proxy?.proxyVersion, versions, `${at}.match.proxy.proxyVersion`, report);
    });
    if (report.emptied(configPatches, 'spec.configPatches')) report.error('spec.configPatches', 'no patch is left');
    return { ...spec, configPatches };
  });

/** A class of objects that patches apply to. */
type Target = NonNullable<Patch['applyTo']>;

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
  if (match?.context === Context.WAYPOINT) {
    report.warning(`${path}.match.context`, 'it has no effect: there are no waypoints');
    return;
  }
  if (!applyTo) report.error(`${path}.applyTo`, 'it is needed');
  if (!patch) report.error(`${path}.patch`, 'it is needed');
  else if (!patch.operation) report.error(`${path}.patch.operation`, 'it is needed');
  else if (patch.operation !== Operation.REMOVE && !patch.value) {
    report.error(`${path}.patch.value`, 'every operation but REMOVE needs it');
  }
  // Go takes any number for an enum; one that is none was reported with the schema.
  if (!applyTo || !(applyTo in effective)) return;
  if (patch?.value && patch.operation !== Operation.REMOVE) {
    checkValue(applyTo, patch.value, `${path}.patch.value`, report);
    if (placing.includes(patch.operation ?? Operation.INVALID) && ofFilterKinds.has(applyTo)) {
      checkConfigured(fromStruct(patch.value), `${path}.patch.value`, report);
    }
  }
  if (applyTo === ApplyTo.BOOTSTRAP) {
    report.warning(
      `${path}.applyTo`,
      'it has no effect: a proxy has read its bootstrap before it asks for configuration',
    );
  } else if (patch?.operation && !effective[applyTo].includes(patch.operation)) {
    report.warning(`${path}.patch.operation`, 'it does nothing to what the patch applies to');
  }
  checkMatch(applyTo, patch?.operation ?? Operation.INVALID, match ?? {}, path, report);
}

/** Envoy rejects a whole resource for a regular expression that is not RE2's; a field that this version of its API lacks is left out. */
/** `versions` are those of the patches before. */
function checkVersion(version: string | undefined, versions: Set<string>, path: string, report: Report): void {
  if (!version) return;
  checkRegex(version, path, report);
  if (version.length > bounds['proxy-version'].most) report.error(path, sentenceOf('proxy-version'));
  else if (versions.size >= bounds['proxy-versions'].most && !versions.has(version))
    report.error(path, sentenceOf('proxy-versions'));
  else versions.add(version);
}

function checkValue(applyTo: keyof typeof patchMessages, raw: Struct, path: string, report: Report): void {
  const message = patchMessages[applyTo];
  const { value, problems } = readPatchValue(message, raw);
  let invalid = false;
  for (const problem of problems) {
    const at = problem.path ? `${path}.${problem.path}` : path;
    if (problem.kind === 'invalid') report.error(at, withHint(problem.message));
    else report.warning(at, problem.message);
    invalid ||= problem.kind === 'invalid';
  }
  if (invalid) return;
  if (applyTo === ApplyTo.EXTENSION_CONFIG && !('name' in value && value.name)) {
    report.error(`${path}.name`, 'it is needed: a filter asks for its configuration by name');
  }
  walk(message, { ...value }, path, (name, { regex }, at) => {
    if (name === 'envoy.type.matcher.v3.RegexMatcher' && typeof regex === 'string')
      checkRegex(regex, `${at}.regex`, report);
  });
}

const ofFilterKinds: ReadonlySet<Target> = new Set([
  ApplyTo.LISTENER_FILTER,
  ApplyTo.NETWORK_FILTER,
  ApplyTo.HTTP_FILTER,
]);

/** Operations after which the value stands among the filters as it is. */
const placing: readonly Operation[] = [...inserting, Operation.REPLACE];

/** Envoy looks no filter up by its name alone. */
function checkConfigured(filter: { readonly [key: string]: Json }, path: string, report: Report): void {
  const fields = ['typed_config', 'typedConfig', 'config_discovery', 'configDiscovery'];
  if (fields.some(field => filter[field])) return;
  report.error(path, 'a filter needs a typed_config, or a config_discovery: its name says nothing of what it does');
}

const withHint = (message: string): string =>
  /^unknown message type .*\.v2(?:alpha\d*)?\./.test(message)
    ? `${message}: today's Envoys have version 3 of their API`
    : message;
