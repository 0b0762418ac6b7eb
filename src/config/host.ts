import { isIP } from 'node:net';
import type { Report } from './report.ts';

const label = '[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?';
const dnsLabel = new RegExp(`^${label}$`);
const wildcardLabel = new RegExp(`^(?:\\*|(?:\\*|\\*-)?${label})$`);
const labelKey = new RegExp(`^(?:(${label}(?:\\.${label})*)/)?((?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`);
const labelValue = /^(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

/** Whether a text is a label of a DNS name: letters, digits and inner hyphens, at most 63. */
export const isDnsLabel = (text: string): boolean => text.length <= 63 && dnsLabel.test(text);

/** What is wrong with a fully qualified name; undefined when nothing is. */
export function hostFault(host: string): string | undefined {
  return lengthFault(host) ?? labelsFault(host, host);
}

/** As hostFault, where the first label may also be a wildcard: `*`, `*.example.com`, `*-v1.example.com`. */
export function wildcardHostFault(host: string): string | undefined {
  const fault = lengthFault(host);
  if (fault) return fault;
  const dot = host.indexOf('.');
  const first = dot < 0 ? host : host.slice(0, dot);
  if (first.length > 63 || !wildcardLabel.test(first)) return `"${host}" is not a host name (label "${first}")`;
  return dot < 0 ? undefined : labelsFault(host.slice(dot + 1), host);
}

const lengthFault = (host: string): string | undefined =>
  host === '' ? 'the host is empty' : host.length > 255 ? 'a host has at most 255 characters' : undefined;

function labelsFault(labels: string, host: string): string | undefined {
  const parts = labels.split('.');
  const last = parts.at(-1) ?? '';
  if (/^[-+]?\d+$/.test(last)) return `"${host}" is not a host name (its last label is a number)`;
  // A trailing dot is fine: the name is already complete.
  if (last === '') parts.pop();
  const wrong = parts.find(part => !isDnsLabel(part));
  return wrong === undefined ? undefined : `"${host}" is not a host name (label "${wrong}")`;
}

/** Reports what is not a host of a service: short, fully qualified or a wildcard. */
export function checkHost(host: string | undefined, path: string, report: Report): void {
  const fault = wildcardHostFault(host ?? '');
  if (fault) report.error(path, fault);
}

/** Whether a text is the name of a label: `app`, `example.com/app`. */
function isLabelKey(key: string): boolean {
  const match = labelKey.exec(key);
  return match !== null && (match[1]?.length ?? 0) <= 253 && (match[2]?.length ?? 0) <= 63;
}

/** Whether an object of Kubernetes can have this label. */
export const isLabel = (key: string, value: string): boolean =>
  isLabelKey(key) && value.length <= 63 && labelValue.test(value);

/** Reports labels and selectors that Kubernetes would not take. */
export function checkLabels(labels: Readonly<Record<string, string>> | undefined, path: string, report: Report): void {
  for (const key in labels) {
    if (!isLabelKey(key)) report.error(path, `"${key}" is not the name of a label`);
    if (!labelValue.test(labels[key] ?? '')) report.error(`${path}.${key}`, `"${labels[key]}" is not a label's value`);
  }
}

/** Reports the host of a Gateway's server or of a Sidecar's egress: `namespace/host`; in a Gateway also the host alone. */
export function checkNamespacedHost(text: string, owner: 'gateway' | 'sidecar', path: string, report: Report): void {
  const slash = text.indexOf('/');
  if (slash < 0) {
    if (owner === 'sidecar') {
      report.error(path, `"${text}" must have the form namespace/host`);
      return;
    }
    checkHostPart(text, owner, path, report);
    return;
  }
  const [namespace, host] = [text.slice(0, slash), text.slice(slash + 1)];
  if (!namespace || !host) {
    report.error(path, `"${text}": neither the namespace nor the host may be empty`);
    return;
  }
  const bare = owner === 'sidecar' ? namespace.replace(/^~/, '') : namespace;
  if (bare !== '*' && bare !== '.' && !(bare === '' && owner === 'sidecar') && !isDnsLabel(bare)) {
    report.error(path, `"${namespace}" is not a namespace`);
  }
  checkHostPart(host, owner, path, report);
}

function checkHostPart(host: string, owner: 'gateway' | 'sidecar', path: string, report: Report): void {
  if (owner === 'gateway' && isIP(host)) return;
  if (host !== '*' && !host.includes('.')) {
    report.error(path, `"${host}" is a short name; a fully qualified one is needed`);
  }
  checkHost(host, path, report);
  checkWholeWildcard(host, path, report);
}

/** Reports a wildcard that is not a whole label (`*foo.com`). */
function checkWholeWildcard(host: string, path: string, report: Report): void {
  if (isPartialWildcard(host)) report.error(path, `"${host}": a wildcard must be the whole first label`);
}

/** `*foo.com`, `a.*.com`: a wildcard that is not the first label as a whole. */
export const isPartialWildcard = (host: string): boolean =>
  host.includes('*') && host.length !== 1 && !host.startsWith('*.');
