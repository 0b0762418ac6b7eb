/**
 * What a request asks for: its host and its path. Where a match opens, it is istiod's; where a match refuses, or asks for more, it also takes
 * what an application may take for the same, and what Envoy's matchers overlook: nobody passes a DENY by another spelling.
 */

import { extension } from '../../../proto/any.ts';
import type { Permission } from '../../../proto/generated/envoy/config/rbac/v3.ts';
import type { StringMatcher } from '../../../proto/generated/envoy/type/matcher/v3.ts';
import { headerMatcher, literally, regexMatcher, valueMatcher } from './matchers.ts';

const anyOf = (rules: readonly Permission[]): Permission => ({ or_rules: { rules } });
const allOf = (rules: readonly Permission[]): Permission => ({ and_rules: { rules } });
const urlPath = (path: StringMatcher): Permission => ({ url_path: { path } });

/** RE2 finds characters only where bytes are UTF-8. */
const notUtf8: Permission = { not_rule: urlPath(regexMatcher('.*')) };

const isTemplate = (value: string): boolean => value.includes('{*}') || value.includes('{**}');

/** Paths that fit a template, whatever characters they are of; Envoy's own template knows those of RFC 3986 only. */
function everyFittingPath(template: string): Permission {
  const regex = template
    .split(/(\{\*\*?\})/)
    .map(part => (part === '{*}' ? '[^/]+' : part === '{**}' ? '.*' : literally(part)))
    .join('');
  const before = template.slice(0, template.indexOf('{'));
  return anyOf([urlPath(regexMatcher(regex)), allOf([urlPath({ prefix: before }), notUtf8])]);
}

/** A path, as Envoy has normalized it, without its query: exact, `prefix*`, `*suffix`, or a template with `{*}` and `{**}`. */
export function pathPermission(value: string, restricts: boolean): Permission {
  if (restricts && value === '*') return { any: true };
  if (!isTemplate(value)) return urlPath(valueMatcher(value));
  if (restricts) return everyFittingPath(value);
  const template = value.replaceAll('{**}', '**').replaceAll('{*}', '*');
  return {
    uri_template: extension('uri-template', 'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig', {
      path_template: template,
    }),
  };
}

/** What some application takes a name for that it finds in here: a user before it, others of a list around it, a last dot, any port. */
function everyMention(host: string): string {
  const open = host.startsWith('*');
  const begun = !open && host.endsWith('*');
  const name = literally(open ? host.slice(1) : begun ? host.slice(0, -1) : host.replace(/\.$/, ''));
  if (begun) return `(?i)(.*[@,\\s])?${name}.*`;
  const port = host.includes(':') ? '' : '\\.?(:[0-9]*)?';
  return `(?i)${open ? '.*' : '(.*[@,\\s])?'}${name}${port}(\\s*,.*)?`;
}

/** A host in letters of any case. */
export function hostPermission(value: string, restricts: boolean): Permission {
  const name = ':authority';
  if (!restricts || value === '*') return { header: headerMatcher(name, value, true) };
  return { header: { name, string_match: regexMatcher(everyMention(value)) } };
}
