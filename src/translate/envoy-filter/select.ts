import type { Problem } from '../../config/problem.ts';
import { memo } from '../../memo.ts';
import type { EnvoyFilter } from '../../model/config.ts';
import type { EnvoyBuild, Traits } from '../../model/traits.ts';
import {
  EnvoyFilter_ApplyTo as ApplyTo,
  EnvoyFilter_PatchContext as Context,
  EnvoyFilter_Patch_Operation as Operation,
  type EnvoyFilter_ProxyMatch as ProxyMatch,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { fromStruct } from '../../proto/wellknown.ts';
import { missingExtensions, type NamedMessage, namedMessages } from './extension-names.ts';
import { compile, type FilterPatches } from './patch.ts';

/** The EnvoyFilters that are in force for a proxy, in their order, and why others are not. */
export interface Selection {
  readonly patches: readonly FilterPatches[];
  readonly problems: readonly Problem[];
}

/** A regular expression of RE2 as the same one of JavaScript; undefined where there is none. */
function javaScriptPattern(re2: string): RegExp | undefined {
  const [, flags = '', rest = ''] = /^(?:\(\?([ims]+)\))?(.*)$/s.exec(re2) ?? [];
  const source = rest.replaceAll('(?P<', '(?<').replaceAll('\\A', '^').replaceAll('\\z', '$');
  try {
    return new RegExp(source, [...new Set(flags)].join(''));
  } catch {
    return undefined;
  }
}

/** istiod compiles no longer expressions; they match nothing. */
const longest = 1024;

function matchesVersion(pattern: string, version: string): boolean {
  if (version === '' || pattern.length > longest) return false;
  return javaScriptPattern(pattern)?.test(version) ?? false;
}

function matchesProxy({ proxyVersion, metadata = {} }: ProxyMatch, { istioVersion, options }: Traits): boolean {
  if (proxyVersion && !matchesVersion(proxyVersion, istioVersion)) return false;
  return Object.entries(metadata).every(([name, value]) => Object.hasOwn(options, name) && options[name] === value);
}

/** The contexts in which a proxy of a type has anything. */
const contexts: Readonly<Record<Traits['type'], readonly Context[]>> = {
  sidecar: [Context.ANY, Context.SIDECAR_INBOUND, Context.SIDECAR_OUTBOUND],
  router: [Context.ANY, Context.GATEWAY],
};

/** The indexes of the patches that are for a proxy, as `compile` takes them. */
function chosen({ spec }: EnvoyFilter, traits: Traits): string {
  const indexes: number[] = [];
  for (const [index, { applyTo, match }] of (spec.configPatches ?? []).entries()) {
    // A proxy asks for extensions by name, whatever the context of their patch.
    const everywhere = applyTo === ApplyTo.EXTENSION_CONFIG;
    if (!everywhere && !contexts[traits.type].includes(match?.context ?? Context.ANY)) continue;
    if (!match?.proxy || matchesProxy(match.proxy, traits)) indexes.push(index);
  }
  return indexes.join();
}

/** The messages that each patch names in Anys. */
const named = memo((filter: EnvoyFilter): readonly (readonly NamedMessage[])[] =>
  (filter.spec.configPatches ?? []).map(({ patch }, i) =>
    patch?.value && patch.operation !== Operation.REMOVE
      ? namedMessages(fromStruct(patch.value), `spec.configPatches[${i}].patch.value`)
      : [],
  ),
);

/** The extensions that a build lacks. */
const lacking = memo((filter: EnvoyFilter, build: EnvoyBuild, indexes: string): readonly Problem[] => {
  const messages = named(filter);
  return indexes
    .split(',')
    .flatMap(index => messages[Number(index)] ?? [])
    .flatMap(({ path, name }): Problem[] => {
      const names = missingExtensions(build, name);
      if (!names.length) return [];
      const message = `the proxy's Envoy ${build.version.join('.')} does not have the extension ${names.join(' or ')}`;
      return [{ object: filter.meta.key, path, message, severity: 'error' }];
    });
});

/** What the EnvoyFilters that select a workload come to for its proxies of certain traits. */
export const select = memo((filters: readonly EnvoyFilter[], traits: Traits): Selection => {
  const patches: FilterPatches[] = [];
  const problems: Problem[] = [];
  for (const filter of filters) {
    const indexes = chosen(filter, traits);
    const missing = indexes ? lacking(filter, traits.build, indexes) : [];
    const compiled = compile(filter, indexes);
    if (missing.length) problems.push(...missing);
    else if (compiled.ok) patches.push(compiled.patches);
    else problems.push(...compiled.problems);
  }
  return Object.freeze({ patches, problems });
});
