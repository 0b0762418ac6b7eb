import type { Kind } from '../config/kinds.ts';
import type { RawObject } from '../config/raw.ts';
import { isFields } from '../config/read.ts';
import { entry } from '../config/report.ts';

/** What is wrong with a field of an object. */
export interface Refusal {
  readonly path: string;
  readonly message: string;
}

const label = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const labelWithLetter = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/;
const qualified = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

const isSubdomain = (name: string): boolean => name.length <= 253 && name.split('.').every(part => label.test(part));

/** What looks like this was to be filled in by a program that did not run. */
export function isTemplate(text: string): boolean {
  const open = text.indexOf('{{');
  return (open >= 0 && text.indexOf('}}', open) >= 0) || /\$\{\w+\}/.test(text);
}

const template = (text: string): string =>
  isTemplate(text) ? '; it looks like a template, which is to be rendered first' : '';

const quoted = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);

/** The names that an API server takes, by kind: a Service's is a DNS-1035 label, a Namespace's an RFC 1123 label, others are subdomains. */
function nameProblem(kind: Kind, name: string): string | undefined {
  if (kind === 'Service') {
    if (name.length <= 63 && labelWithLetter.test(name)) return undefined;
    return 'a name of at most 63 small letters, digits and -, with a letter first and no - last';
  }
  if (kind === 'Namespace') {
    if (name.length <= 63 && label.test(name)) return undefined;
    return 'a name of at most 63 small letters, digits and -, with no - first or last';
  }
  if (isSubdomain(name)) return undefined;
  return 'a name of at most 253 small letters, digits, - and ., each part of which begins and ends with a letter or digit';
}

function isQualifiedName(key: string): boolean {
  const parts = key.split('/');
  const name = parts.at(-1) ?? '';
  const [prefix] = parts;
  return (
    parts.length <= 2 &&
    name.length <= 63 &&
    qualified.test(name) &&
    (parts.length === 1 || (prefix !== undefined && isSubdomain(prefix)))
  );
}

const maxAnnotations = 256 * 1024;

/**
 * What an API server checks in the metadata of every object before it takes it (apimachinery's ValidateObjectMeta). A file is the only source
 * that nobody checked before.
 */
export function refusals(kind: Kind, { metadata }: RawObject): readonly Refusal[] {
  const found: Refusal[] = [];
  const { name, namespace, labels, annotations } = metadata;
  const expected = nameProblem(kind, name);
  if (expected)
    found.push({ path: 'metadata.name', message: `expected ${expected}, found ${quoted(name)}${template(name)}` });
  if (namespace && (namespace.length > 63 || !label.test(namespace))) {
    const message = `expected a name of at most 63 small letters, digits and -, found ${quoted(namespace)}${template(namespace)}`;
    found.push({ path: 'metadata.namespace', message });
  }
  for (const [field, values] of [
    ['labels', labels],
    ['annotations', annotations],
  ] as const) {
    if (!isFields(values)) continue;
    let size = 0;
    for (const [key, value] of Object.entries<unknown>(values)) {
      const path = entry(`metadata.${field}`, key);
      // A key of annotations may have capitals in its prefix.
      if (!isQualifiedName(field === 'labels' ? key : key.toLowerCase())) {
        found.push({
          path,
          message: `${quoted(key)} is no key: a name of at most 63 characters is, after a domain and / or alone`,
        });
      }
      if (typeof value !== 'string') continue;
      size += key.length + value.length;
      if (field === 'labels' && value && (value.length > 63 || !qualified.test(value))) {
        const message = `expected at most 63 letters, digits, -, _ and . with a letter or digit at both ends, found ${quoted(value)}`;
        found.push({ path, message: message + template(value) });
      }
    }
    if (field === 'annotations' && size > maxAnnotations) {
      found.push({
        path: 'metadata.annotations',
        message: `they have ${size} characters, more than the ${maxAnnotations} that are allowed`,
      });
    }
  }
  return found;
}
