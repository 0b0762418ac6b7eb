import { RE2JS } from 're2js';
import type { Problem } from '../../config/problem.ts';
import { type EnvoyFilter, writtenPath } from '../../istio/config.ts';
import { memo } from '../../memo.ts';
import type { EnvoyBuild, Traits } from '../../model/proxy/traits.ts';
import {
  EnvoyFilter_ApplyTo as ApplyTo,
  EnvoyFilter_PatchContext as Context,
  EnvoyFilter_Patch_Operation as Operation,
  type EnvoyFilter_ProxyMatch as ProxyMatch,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { fromStruct } from '../../proto/wellknown.ts';
import { missingExtensions, namedMessages } from './extension-names.ts';

/** Patches of one EnvoyFilter, by their indexes. */
export interface ChosenPatches {
  readonly filter: EnvoyFilter;
  readonly indexes: readonly number[];
}

/** The patches that are for a proxy, in the order of their EnvoyFilters, and why others are not in force. */
export interface Selection {
  readonly patches: readonly ChosenPatches[];
  readonly problems: readonly Problem[];
}

/** A proxy may say of itself what it likes; no release has a longer version. */
const longestVersion = 256;

/** RE2's way of matching takes linear time: JavaScript's own would let an expression like `(a+)+$` stop everything. */
const expression = memo((_: EnvoyFilter, proxyVersion: string) => RE2JS.compile(proxyVersion));

function matchesProxy(filter: EnvoyFilter, match: ProxyMatch, { istioVersion, options }: Traits): boolean {
  const { proxyVersion, metadata = {} } = match;
  if (proxyVersion) {
    if (istioVersion === '' || istioVersion.length > longestVersion) return false;
    if (!expression(filter, proxyVersion).matcher(istioVersion).find()) return false;
  }
  return Object.entries(metadata).every(([name, value]) => Object.hasOwn(options, name) && options[name] === value);
}

/** The contexts in which a proxy of a type has anything. */
const contexts: Readonly<Record<Traits['type'], readonly Context[]>> = {
  sidecar: [Context.ANY, Context.SIDECAR_INBOUND, Context.SIDECAR_OUTBOUND],
  router: [Context.ANY, Context.GATEWAY],
};

/** The indexes of the patches that are for a proxy. */
function chosen(filter: EnvoyFilter, traits: Traits): readonly number[] {
  const indexes: number[] = [];
  for (const [index, { applyTo, match }] of (filter.spec.configPatches ?? []).entries()) {
    // A proxy asks for extensions by name, whatever the context of their patch.
    const everywhere = applyTo === ApplyTo.EXTENSION_CONFIG;
    if (!everywhere && !contexts[traits.type].includes(match?.context ?? Context.ANY)) continue;
    if (!match?.proxy || matchesProxy(filter, match.proxy, traits)) indexes.push(index);
  }
  return indexes;
}

/** For each patch, what it names that a build lacks. */
const lacking = memo((filter: EnvoyFilter, build: EnvoyBuild): readonly (readonly Problem[])[] =>
  (filter.spec.configPatches ?? []).map(({ patch }, index) => {
    if (!patch?.value || patch.operation === Operation.REMOVE) return [];
    const path = writtenPath(filter, `spec.configPatches[${index}]`);
    return namedMessages(fromStruct(patch.value), `${path}.patch.value`).flatMap(({ path, name }): Problem[] => {
      const names = missingExtensions(build, name);
      if (!names.length) return [];
      const message = `the proxy's Envoy ${build.version.join('.')} does not have the extension ${names.join(' or ')}`;
      return [{ object: filter.meta.key, path, message, severity: 'error' }];
    });
  }),
);

/** What the EnvoyFilters that select a workload come to for its proxies of certain traits. */
export const select = memo((filters: readonly EnvoyFilter[], traits: Traits): Selection => {
  const patches: ChosenPatches[] = [];
  const problems: Problem[] = [];
  for (const filter of filters) {
    const missing = lacking(filter, traits.build);
    const indexes = chosen(filter, traits);
    problems.push(...indexes.flatMap(index => missing[index] ?? []));
    const usable = indexes.filter(index => !missing[index]?.length);
    if (usable.length) patches.push({ filter, indexes: usable });
  }
  return Object.freeze({ patches, problems });
});
