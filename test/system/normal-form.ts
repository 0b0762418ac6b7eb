import type { Cells } from './transcript.ts';

/** The stable words of a cluster: who has an address, and which Deployment a pod is of. */
export interface Words {
  /** `svc/NAME.NAMESPACE` or `pod/DEPLOYMENT.NAMESPACE` by address. */
  readonly addresses: ReadonlyMap<string, string>;
  /** The Deployment by the pod's name. */
  readonly pods: ReadonlyMap<string, string>;
}

/** Of a Deployment that stands beside another, with the other kind of proxy. */
export const TWIN = '-envoy';

const ADDRESS = /(?<![\d.])\d+\.\d+\.\d+\.\d+(?![\d.])/g;
const POD = /\b[a-z][a-z0-9-]*-[a-z0-9]+-[a-z0-9]{5}\b/g;
/** Titles of two words. */
const TITLES =
  /\b(SERVICE FQDN|DESTINATION RULE|VIRTUAL SERVICE|VHOST NAME|OUTLIER CHECK|SUBSCRIBED TYPES|CREATED AT|RESOURCE NAME|VALID CERT|SERIAL NUMBER|NOT AFTER|NOT BEFORE|\S+)/g;
const TITLE_LINE = /^(NAME|ADDRESS|ADDRESSES|SERVICE FQDN|ENDPOINT|RESOURCE NAME)\b.*[A-Z]$/;

/** Cells that say the same whatever they say, by title. */
const MOVING: Readonly<Record<string, string>> = {
  AGE: 'AGE',
  'CREATED AT': 'TIME',
  'NOT AFTER': 'TIME',
  'NOT BEFORE': 'TIME',
  'SERIAL NUMBER': 'SERIAL',
  VERSION: 'VERSION',
};

function stable(text: string, { addresses, pods }: Words): string {
  const named = text
    .replaceAll(ADDRESS, address => addresses.get(address) ?? address)
    .replaceAll(POD, name => (pods.has(name) ? `${pods.get(name)?.replace(TWIN, '')}-HASH` : name))
    .replaceAll(/pod-template-hash=\w+/g, 'pod-template-hash=HASH')
    .replaceAll(/:\d{5}\/TCP/g, ':NODEPORT/TCP')
    .replaceAll(/(?<![\d.])(unknown|\d+\.\d+\.\d+)(?= \(\d+ prox|$)/g, 'VERSION')
    .replaceAll(/\(\d+ proxies\)/g, '(N proxies)');
  // Of two pods of the same word one is enough, and their order is that of their names.
  return /^\S+,\S+$/.test(named) ? [...new Set(named.split(','))].sort().join(',') : named;
}

interface Title {
  readonly title: string;
  readonly index: number;
}

/** Rows of tables by the places of their titles, or lines. */
export function normalText(text: string, words: Words): readonly Cells[] {
  let titles: readonly Title[] | undefined;
  return text
    .split('\n')
    .filter(line => line.trim())
    .map(line => {
      if (TITLE_LINE.test(line.trim())) {
        titles = [...line.matchAll(TITLES)].map(({ 0: title, index }) => ({ title, index }));
        return titles.map(({ title }) => title);
      }
      return titles ? normalRow(line, titles, words) : [stable(line.trim().replaceAll(/\s+/g, ' '), words)];
    });
}

function normalRow(line: string, titles: readonly Title[], words: Words): Cells {
  const cells = titles.map(({ title, index }, at) => {
    const cell = line.slice(index, titles[at + 1]?.index).trim();
    return cell && (MOVING[title] ?? stable(cell, words));
  });
  return cells.slice(0, cells.findLastIndex(Boolean) + 1);
}

/** The leaves of JSON: paths and values. Items of a list are told apart by their names, if they have any. */
export function normalJson(text: string, words: Words): readonly Cells[] {
  const found: (readonly [string, string])[] = [];
  const walk = (value: unknown, path: string): void => {
    if (Array.isArray(value)) for (const item of value) walk(item, `${path}[${nameOf(item)}]`);
    else if (typeof value === 'object' && value !== null)
      for (const [key, part] of Object.entries(value)) walk(part, `${path}.${key}`);
    else found.push([stable(path, words), stable(String(value), words)]);
  };
  walk(JSON.parse(text), '');
  return found;
}

function nameOf(item: unknown): string {
  const name = typeof item === 'object' && item !== null && 'name' in item ? item.name : '';
  return typeof name === 'string' ? name : '';
}
